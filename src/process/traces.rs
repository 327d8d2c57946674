//! Traces for OpenTelemetry: the spans around log lines (requests, attempts and their phases), sent as
//! OTLP over HTTP.
//!
//! Only with the feature `otel`: most installations have no collector, and need not carry what speaks
//! with one. A setting that this program cannot follow is refused instead of passed over.

use tracing_subscriber::{EnvFilter, Layer, Registry, layer::Layered};
use url::Url;

/// What the spans go through first.
type Filtered = Layered<EnvFilter, Registry>;

/// The layer that takes the spans.
type Spans = Box<dyn Layer<Filtered> + Send + Sync>;

#[cfg(feature = "otel")]
pub(super) use self::sent::{Traces, start};

#[cfg(not(feature = "otel"))]
pub(super) use self::unsent::{Traces, start};

#[cfg(feature = "otel")]
mod sent {
    use anyhow::Context as _;
    use opentelemetry::{KeyValue, trace::TracerProvider as _};
    use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
    use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
    use tracing_subscriber::Layer as _;

    use super::{Spans, Url};
    use crate::tls;

    /// Sends what is left when it is dropped.
    #[derive(Debug)]
    pub(in crate::process) struct Traces(Option<SdkTracerProvider>);

    /// Begins to send spans to this address. How many are kept and what else they say of this
    /// process are OpenTelemetry's own variables, such as `OTEL_TRACES_SAMPLER`.
    pub(in crate::process) fn start(to: Option<&Url>) -> anyhow::Result<(Option<Spans>, Traces)> {
        let Some(to) = to else { return Ok((None, Traces(None))) };
        tls::init();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(to.as_str())
            .build()
            .with_context(|| format!("server.traces: {to} cannot be sent to"))?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource =
            Resource::builder().with_service_name("kiln").with_attribute(version).build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_batch_exporter(exporter)
            .build();
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("kiln"))
            .with_location(false)
            .with_threads(false);
        Ok((Some(layer.boxed()), Traces(Some(provider))))
    }

    impl Drop for Traces {
        fn drop(&mut self) {
            if let Some(Err(error)) = self.0.take().map(|provider| provider.shutdown()) {
                tracing::warn!(%error, "the last traces could not be sent");
            }
        }
    }
}

#[cfg(not(feature = "otel"))]
mod unsent {
    use super::{Spans, Url};

    /// None are sent.
    #[derive(Debug)]
    pub(in crate::process) struct Traces;

    /// Refuses an address.
    pub(in crate::process) fn start(to: Option<&Url>) -> anyhow::Result<(Option<Spans>, Traces)> {
        anyhow::ensure!(
            to.is_none(),
            "server.traces: this kiln was built without OpenTelemetry: build it with \
             `cargo build --release --features otel`, or remove the setting"
        );
        Ok((None, Traces))
    }
}

//! What is counted and timed: one place for the names, units and labels, so that a dashboard can rely
//! on them and no label can have more values than an operator can read.
//!
//! What happens is counted where it happens, in this process. How things stand (jobs that wait,
//! agents that are there) is asked of the database when somebody reads the figures, so that every server
//! says the same.

use std::{sync::OnceLock, time::Duration};

use metrics::Unit::{Bytes, Count, Seconds};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::model::{Cause, Outcome, ToolchainName};

/// Upper ends of the buckets of short times, in seconds: questions and answers.
const SHORT: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];
/// Of long ones: jobs, and how long they wait.
const LONG: [f64; 11] = [0.5, 1.0, 2.5, 5.0, 15.0, 30.0, 60.0, 180.0, 600.0, 1_800.0, 7_200.0];

/// Timed in `LONG`.
const LONG_ONES: [&str; 3] =
    ["kiln_job_seconds", "kiln_job_wait_seconds", "kiln_sandbox_preparation_seconds"];

/// Everything that is counted in this process, as Prometheus reads it.
pub fn render() -> String {
    let handle = recorder();
    handle.run_upkeep();
    handle.render()
}

/// The one recorder of the process. Figures are kept from the first call on.
pub fn recorder() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let long = LONG_ONES.iter().fold(
            PrometheusBuilder::new().set_buckets(&SHORT).expect("there are buckets"),
            |builder, name| {
                let name = Matcher::Full((*name).to_owned());
                builder.set_buckets_for_metric(name, &LONG).expect("there are buckets")
            },
        );
        let recorder = long.build_recorder();
        let handle = recorder.handle();
        // Fails where another program that this is a part of has one: then that has the figures.
        let _ = metrics::set_global_recorder(recorder);
        describe();
        begin();
        handle
    })
}

fn describe() {
    describe_gauge!("kiln_build_info", Count, "Always 1; the label says which release this is");
    describe_gauge!("kiln_queue_jobs", Count, "Jobs that wait or run, by queue");
    describe_gauge!(
        "kiln_queue_oldest_seconds",
        Seconds,
        "How long the oldest job has waited, by queue"
    );
    describe_gauge!("kiln_agents", Count, "Agents, by what they do");
    describe_gauge!("kiln_workers", Count, "Workers of agents that are online, busy or all");
    describe_gauge!("kiln_process_resident_bytes", Bytes, "Memory of this process");
    describe_gauge!("kiln_disk_free_bytes", Bytes, "What is free where a server writes");
    describe_counter!("kiln_builds_total", Count, "Builds that were submitted");
    describe_counter!("kiln_claims_total", Count, "Claims of agents, by whether there was a job");
    describe_histogram!("kiln_job_wait_seconds", Seconds, "From when a job could run to its claim");
    describe_histogram!("kiln_job_seconds", Seconds, "From claim to end, by toolchain and outcome");
    describe_counter!("kiln_attempts_total", Count, "Attempts that ended, by outcome and cause");
    describe_counter!("kiln_leases_lapsed_total", Count, "Attempts whose agents went silent");
    describe_histogram!(
        "kiln_sandbox_preparation_seconds",
        Seconds,
        "How long agents took to make the sandboxes of attempts"
    );
    describe_counter!("kiln_log_bytes_total", Bytes, "Bytes of logs that were taken");
    describe_histogram!("kiln_database_seconds", Seconds, "Statements of the database");
    describe_histogram!(
        "kiln_artifact_store_seconds",
        Seconds,
        "Requests to the artifact store, by kind"
    );
    describe_counter!("kiln_artifact_store_errors_total", Count, "Those that failed");
    describe_counter!("kiln_swept_objects_total", Count, "Objects that nobody knew, removed");
    describe_histogram!(
        "kiln_http_request_seconds",
        Seconds,
        "Requests, by route, to the head of the answer"
    );
    describe_counter!("kiln_http_requests_total", Count, "Requests, by route, method and status");
}

/// What has not happened yet is nought, not unknown: an alert on it would never be heard.
fn begin() {
    for name in [
        "kiln_builds_total",
        "kiln_leases_lapsed_total",
        "kiln_log_bytes_total",
        "kiln_swept_objects_total",
    ] {
        counter!(name).increment(0);
    }
    for result in ["job", "none"] {
        counter!("kiln_claims_total", "result" => result).increment(0);
    }
    for kind in ["put", "get", "head", "delete"] {
        counter!("kiln_artifact_store_errors_total", "kind" => kind).increment(0);
    }
}

/// A build was submitted.
pub(crate) fn submitted() {
    counter!("kiln_builds_total").increment(1);
}

/// An agent asked for a job; how long the job had waited, if there was one.
pub(crate) fn claimed(waited: Option<Duration>) {
    let result = if waited.is_some() { "job" } else { "none" };
    counter!("kiln_claims_total", "result" => result).increment(1);
    if let Some(waited) = waited {
        histogram!("kiln_job_wait_seconds").record(waited.as_secs_f64());
    }
}

/// An attempt that ended had a sandbox, which its agent made in that time.
pub(crate) fn prepared(took: Duration) {
    histogram!("kiln_sandbox_preparation_seconds").record(took.as_secs_f64());
}

/// An attempt ended.
pub(crate) fn ended(
    toolchain: Option<&ToolchainName>,
    (outcome, cause): (Outcome, Option<Cause>),
    took: Duration,
) {
    let outcome = outcome.as_str();
    let cause = cause.map_or("none", Cause::as_str);
    counter!("kiln_attempts_total", "outcome" => outcome, "cause" => cause).increment(1);
    // Toolchains are those of the catalogue and the settings.
    let toolchain = toolchain.map_or_else(|| "plan".to_owned(), ToolchainName::to_string);
    histogram!("kiln_job_seconds", "toolchain" => toolchain, "outcome" => outcome)
        .record(took.as_secs_f64());
}

/// An agent went silent.
pub(crate) fn lapsed() {
    counter!("kiln_leases_lapsed_total").increment(1);
}

/// Bytes of logs were taken.
pub(crate) fn logged(bytes: u64) {
    counter!("kiln_log_bytes_total").increment(bytes);
}

/// A statement was run.
pub(crate) fn asked_database(took: Duration) {
    histogram!("kiln_database_seconds").record(took.as_secs_f64());
}

/// The artifact store was asked.
pub(crate) fn asked_store(kind: &'static str, took: Duration, is_good: bool) {
    histogram!("kiln_artifact_store_seconds", "kind" => kind).record(took.as_secs_f64());
    if !is_good {
        counter!("kiln_artifact_store_errors_total", "kind" => kind).increment(1);
    }
}

/// Objects that nobody knew were removed.
pub(crate) fn swept(objects: u64) {
    counter!("kiln_swept_objects_total").increment(objects);
}

/// A request was answered; `route` is the pattern, not the path.
pub(crate) fn answered(route: String, method: &'static str, status: u16, took: Duration) {
    histogram!("kiln_http_request_seconds", "route" => route.clone()).record(took.as_secs_f64());
    let status = status.to_string();
    counter!("kiln_http_requests_total", "route" => route, "method" => method, "status" => status)
        .increment(1);
}

//! Connects to a server by name, only at addresses that policy allows, and speaks TLS to it.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{SourceError, address::is_public, error::foreign};
use crate::config::{PrivateAddresses, SourceSettings};

/// How long one step of connecting may take: looking up, one address, the TLS handshake.
const STEP: Duration = Duration::from_secs(8);
/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 4;

/// Connects under a policy. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Dialer {
    private: PrivateAddresses,
    ca_file: Option<PathBuf>,
    /// Loaded when first needed: reading the system's authorities takes a while.
    tls: Arc<OnceLock<Arc<ClientConfig>>>,
}

impl Dialer {
    pub(super) fn new(settings: &SourceSettings) -> Self {
        let ca_file = settings.ca_file.clone();
        Self { private: settings.private, ca_file, tls: Arc::default() }
    }

    /// Connects to `host` at an address that was vetted: the name is looked up once, here.
    pub(super) async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, SourceError> {
        let mut why = "its name has no address".to_owned();
        for address in self.addresses(host, port).await?.into_iter().take(MAX_ADDRESSES) {
            match timeout(STEP, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Requests are small and each is waited for.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => why = foreign(&error.to_string()),
                Err(_) => "it does not answer".clone_into(&mut why),
            }
        }
        Err(unreachable(host, &why))
    }

    /// The addresses of a host that policy allows; its name is looked up here and nowhere else.
    pub(super) async fn addresses(
        &self,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, SourceError> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let addresses: Vec<SocketAddr> = match bare.parse::<IpAddr>() {
            Ok(address) => vec![(address, port).into()],
            Err(_) => match timeout(STEP, lookup_host((bare, port))).await {
                Ok(Ok(found)) => found.collect(),
                Ok(Err(error)) => {
                    let why = foreign(&error.to_string());
                    return Err(unreachable(host, &format!("its name cannot be looked up: {why}")));
                }
                Err(_) => return Err(unreachable(host, "looking up its name takes too long")),
            },
        };
        self.vetted(host, addresses)
    }

    /// Those of these addresses that policy allows; a refusal if there are some and it allows none.
    pub(super) fn vetted(
        &self,
        host: &str,
        addresses: Vec<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, SourceError> {
        vet(host, addresses, self.private)
    }

    /// Speaks TLS over a connection; the certificate must be good for `host`.
    pub(super) async fn tls(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, SourceError> {
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare)
            .map_err(|_| unreachable(host, "its name cannot stand in a certificate"))?;
        let connector = TlsConnector::from(self.tls_config()?);
        match timeout(STEP, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => {
                Err(unreachable(host, &format!("TLS failed: {}", foreign(&error.to_string()))))
            }
            Err(_) => Err(unreachable(host, "the TLS handshake takes too long")),
        }
    }

    pub(super) fn tls_config(&self) -> Result<Arc<ClientConfig>, SourceError> {
        if let Some(config) = self.tls.get() {
            return Ok(Arc::clone(config));
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(file) = &self.ca_file {
            let unusable = |error: &dyn std::fmt::Display| {
                let file = file.display();
                SourceError::Helper(format!("the certificate authorities in {file}: {error}"))
            };
            for certificate in CertificateDer::pem_file_iter(file).map_err(|e| unusable(&e))? {
                roots.add(certificate.map_err(|e| unusable(&e))?).map_err(|e| unusable(&e))?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| SourceError::Helper(format!("setting up TLS: {error}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::clone(self.tls.get_or_init(|| Arc::new(config))))
    }
}

/// The addresses that policy allows; a refusal if there are only others.
fn vet(
    host: &str,
    addresses: Vec<SocketAddr>,
    private: PrivateAddresses,
) -> Result<Vec<SocketAddr>, SourceError> {
    let found = !addresses.is_empty();
    let allowed: Vec<_> = addresses
        .into_iter()
        .filter(|address| private == PrivateAddresses::Allow || is_public(address.ip()))
        .collect();
    if found && allowed.is_empty() {
        let host = foreign(host);
        let text = format!("{host} is refused: its address is not on the public internet");
        return Err(SourceError::Refused(text));
    }
    Ok(allowed)
}

fn unreachable(host: &str, why: &str) -> SourceError {
    SourceError::Unreachable(format!("{} cannot be reached: {why}", foreign(host)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_leads_to_a_private_address_is_refused_before_anything_is_sent() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for (private, works) in [(PrivateAddresses::Deny, false), (PrivateAddresses::Allow, true)] {
            let dialer = Dialer::new(&SourceSettings { private, ..SourceSettings::default() });
            for host in ["localhost", "127.0.0.1"] {
                let result = dialer.connect(host, port).await;
                assert_eq!(result.is_ok(), works, "{host}");
                assert!(works || matches!(result, Err(SourceError::Refused(_))), "{host}");
            }
        }
    }

    #[test]
    fn of_several_addresses_only_public_ones_are_used() {
        let addresses = ["10.0.0.1:443", "1.1.1.1:443", "[::1]:443"];
        let addresses: Vec<SocketAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
        let vetted = vet("x", addresses.clone(), PrivateAddresses::Deny).unwrap();
        assert_eq!(vetted, [addresses[1]]);
        assert_eq!(vet("x", addresses, PrivateAddresses::Allow).unwrap().len(), 3);
    }
}

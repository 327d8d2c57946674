//! Requests to forges and other people's addresses, through the same gate as sources: no address that
//! is not public unless the operator allows it, no redirects, bounds on time and size.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::{SourceError, Sources, dial::Dialer, error::foreign};
use crate::config::{Scheme, SourceSettings};

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// What is read of an answer, in bytes.
const MAX_ANSWER: usize = 16 << 10;

/// A request with a body.
#[derive(Clone, PartialEq, Eq)]
pub struct Post {
    /// Where to.
    pub url: String,
    /// Headers; some are secret.
    pub headers: Vec<(&'static str, String)>,
    /// The body, JSON.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Post").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What came back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PostAnswer {
    /// The status.
    pub status: u16,
    /// The beginning of the body.
    pub text: String,
}

struct Gate(Dialer);

impl Resolve for Gate {
    fn resolve(&self, name: Name) -> Resolving {
        let dialer = self.0.clone();
        Box::pin(async move {
            let addresses = dialer.addresses(name.as_str(), 0).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The address, if it is one that may be posted to as far as its text says.
fn check(text: &str, settings: &SourceSettings) -> Result<Url, SourceError> {
    // It may have a secret in it, and is not shown.
    let refused = |why: &str| SourceError::Refused(format!("the address is refused: {why}"));
    let url = Url::parse(text).map_err(|error| refused(&error.to_string()))?;
    let is_fine = match url.scheme() {
        "https" => true,
        "http" => settings.schemes.allows(Scheme::Http),
        _ => false,
    };
    if !is_fine {
        return Err(refused("it has to begin with https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("it has a user or password; the secret is given by itself"));
    }
    if url.fragment().is_some() || text.len() > 2_048 || text.contains(char::is_control) {
        return Err(refused("it is not plain"));
    }
    if url.port() == Some(0) || url.host().is_none() {
        return Err(refused("it cannot be reached"));
    }
    Ok(url)
}

impl Sources {
    /// Whether an address may be posted to, as far as that can be said without asking for its host.
    pub fn check_address(&self, text: &str) -> Result<String, SourceError> {
        self.allowed(text).map(String::from)
    }

    fn allowed(&self, text: &str) -> Result<Url, SourceError> {
        let url = check(text, &self.inner.settings)?;
        literal(&url, self.inner.dialer())?;
        Ok(url)
    }

    /// Sends a request. What the other side answers is not trusted: it is cut, and its redirects are not
    /// followed.
    pub async fn post(&self, post: Post) -> Result<PostAnswer, SourceError> {
        let url = self.allowed(&post.url)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let dialer = self.inner.dialer();
        let unusable = |error: reqwest::Error| SourceError::Helper(plain(&error));
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured((*dialer.tls_config()?).clone())
            .dns_resolver(Gate(dialer.clone()))
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("kiln/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .map_err(unusable)?;
        let mut request = client.post(url).header("content-type", "application/json");
        for (name, value) in post.headers {
            let mut value = reqwest::header::HeaderValue::try_from(value).map_err(|_| {
                SourceError::Credentials("the token cannot stand in a header".to_owned())
            })?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        let failed = |error: reqwest::Error| {
            let host = foreign(&host);
            if error.is_timeout() {
                return SourceError::Timeout(format!("{host} does not answer in time"));
            }
            SourceError::Unreachable(format!("{host} cannot be reached: {}", plain(&error)))
        };
        let mut answer = request.body(post.body).send().await.map_err(&failed)?;
        let status = answer.status().as_u16();
        let mut text = Vec::new();
        while text.len() < MAX_ANSWER {
            let Some(part) = answer.chunk().await.map_err(&failed)? else { break };
            let room = MAX_ANSWER - text.len();
            text.extend_from_slice(&part[..part.len().min(room)]);
        }
        Ok(PostAnswer { status, text: foreign(&String::from_utf8_lossy(&text)) })
    }
}

/// An address that is written as a number is not looked up, and so vetted here.
fn literal(url: &Url, dialer: &Dialer) -> Result<(), SourceError> {
    let address: IpAddr = match url.host() {
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => address.into(),
        _ => return Ok(()),
    };
    let port = url.port_or_known_default().unwrap_or_default();
    dialer.vetted(&address.to_string(), vec![SocketAddr::new(address, port)]).map(drop)
}

/// The innermost reason, without the URL.
fn plain(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    foreign(&inner.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PrivateAddresses;

    #[test]
    fn only_plain_addresses_are_posted_to() {
        let settings = SourceSettings::default();
        for good in ["https://example.org/hook?a=b", "https://example.org:8443/"] {
            assert!(check(good, &settings).is_ok(), "{good}");
        }
        for bad in [
            "http://example.org/",
            "file:///etc/passwd",
            "https://user:hunter2@example.org/",
            "https://example.org/#a",
            "example.org",
            "",
            "https://example.org:0/",
            "https://exa\nmple.org/",
        ] {
            let error = check(bad, &settings).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        let dialer = Dialer::new(&settings);
        for private in [
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://169.254.169.254/latest",
            "https://2130706433/",
        ] {
            assert!(literal(&check(private, &settings).unwrap(), &dialer).is_err(), "{private}");
        }
        let open = SourceSettings { private: PrivateAddresses::Allow, ..settings };
        assert!(literal(&check("https://127.0.0.1/", &open).unwrap(), &Dialer::new(&open)).is_ok());
    }
}

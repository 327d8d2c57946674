//! The HTTP client both APIs share: TLS set up once, deadlines on everything, the error envelope
//! understood.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use url::Url;

use crate::{
    protocol::{ErrorBody, ErrorEnvelope},
    tls,
};

/// How long a connection may take to come about.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// A request did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server's address cannot be used.
    #[error("{0:?} is not a server address: give one such as http://127.0.0.1:8000")]
    Address(String),
    /// The server could not be reached, or the connection broke.
    #[error("cannot reach the kiln server at {server}: {problem}")]
    Unreachable {
        /// The server.
        server: String,
        /// What went wrong.
        problem: String,
    },
    /// The server said no.
    #[error("{}", .body.message)]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it said.
        body: ErrorBody,
    },
    /// The answer is not what this version of kiln understands.
    #[error("the server's answer cannot be understood: {0}")]
    Answer(String),
}

impl ClientError {
    /// Whether trying again may help: the network or the server failed, not the request.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => *status >= 500 || *status == 429,
            Self::Address(_) | Self::Answer(_) => false,
        }
    }

    /// The error code of a refusal.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { body, .. } => Some(&body.code),
            _ => None,
        }
    }
}

/// An HTTP client bound to one server, and to one token if it has one.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
    base: Url,
    token: Option<String>,
}

impl Http {
    /// A client of the server at `base`.
    pub fn new(base: &str, token: Option<String>) -> Result<Self, ClientError> {
        let address = || ClientError::Address(base.to_owned());
        let mut base_url = Url::parse(base).map_err(|_| address())?;
        if !matches!(base_url.scheme(), "http" | "https") || !base_url.has_host() {
            return Err(address());
        }
        if !base_url.path().ends_with('/') {
            let path = format!("{}/", base_url.path());
            base_url.set_path(&path);
        }
        tls::init();
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_DEADLINE)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("kiln/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .build()
            .map_err(|error| ClientError::Answer(error.to_string()))?;
        Ok(Self { client, base: base_url, token })
    }

    /// The server's address.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// A request for `path`, which is relative and already encoded.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = self.base.join(path.trim_start_matches('/')).expect("paths are made by kiln");
        let request = self.client.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request; an answer other than 2xx becomes an error.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        Err(refused(status, &text))
    }

    /// Gets what is at `path`, from a byte on if that is not the first; where the server says that
    /// another has it (a store, for minutes), there: without the token, which is nobody else's.
    pub async fn get_from(&self, path: &str, from: u64) -> Result<Response, ClientError> {
        let ranged = |request: RequestBuilder| match from {
            0 => request,
            from => request.header(reqwest::header::RANGE, format!("bytes={from}-")),
        };
        let request = ranged(self.request(Method::GET, path));
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let response = match response.headers().get(reqwest::header::LOCATION) {
            Some(location) if response.status() == StatusCode::TEMPORARY_REDIRECT => {
                let location = location.to_str().ok().and_then(|url| Url::parse(url).ok());
                let wrong = || ClientError::Answer("it leads to no address".to_owned());
                let url = location.filter(|url| matches!(url.scheme(), "http" | "https"));
                let request = ranged(self.client.get(url.ok_or_else(wrong)?));
                request.send().await.map_err(|error| self.unreachable(&error))?
            }
            _ => response,
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        Err(refused(status, &text))
    }

    /// Sends a request and reads the JSON it answers.
    pub async fn json<T: serde::de::DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, ClientError> {
        let response = self.send(request).await?;
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| ClientError::Answer(error.to_string()))
    }

    /// The error of a connection that failed or broke.
    pub fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        let mut problem = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(inner) = source {
            problem = inner.to_string();
            source = inner.source();
        }
        ClientError::Unreachable { server: self.base.to_string(), problem }
    }
}

fn refused(status: StatusCode, text: &str) -> ClientError {
    let body = serde_json::from_str::<ErrorEnvelope>(text).map_or_else(
        |_| ErrorBody {
            code: "unexpected".to_owned(),
            message: format!("the server answered {status}"),
            details: None,
        },
        |envelope| envelope.error,
    );
    ClientError::Refused { status: status.as_u16(), body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        for good in ["http://127.0.0.1:8000", "https://kiln.example/base"] {
            assert!(Http::new(good, None).is_ok(), "{good}");
        }
        for bad in ["", "127.0.0.1:8000", "ftp://x", "http://", "unix:/x"] {
            assert!(matches!(Http::new(bad, None), Err(ClientError::Address(_))), "{bad}");
        }
    }

    #[test]
    fn paths_extend_the_base() {
        let http = Http::new("http://kiln.example/base", None).unwrap();
        let request = http.request(Method::GET, "/api/v1/builds").build().unwrap();
        assert_eq!(request.url().as_str(), "http://kiln.example/base/api/v1/builds");
    }
}

//! Settings of the web page.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

/// How the web page is served.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebSettings {
    /// Where else the page is served from, which may then use the API with the sessions of browsers.
    pub origins: Vec<Origin>,
}

/// The origin of a web page, as browsers write it: `https://ci.example.org`, with a port unless it is the usual
/// one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin(String);

impl Origin {
    /// The origin in browsers' form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.0
    }
}

impl TryFrom<String> for Origin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bad = || format!("{text:?} is not an origin: write https://HOST or https://HOST:PORT");
        let url: Url = text.parse().map_err(|_| bad())?;
        let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let is_web = matches!(url.scheme(), "http" | "https") && url.username().is_empty();
        if !is_bare || !is_web {
            return Err(bad());
        }
        Ok(Self(url.origin().ascii_serialization()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_send_them() {
        for (text, origin) in [
            ("https://ci.example.org", Some("https://ci.example.org")),
            ("HTTPS://ci.example.org:443/", Some("https://ci.example.org")),
            ("http://ci.example.org:8080", Some("http://ci.example.org:8080")),
            ("https://ci.example.org/kiln", None),
            ("https://me@ci.example.org", None),
            ("ci.example.org", None),
            ("*", None),
            ("null", None),
            ("file:///tmp", None),
        ] {
            let read = Origin::try_from(text.to_owned());
            assert_eq!(read.ok().as_ref().map(Origin::as_str), origin, "{text}");
        }
    }
}

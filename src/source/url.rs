//! The URL of a repository, parsed once under the operator's policy.
//!
//! One parser (WHATWG) reads it, and only what that parser writes again is ever used: two parsers
//! that disagree about where the host ends are how such gates are passed by. What is unusual in a
//! URL – passwords, queries, quotes, encoded control characters – is refused, not repaired.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use serde::{Serialize, Serializer};
use url::{Host, Url};

use super::{SourceError, address::is_public, error::foreign};
use crate::{
    config::{PrivateAddresses, Scheme, SourceSettings},
    model::Login,
};

/// The longest URL that is accepted, in bytes.
const MAX_URL: usize = 2048;

/// The normalized URL of a repository that policy allows.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct GitUrl {
    scheme: Scheme,
    user: Option<String>,
    /// Host as text (IPv6 in brackets); empty for files.
    host: String,
    port: Option<u16>,
    /// Percent-encoded, begins with a slash.
    path: String,
    /// Who asks there.
    login: Carried,
}

/// The login that a URL carries: part of how it is asked, not of what it is.
#[derive(Clone, Default, Debug)]
struct Carried(Option<(Arc<Login>, LoginReach)>);

impl PartialEq for Carried {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Carried {}

impl Hash for Carried {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// Whether the submodules of a repository are asked with its login, too, if they are on its server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoginReach {
    /// No: who could write the commit could have any repository fetched that the login may read.
    Itself,
    /// Yes.
    Submodules,
}

impl GitUrl {
    /// Reads a URL, or the `user@host:path` form where ssh is allowed.
    pub fn parse(text: &str, settings: &SourceSettings) -> Result<Self, SourceError> {
        check_text(text)?;
        let expanded = expand_scp_like(text)?;
        let url = Url::parse(&expanded).map_err(|error| refused(text, &error.to_string()))?;
        let scheme: Scheme = url.scheme().parse().map_err(|error: String| refused(text, &error))?;
        if !settings.schemes.allows(scheme) {
            let why = format!("{scheme} is not allowed here (allowed: {})", settings.schemes);
            return Err(refused(text, &why));
        }
        if url.password().is_some() {
            return Err(SourceError::Refused(
                "a URL must not hold a password: give credentials by host in the credentials file"
                    .to_owned(),
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refused(text, "a repository's URL has no '?' and no '#'"));
        }
        let user = (!url.username().is_empty()).then(|| url.username().to_owned());
        if user.is_some() && scheme != Scheme::Ssh {
            return Err(refused(text, "a user name is for ssh only"));
        }
        if user.as_deref().is_some_and(|user| !is_plain_user(user)) {
            return Err(refused(text, "the user name is not plain"));
        }
        let host = parse_host(text, &url, scheme, settings)?;
        let path = url.path().to_owned();
        if let Some(problem) = path_problem(&path) {
            return Err(refused(text, problem));
        }
        let port = url.port().filter(|&port| Some(port) != scheme.default_port());
        if port == Some(0) {
            return Err(refused(text, "port 0 cannot be reached"));
        }
        Ok(Self { scheme, user, host, port, path, login: Carried::default() })
    }

    /// The scheme.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host; empty for files.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port that is connected to; none for files.
    pub fn port(&self) -> Option<u16> {
        self.port.or(self.scheme.default_port())
    }

    /// `host`, or `host:port` where the port is not the usual one: what credentials are bound to.
    pub fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// The user of an ssh URL.
    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The same, asked with this login. It is for this server; a redirect does not get it.
    #[must_use]
    pub fn with_login(self, login: Option<(Arc<Login>, LoginReach)>) -> Self {
        Self { login: Carried(login), ..self }
    }

    /// The login that it carries.
    pub(super) fn login(&self) -> Option<&Login> {
        self.login.0.as_ref().map(|(login, _)| &**login)
    }

    /// The path, percent-encoded, with its leading slash.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// What a submodule's URL means when it stands in this repository: `./x` and `../x` are
    /// relative to this URL, everything else is parsed under the same policy.
    pub fn join(&self, text: &str, settings: &SourceSettings) -> Result<Self, SourceError> {
        check_text(text)?;
        if !(text.starts_with("./") || text.starts_with("../")) {
            return Ok(self.lend_to(Self::parse(text, settings)?));
        }
        let mut parts: Vec<&str> = self.path.trim_end_matches('/').split('/').collect();
        for part in text.trim_end_matches('/').split('/') {
            match part {
                "." | "" => {}
                ".." if parts.len() > 1 => {
                    parts.pop();
                }
                ".." => return Err(refused(text, "it climbs above the server's root")),
                name => parts.push(name),
            }
        }
        let joined = Self { path: parts.join("/"), ..self.clone() };
        Ok(self.lend_to(Self::parse(&joined.to_string(), settings)?))
    }

    /// The URL of a submodule, asked as this one is if it is on the same server and may be.
    fn lend_to(&self, url: Self) -> Self {
        let is_same = (url.scheme, url.authority()) == (self.scheme, self.authority());
        let login = self.login.0.clone();
        url.with_login(login.filter(|(_, reach)| is_same && *reach == LoginReach::Submodules))
    }
}

impl fmt::Display for GitUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        write!(f, "{}", self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.path)
    }
}

impl Serialize for GitUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A refusal that shows the URL without anything that could be a secret.
fn refused(text: &str, why: &str) -> SourceError {
    let shown = match text.split_once("://") {
        Some((scheme, rest)) => match rest.rsplit_once('@') {
            Some((_, rest)) => format!("{scheme}://…@{rest}"),
            None => text.to_owned(),
        },
        None => text.rsplit_once('@').map_or(text, |(_, rest)| rest).to_owned(),
    };
    SourceError::Refused(format!("{} is refused: {}", foreign(&shown), foreign(why)))
}

fn check_text(text: &str) -> Result<(), SourceError> {
    let problem = if text.is_empty() {
        "it is empty"
    } else if text.len() > MAX_URL {
        "it is longer than 2048 bytes"
    } else if text.starts_with('-') {
        "it begins with '-'"
    } else if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        "it has a space, a control character or a backslash"
    } else {
        return Ok(());
    };
    Err(refused(text, problem))
}

/// `git@host:path` as `ssh://git@host/path`; what has a scheme is left alone.
fn expand_scp_like(text: &str) -> Result<String, SourceError> {
    if text.contains("://") {
        return Ok(text.to_owned());
    }
    let form = "write it as https://host/path, or as user@host:path where ssh is allowed";
    let Some((login, path)) = text.split_once(':') else { return Err(refused(text, form)) };
    let Some((user, host)) = login.split_once('@') else { return Err(refused(text, form)) };
    let names = [user, host].iter().all(|name| !name.is_empty() && !name.contains(['/', '@', '[']));
    if !names || path.is_empty() || path.starts_with(':') || user.starts_with('-') {
        return Err(refused(text, form));
    }
    // A path without a slash is relative to the user's home: `/~/` says so in a URL, but servers
    // made for git treat both alike, and those are what the form is used with.
    Ok(format!("ssh://{user}@{host}/{}", path.trim_start_matches('/')))
}

fn parse_host(
    text: &str,
    url: &Url,
    scheme: Scheme,
    settings: &SourceSettings,
) -> Result<String, SourceError> {
    let given = url.host_str().unwrap_or_default();
    if scheme == Scheme::File {
        return match given {
            "" => Ok(String::new()),
            _ => Err(refused(text, "a file URL is file:///absolute/path, without a host")),
        };
    }
    if given.contains('%') || given.starts_with('-') {
        return Err(refused(text, "the host is not plain"));
    }
    // Schemes that the URL standard does not know get the same host rules as https.
    let host = Host::parse(given).map_err(|error| refused(text, &error.to_string()))?;
    let address = match &host {
        Host::Domain(name) if name.is_empty() || name.starts_with(['-', '.']) => {
            return Err(refused(text, "the host is not plain"));
        }
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some((*address).into()),
        Host::Ipv6(address) => Some((*address).into()),
    };
    let denied = settings.private == PrivateAddresses::Deny
        && (address.is_some_and(|address| !is_public(address))
            || matches!(&host, Host::Domain(name) if is_local_name(name)));
    if denied {
        return Err(refused(text, "its address is not on the public internet"));
    }
    Ok(host.to_string())
}

/// Names that mean this machine wherever they are asked.
fn is_local_name(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.rsplit_once('.').is_some_and(|(_, end)| end == "localhost")
}

fn is_plain_user(user: &str) -> bool {
    !user.starts_with('-')
        && user.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn path_problem(path: &str) -> Option<&'static str> {
    let decoded = percent_decoded(path);
    if path.trim_matches('/').is_empty() {
        Some("it has no path")
    } else if path.starts_with("/-") || decoded.starts_with(b"/-") {
        Some("its path begins with '-'")
    } else if decoded.iter().any(|b| b.is_ascii_control() || matches!(b, b'\\' | b'\'')) {
        Some("its path has a control character, quote or backslash")
    } else if decoded.split(|&b| b == b'/').any(|part| part == b".." || part == b".") {
        Some("its path has '.' or '..'")
    } else {
        None
    }
}

fn percent_decoded(path: &str) -> Vec<u8> {
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = (byte == b'%')
            .then(|| path.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok()));
        if let Some(value) = hex.flatten() {
            decoded.push(value);
            at += 3;
        } else {
            decoded.push(byte);
            at += 1;
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings(schemes: &str, private: PrivateAddresses) -> SourceSettings {
        SourceSettings { schemes: schemes.parse().unwrap(), private, ..SourceSettings::default() }
    }

    fn open() -> SourceSettings {
        settings("https,http,git,ssh,file", PrivateAddresses::Allow)
    }

    #[test]
    fn urls_are_normalized() {
        for (text, expected) in [
            ("https://Example.COM/a/b.git", "https://example.com/a/b.git"),
            ("https://example.com:443/a", "https://example.com/a"),
            ("https://example.com:8443/a", "https://example.com:8443/a"),
            ("https://example.com/x/../a", "https://example.com/a"),
            ("ssh://git@example.com:22/a", "ssh://git@example.com/a"),
            ("git@example.com:a/b.git", "ssh://git@example.com/a/b.git"),
            ("git@example.com:/a/b.git", "ssh://git@example.com/a/b.git"),
            ("git://example.com:9418/a", "git://example.com/a"),
            ("git://127.1/a", "git://127.0.0.1/a"),
            ("http://0x7f000001/a", "http://127.0.0.1/a"),
            ("http://[::1]:80/a", "http://[::1]/a"),
            ("file:///srv/git/a.git", "file:///srv/git/a.git"),
            ("https://bücher.example/a", "https://xn--bcher-kva.example/a"),
        ] {
            let url = GitUrl::parse(text, &open()).unwrap();
            assert_eq!(url.to_string(), expected, "{text}");
            assert_eq!(GitUrl::parse(expected, &open()).unwrap(), url, "{text}");
        }
    }

    #[test]
    fn what_is_not_plain_is_refused_even_when_everything_is_allowed() {
        for text in [
            "",
            "-x",
            "/srv/git/a",
            "./a",
            "~/a",
            "a/b",
            "ext::sh -c touch%20/tmp/x",
            "fd::17",
            "ftp://example.com/a",
            "ssh://-oProxyCommand=x/a",
            "ssh://git@-oProxyCommand=x/a",
            "git@-oX:y",
            "-oX@host:y",
            "https://user@example.com/a",
            "https://user:secret@example.com/a",
            "ssh://git:secret@example.com/a",
            "https://example.com\\@127.0.0.1/a",
            "https://example.com/a b",
            "https://example.com/a\nHost: x",
            "https://example.com/a%0d%0aX",
            "https://example.com/a%00",
            "ssh://git@example.com/a';touch x'",
            "ssh://git@example.com/a%27",
            "ssh://git@example.com/-x",
            "git://example.com/..%2fa",
            "https://example.com/",
            "https://example.com",
            "https://example.com/a?x=1",
            "https://example.com/a#x",
            "https://[fe80::1%25eth0]/a",
            "git://exa%6dple.com/a",
            "https://",
            "https:///",
            "file://host/a",
            "file:a",
            "https://example.com:0/a",
            "https://example.com:99999/a",
        ] {
            let error = GitUrl::parse(text, &open());
            assert!(matches!(error, Err(SourceError::Refused(_))), "{text:?}: {error:?}");
        }
        assert!(GitUrl::parse(&format!("https://e.com/{}", "a".repeat(2048)), &open()).is_err());
    }

    #[test]
    fn by_default_only_https_to_public_addresses() {
        let default = SourceSettings::default();
        assert!(GitUrl::parse("https://example.com/a", &default).is_ok());
        for text in [
            "http://example.com/a",
            "git://example.com/a",
            "git@example.com:a",
            "file:///a",
            "https://127.0.0.1/a",
            "https://127.1/a",
            "https://2130706433/a",
            "https://0/a",
            "https://0x7f.1/a",
            "https://[::1]/a",
            "https://[::ffff:10.0.0.1]/a",
            "https://169.254.169.254/latest",
            "https://localhost/a",
            "https://LOCALHOST./a",
            "https://x.localhost/a",
        ] {
            assert!(GitUrl::parse(text, &default).is_err(), "{text}");
        }
    }

    #[test]
    fn refusals_never_show_a_secret() {
        for text in [
            "https://user:hunter2@example.com/a",
            "https://hunter2@example.com/a",
            "foo://user:hunter2@example.com/a",
            "user:hunter2@example.com:a",
            "https://user:hunter2@exa mple/a",
        ] {
            let error = GitUrl::parse(text, &SourceSettings::default()).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn submodule_urls_are_relative_to_the_parent_or_pass_the_gate_themselves() {
        let parent = GitUrl::parse("https://example.com/group/app.git", &open()).unwrap();
        let policy = SourceSettings::default();
        for (text, expected) in [
            ("../lib.git", Some("https://example.com/group/lib.git")),
            ("../../other/lib", Some("https://example.com/other/lib")),
            ("./sub", Some("https://example.com/group/app.git/sub")),
            ("https://elsewhere.example/lib", Some("https://elsewhere.example/lib")),
            ("../../../../etc", None),
            ("../../..", None),
            ("file:///etc", None),
            ("-u./payload", None),
            ("/etc", None),
            ("https://127.0.0.1/x", None),
        ] {
            let joined = parent.join(text, &policy).ok().map(|url| url.to_string());
            assert_eq!(joined.as_deref(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn parsing_any_text_never_panics_and_what_is_accepted_is_stable(text in "\\PC*") {
            if let Ok(url) = GitUrl::parse(&text, &open()) {
                prop_assert_eq!(GitUrl::parse(&url.to_string(), &open()), Ok(url));
            }
        }

        #[test]
        fn url_like_text_never_panics_and_is_stable(
            text in "(https|http|git|ssh|file)://[a-z@:%0-9\\[\\].-]{0,20}/[a-zA-Z0-9./%~ü'-]{0,20}"
        ) {
            if let Ok(url) = GitUrl::parse(&text, &open()) {
                prop_assert_eq!(GitUrl::parse(&url.to_string(), &open()), Ok(url.clone()));
                let _ = url.join("../x", &open());
            }
        }
    }
}

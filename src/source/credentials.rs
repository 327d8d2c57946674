//! Credentials by host, from one file that only its owner can read.
//!
//! A credential is bound to the host (and port, if it is not the usual one) it is written for and
//! goes nowhere else: redirects are not followed, and the relay adds it to requests to that server
//! only. An ssh host needs its key pinned here, because there is nobody to ask whether it is right.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{
    GitUrl, SourceError,
    helper::{SshAccess, SshKey},
    relay::Authorization,
};
use crate::{
    config::Scheme,
    model::{Login, SecretValue},
};

/// The largest credentials file that is read.
const MAX_FILE: u64 = 1 << 20;

/// A text that is never shown.
#[derive(Clone, Deserialize)]
struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    host: BTreeMap<String, Credential>,
}

/// What one host gets.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Credential {
    username: Option<String>,
    /// Password or token, for https.
    token: Option<Secret>,
    /// Whether the token may also be sent over http, where everyone on the way can read it.
    #[serde(default)]
    plain_http: bool,
    /// File with a private key, for ssh.
    ssh_key: Option<PathBuf>,
    /// The key itself: never in the file.
    #[serde(skip)]
    key: Option<SecretValue>,
    /// The host's public key as in `known_hosts`, for ssh.
    host_key: Option<String>,
}

/// The login that `url` carries, else the credential that the file has for its server.
pub(super) fn find(file: Option<&Path>, url: &GitUrl) -> Result<Option<Credential>, SourceError> {
    if let Some(login) = url.login() {
        return Ok(Some(login.into()));
    }
    let Some(path) = file else { return Ok(None) };
    let mut file = load(path)?;
    Ok(file.host.remove(&url.authority()))
}

/// Whether the file can be used: asked when kiln starts.
pub(super) fn check(file: &Path) -> Result<(), SourceError> {
    load(file).map(drop)
}

fn load(path: &Path) -> Result<File, SourceError> {
    let shown = path.display();
    let unusable = |why: String| {
        SourceError::Credentials(format!("the credentials file {shown} is not usable: {why}"))
    };
    let file = fs::File::open(path).map_err(|error| unusable(error.to_string()))?;
    // Asked of the open file, so that it cannot be another one when it is read.
    let metadata = file.metadata().map_err(|error| unusable(error.to_string()))?;
    if metadata.mode() & 0o077 != 0 {
        return Err(unusable(format!("others can read it; run chmod 600 {shown}")));
    }
    let mut text = String::new();
    file.take(MAX_FILE)
        .read_to_string(&mut text)
        .map_err(|error| unusable(error.kind().to_string()))?;
    // The parser's message would show the line, and with it a secret.
    let parsed: File = toml::from_str(&text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start).min(text.len());
        let line = text.as_bytes()[..at].split(|&b| b == b'\n').count();
        unusable(format!(
            "line {line} is not [host.\"name\"] with username, token, plain_http, ssh_key, host_key"
        ))
    })?;
    for (host, one) in &parsed.host {
        if one.token.is_some() == one.ssh_key.is_some() {
            return Err(unusable(format!("{host:?} needs either token or ssh_key")));
        }
        if one.ssh_key.is_some() && one.host_key.is_none() {
            return Err(unusable(format!(
                "{host:?} has ssh_key but no host_key (see ssh-keyscan)"
            )));
        }
    }
    Ok(parsed)
}

impl From<&Login> for Credential {
    fn from(login: &Login) -> Self {
        let username = login.username().map(str::to_owned);
        let mut credential = Self { username, ..Self::default() };
        match login {
            Login::Token(login) => {
                let token = String::from_utf8_lossy(login.token.reveal()).into_owned();
                (credential.token, credential.plain_http) = (Some(Secret(token)), login.plain_http);
            }
            Login::SshKey(login) => {
                credential.key = Some(login.key.clone());
                credential.host_key = Some(login.host_key.clone());
            }
        }
        credential
    }
}

impl Credential {
    /// The header for https; over http only where that was allowed by name.
    pub(super) fn authorization(&self, scheme: Scheme) -> Option<Authorization> {
        let allowed = scheme == Scheme::Https || (scheme == Scheme::Http && self.plain_http);
        let token = self.token.as_ref().filter(|_| allowed)?;
        let user = self.username.as_deref().unwrap_or("git");
        Some(Authorization(format!("Basic {}", STANDARD.encode(format!("{user}:{}", token.0)))))
    }

    /// What ssh needs.
    pub(super) fn ssh(&self, url: &GitUrl) -> Option<SshAccess> {
        let user = url.user().or(self.username.as_deref()).unwrap_or("git").to_owned();
        let file = self.ssh_key.clone().map(SshKey::File);
        let key = file.or_else(|| self.key.clone().map(SshKey::Text))?;
        Some(SshAccess { user, key, host_key: self.host_key.clone()? })
    }

    /// Names who is asking, without saying how: mirrors of different people are kept apart.
    pub(super) fn scope(&self) -> String {
        let mut hash = Sha256::new();
        for part in [
            self.username.as_deref().unwrap_or_default().as_bytes(),
            self.token.as_ref().map(|token| token.0.as_bytes()).unwrap_or_default(),
            self.ssh_key.as_ref().map(|key| key.as_os_str().as_encoded_bytes()).unwrap_or_default(),
            self.key.as_ref().map(SecretValue::reveal).unwrap_or_default(),
        ] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hex::encode(hash.finalize())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::SourceSettings;

    const FILE: &str = r#"
        [host."git.example.com"]
        username = "bot"
        token = "hunter2"
        [host."git.example.com:8443"]
        token = "other"
        [host."ssh.example.com"]
        ssh_key = "/etc/kiln/key"
        host_key = "ssh-ed25519 AAAA"
    "#;

    fn written(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    fn url(text: &str) -> GitUrl {
        let settings = SourceSettings {
            schemes: "https,http,ssh".parse().unwrap(),
            ..SourceSettings::default()
        };
        GitUrl::parse(text, &settings).unwrap()
    }

    #[test]
    fn credentials_go_to_their_host_and_port_only() {
        let file = written(FILE, 0o600);
        for (text, expected) in [
            ("https://git.example.com/a", Some("bot:hunter2")),
            ("https://GIT.example.com:443/a", Some("bot:hunter2")),
            ("https://git.example.com:8443/a", Some("git:other")),
            ("https://git.example.com:9443/a", None),
            ("https://git.example.com.evil.example/a", None),
            ("https://example.com/a", None),
            ("http://git.example.com/a", None),
        ] {
            let url = url(text);
            let found = find(Some(file.path()), &url).unwrap();
            let header =
                found.and_then(|one| one.authorization(url.scheme())).map(|header| header.0);
            let expected = expected.map(|login| format!("Basic {}", STANDARD.encode(login)));
            assert_eq!(header, expected, "{text}");
        }
        let ssh = url("ssh://deploy@ssh.example.com/a");
        let access = find(Some(file.path()), &ssh).unwrap().unwrap().ssh(&ssh).unwrap();
        assert_eq!(
            (access.user.as_str(), access.host_key.as_str()),
            ("deploy", "ssh-ed25519 AAAA")
        );
    }

    #[test]
    fn a_file_that_others_can_read_or_that_is_wrong_is_refused_without_its_secrets() {
        for (text, mode, why) in [
            (FILE, 0o640, "chmod 600"),
            ("[host.\"h\"]\ntokn = \"hunter2\"", 0o600, "line"),
            ("[host.\"h\"]\ntoken = hunter2", 0o600, "line 2"),
            ("[host.\"h\"]\nusername = \"hunter2\"", 0o600, "token or ssh_key"),
            ("[host.\"h\"]\nssh_key = \"/hunter2\"", 0o600, "host_key"),
        ] {
            let file = written(text, mode);
            let error = check(file.path()).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(matches!(error, SourceError::Credentials(_)), "{shown}");
            assert!(shown.contains(why) && !shown.contains("hunter2"), "{shown}");
        }
        let file = written(FILE, 0o600);
        assert!(!format!("{:?}", load(file.path()).unwrap()).contains("hunter2"));
    }
}

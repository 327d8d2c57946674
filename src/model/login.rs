//! Logins: how the repository of a project is asked by who may not simply read it.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::SecretValue;

/// The longest user name.
const MAX_USER: usize = 128;
/// The longest token, key or host key, in bytes.
const MAX_BYTES: usize = 32 << 10;

/// What a login is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoginKind {
    /// A password or token, for https.
    Token,
    /// A private key, for ssh.
    SshKey,
}

impl LoginKind {
    /// The kind as it is written in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::SshKey => "ssh_key",
        }
    }

    /// The kind that is written `text`.
    pub fn from_name(text: &str) -> Option<Self> {
        [Self::Token, Self::SshKey].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A login. Neither the token nor the key is ever shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Login {
    /// A password or token, for https.
    Token(TokenLogin),
    /// A private key, for ssh.
    SshKey(SshLogin),
}

/// A password or token.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenLogin {
    /// The user; most forges do not mind which it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The token, in base 64.
    #[schema(value_type = String, format = Byte, max_length = 43_692)]
    pub token: SecretValue,
    /// Whether it may also be sent over http, where everyone on the way can read it.
    #[serde(default)]
    pub plain_http: bool,
}

/// A private key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SshLogin {
    /// The user, where the URL names none; `git` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The key as its file has it, without a passphrase, in base 64.
    #[schema(value_type = String, format = Byte, max_length = 43_692)]
    pub key: SecretValue,
    /// The host's public key as in `known_hosts`, without the name: `ssh-ed25519 AAAA…`.
    pub host_key: String,
}

/// It cannot be one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LoginError {
    /// Not a name.
    #[error("a user name has 1 to {MAX_USER} letters, digits and .-_@+")]
    User,
    /// Empty, too long, or not text of one line.
    #[error("a token is text of one line, up to {} KiB", MAX_BYTES >> 10)]
    Token,
    /// No key.
    #[error(
        "this is no private key without a passphrase: give the file that ssh-keygen -N '' made"
    )]
    Key,
    /// No host key.
    #[error(
        "host_key: give what ssh-keyscan prints for the host, without its name: ssh-ed25519 AAAA…"
    )]
    HostKey,
}

impl Login {
    /// What it is.
    pub const fn kind(&self) -> LoginKind {
        match self {
            Self::Token(_) => LoginKind::Token,
            Self::SshKey(_) => LoginKind::SshKey,
        }
    }

    /// The user, if one is named.
    pub fn username(&self) -> Option<&str> {
        match self {
            Self::Token(token) => token.username.as_deref(),
            Self::SshKey(key) => key.username.as_deref(),
        }
    }

    /// Whether it can be one.
    pub fn check(&self) -> Result<(), LoginError> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-_@+".contains(c);
        let is_user =
            |user: &str| (1..=MAX_USER).contains(&user.len()) && user.chars().all(is_plain);
        if self.username().is_some_and(|user| !is_user(user) || user.starts_with('-')) {
            return Err(LoginError::User);
        }
        match self {
            Self::Token(login) => {
                let token = login.token.reveal();
                let fits = (1..=MAX_BYTES).contains(&token.len());
                let is_line =
                    std::str::from_utf8(token).is_ok_and(|text| !text.contains(char::is_control));
                if fits && is_line { Ok(()) } else { Err(LoginError::Token) }
            }
            Self::SshKey(login) => {
                let key = login.key.reveal();
                let text = std::str::from_utf8(key).unwrap_or_default();
                let is_key = key.len() <= MAX_BYTES
                    && text.trim_start().starts_with("-----BEGIN ")
                    && text.contains("PRIVATE KEY-----")
                    && !text.contains("ENCRYPTED");
                if !is_key {
                    return Err(LoginError::Key);
                }
                let mut words = login.host_key.split_ascii_whitespace();
                let is_host_key = login.host_key.len() <= MAX_BYTES
                    && words
                        .next()
                        .is_some_and(|kind| kind.starts_with("ssh-") || kind.starts_with("ecdsa-"))
                    && words.next().is_some_and(|key| key.starts_with("AAAA"));
                if is_host_key { Ok(()) } else { Err(LoginError::HostKey) }
            }
        }
    }

    /// As it is sealed.
    pub fn to_sealable(&self) -> SecretValue {
        SecretValue::new(serde_json::to_vec(self).expect("a login is plain data"))
    }

    /// What was sealed; nothing if it is no login.
    pub fn from_sealable(value: &SecretValue) -> Option<Self> {
        let text = Zeroizing::new(value.reveal().to_vec());
        serde_json::from_slice(&text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> SecretValue {
        SecretValue::new(text.as_bytes().to_vec())
    }

    fn token(user: Option<&str>, text: &str) -> Login {
        let username = user.map(str::to_owned);
        Login::Token(TokenLogin { username, token: value(text), plain_http: false })
    }

    fn key(text: &str, host_key: &str) -> Login {
        Login::SshKey(SshLogin { username: None, key: value(text), host_key: host_key.to_owned() })
    }

    #[test]
    fn logins_that_cannot_be_are_refused_without_showing_them() {
        const KEY: &str =
            "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n-----END OPENSSH PRIVATE KEY-----\n";
        for login in [
            token(None, "hunter2"),
            token(Some("x-token-auth"), "h u"),
            key(KEY, "ssh-ed25519 AAAAC3"),
        ] {
            assert_eq!(login.check(), Ok(()));
            assert_eq!(Login::from_sealable(&login.to_sealable()), Some(login.clone()));
            assert!(!format!("{login:?}").contains("hunter2"));
        }
        for (login, error) in [
            (token(Some(""), "hunter2"), LoginError::User),
            (token(Some("a b"), "hunter2"), LoginError::User),
            (token(Some("-o"), "hunter2"), LoginError::User),
            (token(None, ""), LoginError::Token),
            (token(None, "hunter2\r\nX-Other: a"), LoginError::Token),
            (key("hunter2", "ssh-ed25519 AAAAC3"), LoginError::Key),
            (key(&KEY.replace("OPENSSH", "ENCRYPTED"), "ssh-ed25519 AAAAC3"), LoginError::Key),
            (key(KEY, "git.example.org ssh-ed25519 AAAAC3"), LoginError::HostKey),
            (key(KEY, ""), LoginError::HostKey),
        ] {
            assert_eq!(login.check(), Err(error));
        }
        assert_eq!(Login::from_sealable(&value("{}")), None);
    }
}

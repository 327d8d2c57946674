//! Secrets: values that builds need and nobody may read back, and which builds may have them.

use std::{fmt, str::FromStr};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use globset::{GlobBuilder, GlobMatcher};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroizing;

/// The longest name.
const MAX_NAME: usize = 64;
/// The largest value: as much as one variable of an environment can be, and every key file is smaller.
pub const MAX_SECRET_BYTES: usize = 64 << 10;
/// What the shortest line that is masked in logs has. Less would be masked in words that have nothing
/// to do with it, or not at all.
pub const SHORTEST_MASKED: usize = 6;

/// Variables that a shell keeps to itself, or that say how programs are found and loaded.
const RESERVED: &[&str] = &[
    "BASHOPTS",
    "BASH_ENV",
    "BASH_VERSINFO",
    "ENV",
    "EUID",
    "HOME",
    "IFS",
    "PATH",
    "PPID",
    "PWD",
    "SHELLOPTS",
    "TMPDIR",
    "UID",
];

/// The text is not a secret's name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is not a secret's name: letters, digits and '_', not beginning with a digit, and no variable that shells or the loader keep to themselves"
)]
pub struct SecretNameError(String);

/// The name of a secret: that of the variable by which a step gets it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SecretName(String);

impl SecretName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretName {
    type Err = SecretNameError;

    fn from_str(text: &str) -> Result<Self, SecretNameError> {
        let is_one = (1..=MAX_NAME).contains(&text.len())
            && !text.as_bytes()[0].is_ascii_digit()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !RESERVED.contains(&text)
            && !text.starts_with("LD_")
            && !text.starts_with("kiln_");
        if is_one {
            return Ok(Self(text.to_owned()));
        }
        Err(SecretNameError(text.chars().take(MAX_NAME).collect()))
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for SecretName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// How a step gets a secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretForm {
    /// As the value of a variable.
    #[default]
    Env,
    /// As a file, whose path is the value of the variable.
    File,
}

impl SecretForm {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Env, Self::File];

    /// The form as it is written everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::File => "file",
        }
    }
}

/// Why a value is none that can be kept.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SecretValueError {
    /// There is too much of it.
    #[error("a secret has at most {MAX_SECRET_BYTES} bytes, this has {0}")]
    TooLong(usize),
    /// It could not be kept out of logs.
    #[error(
        "a line of a secret needs at least {SHORTEST_MASKED} bytes to be kept out of logs, and no line of this has as many"
    )]
    TooShort,
    /// No variable can hold it.
    #[error("a variable cannot hold a NUL byte: give it as a file")]
    Nul,
}

/// The value of a secret. It is shown nowhere, and overwritten when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Zeroizing<Vec<u8>>);

impl SecretValue {
    /// A value from these bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// Whether it can be given to steps in this form and kept out of logs.
    pub fn check(&self, form: SecretForm) -> Result<(), SecretValueError> {
        if self.0.len() > MAX_SECRET_BYTES {
            return Err(SecretValueError::TooLong(self.0.len()));
        }
        if self.lines().next().is_none() {
            return Err(SecretValueError::TooShort);
        }
        if form == SecretForm::Env && self.0.contains(&0) {
            return Err(SecretValueError::Nul);
        }
        Ok(())
    }

    /// The lines that are long enough to be masked.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let lines = self.0.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        lines.filter(|line| line.len() >= SHORTEST_MASKED)
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue")
    }
}

/// On the wire to agents it is base 64, since it may be any bytes.
impl Serialize for SecretValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(BASE64_STANDARD.encode(&self.0)))
    }
}

/// No error says what was there instead.
impl<'de> Deserialize<'de> for SecretValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = |error: D::Error| {
            let is_missing = error.to_string().starts_with("missing field");
            if is_missing { error } else { de::Error::custom("a secret's value is base 64") }
        };
        let text = Zeroizing::new(String::deserialize(deserializer).map_err(wrong)?);
        let bytes = BASE64_STANDARD.decode(text.as_bytes());
        bytes.map(Self::new).map_err(|_| de::Error::custom("a secret's value is base 64"))
    }
}

/// The text is no pattern for refs that can be trusted.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} cannot be trusted: give a pattern of branches (refs/heads/…) or tags (refs/tags/…), such as refs/heads/main or refs/tags/v*; what others propose lies elsewhere"
)]
pub struct RefPatternError(String);

/// A pattern of full names of branches or tags; `*` also goes over slashes.
#[derive(Clone, Debug)]
pub struct RefPattern {
    text: String,
    matcher: GlobMatcher,
}

impl RefPattern {
    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a ref is one of them.
    pub fn matches(&self, name: &str) -> bool {
        self.matcher.is_match(name)
    }

    /// What is trusted where nothing was said: every branch and tag of the repository itself.
    pub fn defaults() -> Vec<Self> {
        ["refs/heads/*", "refs/tags/*"].map(|text| text.parse().expect("it is a pattern")).into()
    }
}

impl FromStr for RefPattern {
    type Err = RefPatternError;

    fn from_str(text: &str) -> Result<Self, RefPatternError> {
        let refused = || RefPatternError(text.chars().take(80).collect());
        let below = text.strip_prefix("refs/heads/").or_else(|| text.strip_prefix("refs/tags/"));
        if text.len() > 256 || below.is_none_or(str::is_empty) || text.contains(char::is_control) {
            return Err(refused());
        }
        let glob = GlobBuilder::new(text).literal_separator(false).build();
        let matcher = glob.map_err(|_| refused())?.compile_matcher();
        Ok(Self { text: text.to_owned(), matcher })
    }
}

impl PartialEq for RefPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Serialize for RefPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for RefPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_variables_that_nothing_else_uses() {
        for good in ["TOKEN", "a", "_x1", "DEPLOY_KEY"] {
            assert!(good.parse::<SecretName>().is_ok(), "{good}");
        }
        let long = "A".repeat(65);
        for bad in ["", "1A", "A-B", "A=B", "PATH", "LD_PRELOAD", "IFS", "kiln_x", "ä", &long] {
            assert!(bad.parse::<SecretName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn values_can_be_masked_and_given_or_are_refused() {
        let check = |bytes: &[u8], form| SecretValue::new(bytes.into()).check(form);
        assert_eq!(check(b"123456", SecretForm::Env), Ok(()));
        assert_eq!(check(b"a\n123456\r\n", SecretForm::Env), Ok(()));
        assert_eq!(check(b"12345\n12345\n", SecretForm::File), Err(SecretValueError::TooShort));
        assert_eq!(check(b"", SecretForm::File), Err(SecretValueError::TooShort));
        assert_eq!(check(b"1234567\0", SecretForm::Env), Err(SecretValueError::Nul));
        assert_eq!(check(b"1234567\0", SecretForm::File), Ok(()));
        let long = vec![b'x'; MAX_SECRET_BYTES + 1];
        assert_eq!(check(&long, SecretForm::File), Err(SecretValueError::TooLong(65_537)));
    }

    #[test]
    fn a_value_is_not_shown_and_comes_whole_over_the_wire() {
        let value = SecretValue::new(b"hunter2\xff".to_vec());
        assert_eq!(format!("{value:?}"), "SecretValue");
        let wire = serde_json::to_string(&value).unwrap();
        assert_eq!(serde_json::from_str::<SecretValue>(&wire).unwrap(), value);
        for bad in ["\"hunter2!\"", "31337", "[1]"] {
            let error = serde_json::from_str::<SecretValue>(bad).unwrap_err().to_string();
            assert!(!error.contains("hunter2") && !error.contains("31337"), "{error}");
        }
    }

    #[test]
    fn only_branches_and_tags_can_be_trusted() {
        let is_match = |pattern: &str, name| pattern.parse::<RefPattern>().unwrap().matches(name);
        assert!(is_match("refs/heads/*", "refs/heads/a/b"));
        assert!(is_match("refs/heads/main", "refs/heads/main"));
        assert!(!is_match("refs/heads/main", "refs/heads/main2"));
        assert!(!is_match("refs/heads/*", "refs/pull/1/head"));
        assert!(is_match("refs/tags/v[0-9]*", "refs/tags/v1.2"));
        for bad in ["*", "refs/*", "refs/pull/*", "refs/heads/", "main", "refs/heads/[", ""] {
            assert!(bad.parse::<RefPattern>().is_err(), "{bad:?}");
        }
        let defaults = RefPattern::defaults();
        let trusted = |name| defaults.iter().any(|pattern| pattern.matches(name));
        assert!(trusted("refs/heads/x") && trusted("refs/tags/x"));
        assert!(!trusted("refs/merge-requests/1/head") && !trusted("HEAD"));
    }
}

//! Labels: what an agent says of itself, and what a build requires of the agent that takes it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest key and the longest value: they stand in tables and messages.
const MAX_PART: usize = 63;

/// A label: a bare word such as `gpu`, or a key with a value such as `arch=aarch64`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Label(String);

/// The text is no label.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is not a label: a word such as gpu, or KEY=VALUE such as arch=aarch64; letters, digits, '.', '_', '-', '/', in values also ':' and '+', each at most {MAX_PART} long"
)]
pub struct LabelError(String);

impl Label {
    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the `=`, or all of it.
    pub fn key(&self) -> &str {
        self.0.split('=').next().unwrap_or(&self.0)
    }

    /// A label of an agent that kiln itself knows; what cannot stand in a value is replaced.
    pub fn known(key: &str, value: &str) -> Self {
        let fits = |c: char| if is_value(c) { c } else { '-' };
        let value: String = value.chars().map(fits).take(MAX_PART).collect();
        Self(if value.is_empty() { key.to_owned() } else { format!("{key}={value}") })
    }
}

fn is_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-/".contains(c)
}

fn is_value(c: char) -> bool {
    is_key(c) || ":+".contains(c)
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (text, None),
        };
        let fits = |part: &str, is: fn(char) -> bool| {
            (1..=MAX_PART).contains(&part.len()) && part.chars().all(is)
        };
        if fits(key, is_key) && value.is_none_or(|value| fits(value, is_value)) {
            return Ok(Self(text.to_owned()));
        }
        Err(LabelError(text.chars().take(2 * MAX_PART).collect()))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for Label {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_words_or_pairs() {
        for good in ["gpu", "arch=aarch64", "team/a.b-c_d", "image=debian:13+x"] {
            assert_eq!(good.parse::<Label>().unwrap().as_str(), good);
        }
        let long = "a".repeat(MAX_PART + 1);
        for bad in ["", "=", "a=", "=b", "a b", "a=b=c", "a=ü", "a:b", "a\n", &long] {
            assert!(bad.parse::<Label>().is_err(), "{bad:?}");
        }
        assert_eq!("arch=x".parse::<Label>().unwrap().key(), "arch");
        assert_eq!(Label::known("agent", "my host!").as_str(), "agent=my-host-");
    }
}

//! What a token looks like: `kiln_`, its id, and 32 random bytes.
//!
//! The id finds its row, so that the secret part is compared in constant time and never looked up.
//! A fixed length tells a token that was cut off from one of somebody else.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::model::TokenId;

const PREFIX: &str = "kiln_";
const ID: usize = 26;
const SECRET: usize = 43;
/// The length of a token.
pub(super) const LENGTH: usize = PREFIX.len() + ID + 1 + SECRET;

/// A token that somebody sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Presented<'a> {
    /// One that was made by `kiln token create`.
    Account { id: TokenId, secret: Secret<'a> },
    /// Begins like one and is none: most of the time the end is missing.
    Damaged,
    /// Of another kind: an agent's, the administrator's own.
    Other,
}

/// The part that nobody else knows; never shown.
#[derive(PartialEq, Eq)]
pub(super) struct Secret<'a>(&'a str);

impl std::fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret<'_> {
    /// Whether this is the secret with this hash.
    pub(super) fn matches(&self, hash: &str) -> bool {
        self.hash().as_bytes().ct_eq(hash.as_bytes()).into()
    }

    fn hash(&self) -> String {
        hex::encode(Sha256::digest(self.0.as_bytes()))
    }
}

/// What was sent.
pub(super) fn read(text: &str) -> Presented<'_> {
    let Some(rest) = text.strip_prefix(PREFIX) else { return Presented::Other };
    let parts = rest.split_once('_').filter(|(_, secret)| secret.len() == SECRET);
    match parts.and_then(|(id, secret)| Some((id.parse().ok()?, secret))) {
        Some((id, secret)) => Presented::Account { id, secret: Secret(secret) },
        None => Presented::Damaged,
    }
}

/// A new token with this id, and the hash of its secret part.
pub(super) fn make(id: TokenId) -> (String, String) {
    let secret = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let hash = Secret(&secret).hash();
    (format!("{PREFIX}{id}_{secret}"), hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn a_token_is_known_by_its_hash_and_nothing_less_than_all_of_it_is_one() {
        let made = TokenId::new(Timestamp::from_millis(1));
        let (token, hash) = make(made);
        assert_eq!(token.len(), LENGTH);
        let Presented::Account { id, secret } = read(&token) else { panic!("{token}") };
        assert!(id == made && secret.matches(&hash) && !secret.matches(""));
        assert!(!format!("{secret:?}").contains(&token[LENGTH - SECRET..]));
        for length in PREFIX.len()..LENGTH {
            assert_eq!(read(&token[..length]), Presented::Damaged, "{length}");
        }
        for other in ["", "kiln", "0123456789abcdef", "KILN_x"] {
            assert_eq!(read(other), Presented::Other, "{other}");
        }
        let (other, _) = make(made);
        let Presented::Account { secret, .. } = read(&other) else { panic!("{other}") };
        assert!(!secret.matches(&hash));
    }
}

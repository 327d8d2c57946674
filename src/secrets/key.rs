//! The key and what it seals: ChaCha20-Poly1305 with a random nonce for each value.
//!
//! What a value is for is sealed with it: a row that is moved to another project or name does not open.

use std::fmt;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::model::SecretValue;

/// A sealed value that does not open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a sealed value was changed, or is of something else")]
pub struct OpenError;

/// The key of an installation's secrets.
pub struct SealingKey {
    key: LessSafeKey,
    id: String,
}

impl SealingKey {
    /// The key that a text stands for, which nobody can guess.
    pub fn from_text(text: &str) -> Self {
        let derived = |what: &str| {
            let digest = Sha256::new().chain_update(what).chain_update([0]).chain_update(text);
            Zeroizing::new(<[u8; 32]>::from(digest.finalize()))
        };
        let unbound = UnboundKey::new(&CHACHA20_POLY1305, &*derived("kiln secrets, key"));
        Self {
            key: LessSafeKey::new(unbound.expect("it has the length of a key")),
            id: hex::encode(&derived("kiln secrets, id")[..6]),
        }
    }

    /// What tells keys apart, and nothing about them.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Seals a value for what `place` names.
    pub fn seal(&self, place: &str, value: &SecretValue) -> Vec<u8> {
        let nonce = rand::random::<[u8; NONCE_LEN]>();
        let mut sealed = value.reveal().to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.as_bytes()),
                &mut sealed,
            )
            .expect("a secret is far shorter than what can be sealed");
        [&nonce[..], &sealed].concat()
    }

    /// Opens what was sealed for `place`.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<SecretValue, OpenError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(OpenError)?;
        let mut opened = Zeroizing::new(sealed.to_vec());
        let value = self
            .key
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(place.as_bytes()),
                &mut opened,
            )
            .map_err(|_| OpenError)?;
        Ok(SecretValue::new(value.to_vec()))
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_at_its_place_only() {
        let key = SealingKey::from_text("0123456789abcdef0123456789abcdef");
        let value = SecretValue::new(b"correct horse".to_vec());
        let sealed = key.seal("a/B", &value);
        assert!(!sealed.windows(7).any(|part| part == b"correct"));
        assert_ne!(sealed, key.seal("a/B", &value), "a nonce is used once");
        assert_eq!(key.open("a/B", &sealed).unwrap(), value);
        let other = SealingKey::from_text("0123456789abcdef0123456789abcdee");
        assert_ne!(other.id(), key.id());
        assert_eq!(other.open("a/B", &sealed), Err(OpenError));
        assert_eq!(key.open("a/C", &sealed), Err(OpenError));
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(key.open("a/B", &changed), Err(OpenError), "{place}");
            assert_eq!(key.open("a/B", &sealed[..place]), Err(OpenError), "{place}");
        }
        assert!(!format!("{key:?}").contains("0123"));
    }
}

//! Whether a delivery comes from who knows the secret: compared in constant time, over the bytes as
//! they came.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// How a delivery proves where it comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum Signature {
    /// HMAC-SHA-256 over the body, in hexadecimal digits.
    Sha256(String),
    /// The secret itself: all that GitLab sends.
    Token(String),
    /// In a way that is not known, which proves nothing.
    Unknown,
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256(_) => "Sha256",
            Self::Token(_) => "Token",
            Self::Unknown => "Unknown",
        })
    }
}

/// What the forge and this server know, and nobody else.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedSecret(String);

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret")
    }
}

impl SharedSecret {
    /// The shortest that is taken: shorter ones can be guessed.
    pub const SHORTEST: usize = 16;

    /// A secret that is long enough to be one.
    pub fn new(text: String) -> Option<Self> {
        (text.len() >= Self::SHORTEST).then_some(Self(text))
    }

    /// One from the bytes of its text.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::new(std::str::from_utf8(bytes).ok()?.to_owned())
    }

    /// The signature over `body`, as GitHub and this program send it: lower-case hexadecimal digits.
    pub fn sign(&self, body: &[u8]) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).expect("a key of any length will do");
        mac.update(body);
        hex::encode(mac.finalize().into_bytes())
    }

    /// Whether who sent `body` knows this secret.
    pub fn signed(&self, signature: &Signature, body: &[u8]) -> bool {
        match signature {
            Signature::Token(token) => token.as_bytes().ct_eq(self.0.as_bytes()).into(),
            Signature::Sha256(digits) => {
                // Lower case only: one signature has one form.
                let is_lower = !digits.bytes().any(|byte| byte.is_ascii_uppercase());
                let Some(bytes) = hex::decode(digits).ok().filter(|_| is_lower) else {
                    return false;
                };
                let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes())
                    .expect("a key of any length will do");
                mac.update(body);
                mac.verify_slice(&bytes).is_ok()
            }
            Signature::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_over_the_very_bytes_is_good() {
        // From GitHub's documentation.
        let secret = SharedSecret::new("It's a Secret to Everybody".to_owned()).unwrap();
        let good = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let signed =
            |digits: &str, body: &[u8]| secret.signed(&Signature::Sha256(digits.to_owned()), body);
        assert!(signed(good, b"Hello, World!"));
        assert_eq!(secret.sign(b"Hello, World!"), good);
        assert!(!signed(good, b"Hello, World"));
        let upper = good.to_uppercase();
        for bad in
            ["", "00", &good[..62], &upper, &good.replace('7', "8"), "zz", &format!("{good}0")]
        {
            assert!(!signed(bad, b"Hello, World!"), "{bad}");
        }
        assert!(!secret.signed(&Signature::Unknown, b"Hello, World!"));
        let token = |text: &str| secret.signed(&Signature::Token(text.to_owned()), b"anything");
        assert!(token("It's a Secret to Everybody"));
        assert!(!token("It's a Secret to Everybod") && !token(""));
        assert_eq!(SharedSecret::new("short".to_owned()), None);
        assert!(!format!("{secret:?}{:?}", Signature::Token("hidden".into())).contains("idden"));
    }
}

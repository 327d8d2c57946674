//! Sessions of browsers: a token and an end, sealed, in a cookie. Nothing of them is kept, so that a token
//! that is taken back ends its sessions at once, and every server knows them.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::Secrets;
use crate::model::{SecretValue, Timestamp};

/// What a session is sealed for.
const PLACE: &str = "session";
/// The longest cookie that is looked at.
const MAX_COOKIE: usize = 2 << 10;

impl Secrets {
    /// The cookie of a session with this token that ends then.
    pub fn seal_session(&self, token: &str, until: Timestamp) -> String {
        let text = Zeroizing::new(format!("{} {token}", until.as_millis()));
        let value = SecretValue::new(text.as_bytes().to_vec());
        BASE64_URL_SAFE_NO_PAD.encode(self.key().seal(PLACE, &value))
    }

    /// The token of a cookie; nothing if it is none of ours, or has ended.
    pub fn open_session(&self, cookie: &str, now: Timestamp) -> Option<String> {
        if cookie.len() > MAX_COOKIE {
            return None;
        }
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(cookie).ok()?;
        let value = self.key().open(PLACE, &sealed).ok()?;
        let text = std::str::from_utf8(value.reveal()).ok()?;
        let (until, token) = text.split_once(' ')?;
        let until = Timestamp::from_millis(until.parse().ok()?);
        (now < until).then(|| token.to_owned())
    }
}

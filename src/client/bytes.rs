//! The bytes of a log event: text where they are UTF-8, base 64 where they are not.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::ClientError;
use crate::protocol::LogEvent;

/// The bytes that a `log` event carries; none for any other event.
pub fn event_bytes(event: &LogEvent) -> Result<Vec<u8>, ClientError> {
    match event {
        LogEvent::Log { text: Some(text), base64: None, .. } => Ok(text.clone().into_bytes()),
        LogEvent::Log { text: None, base64: Some(base64), .. } => STANDARD
            .decode(base64)
            .map_err(|error| ClientError::Answer(format!("a log event's base64: {error}"))),
        LogEvent::Log { .. } => {
            Err(ClientError::Answer("a log event has text or base64, and not both".to_owned()))
        }
        _ => Ok(Vec::new()),
    }
}

/// Bytes as the two fields of a `log` event.
pub(super) fn fields(bytes: Vec<u8>) -> (Option<String>, Option<String>) {
    match String::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(error) => (None, Some(STANDARD.encode(error.as_bytes()))),
    }
}

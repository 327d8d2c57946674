//! Typed HTTP clients of kiln's own APIs.

mod http;

pub use http::{ClientError, Http};

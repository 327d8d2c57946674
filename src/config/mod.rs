//! Settings: one file a section. Every section has defaults and refuses keys it does not know.

pub mod artifacts;
mod source;

pub use source::{PrivateAddresses, Scheme, Schemes, SourceSettings};

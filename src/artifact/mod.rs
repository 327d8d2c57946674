//! The artifact repository: archives, manifests and sealed logs, over an object store.
//!
//! Keys are made here and nowhere else. An object appears whole or not at all; its row in the
//! database comes after it, so what has no row is swept, and a row without an object cannot be.

mod error;
mod key;
mod manifest;
mod remote;
mod serve;
mod store;
mod sweep;

pub use error::ArtifactError;
pub use key::{AttemptKey, Key, KeyError, ObjectName, UploadKey};
pub use serve::serve_file;
pub use store::{ArtifactStore, ByteStream, Meta, Object, Stored};
pub use sweep::Swept;

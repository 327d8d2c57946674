//! Uploaded trees: taken in, kept once however often they come, handed to agents, and swept.
//!
//! What comes in is hostile: `intake` reads it under bounds into a file without a name, and only a
//! tree that was right to its last byte becomes an object, and then a row.

mod error;
mod intake;
mod kept;

pub use error::UploadError;
pub use kept::{UploadBounds, Uploads};

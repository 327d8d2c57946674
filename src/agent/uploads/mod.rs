//! Uploaded trees on this machine: fetched from the server once, read from the compressed file.
//!
//! Nothing of a tree is ever unpacked here: what a build gets of it goes straight into its sandbox.

mod cache;
mod uploaded;

pub use cache::UploadCache;

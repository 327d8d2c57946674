//! Working trees: the files that git would commit, whatever stands in the folder, and packing them.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

#[path = "../support/mod.rs"]
mod support;

mod folder;

mod odd;
mod packing;
mod rules;

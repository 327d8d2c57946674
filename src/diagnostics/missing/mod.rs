//! What a build lacks: the header, library, program or package that an error says is not there.
//!
//! Errors name it in their own words, and often the line before says it better than they do: a
//! configure script prints `checking for deflate in -lz... no` and then stops with "zlib needed".
//! So the lines around are kept as clues, which count only if an error needs them.

mod cmake;
mod configure;
mod error;
mod kind;
mod meson;
mod name;
mod search;
mod sentence;

#[cfg(test)]
mod tests;

pub use kind::{Missing, MissingKind};
pub(super) use search::Search;

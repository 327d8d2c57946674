//! A job's diagnostics as SARIF 2.1.0 (OASIS), which code hosts and editors read.
//!
//! `shape` has the parts of the format that are used, `convert` fills them. Pure.

mod convert;
mod shape;

#[cfg(test)]
mod tests;

pub use convert::{Origin, sarif};
pub use shape::Log;

//! The build systems that are known, one a file, in the order in which they are tried.
//!
//! A further system is a file with a `find` and a line in [`IN_ORDER`]. The order goes from what
//! says most about the project to what says least: a `CMakeLists.txt` is written for exactly this,
//! a Makefile may be a stub that points elsewhere.

mod cmake;
mod configure;
mod kind;
mod make;
mod makefile;

pub(super) use kind::{Found, IN_ORDER, Wish};
pub use kind::{System, ToolchainFacts};
pub(super) use make::stub;

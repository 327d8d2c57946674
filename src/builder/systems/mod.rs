//! The build systems that are known, one a file.
//!
//! A further system is a file with a `find`, a line in `ALL`, and its place in [`kind::Rank`].

mod autotools;
mod capital;
mod cmake;
mod configure;
mod kind;
mod lean;
mod make;
mod makefile;
mod meson;
mod plain;
mod presets;
mod script;
mod targets;

pub(super) use kind::{Found, Wish, find};
pub use kind::{System, ToolchainFacts};
pub(super) use make::stub;
pub(super) use plain::{Sources, plain};

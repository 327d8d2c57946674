//! What tests in `tests/` share: git repositories to build, real projects, scenarios and traps.
//!
//! Every test program takes this as a module and uses a part of it.
#![allow(dead_code, reason = "no test program uses all of it")]

pub(crate) mod catalog;
pub(crate) mod postgres;
pub(crate) mod projects;
pub(crate) mod repo;
pub(crate) mod scenarios;
pub(crate) mod traps;

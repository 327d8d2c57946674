//! Settings, one section a file.

pub mod artifacts;

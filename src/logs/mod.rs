//! Logs of attempts: the form they are sealed in.

pub mod seal;

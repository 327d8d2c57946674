//! The farm as people run it: the real program as server, agent and command line, real containers,
//! real projects.
//!
//! Every test has a server and a data directory of its own, so that tests can run side by side, and
//! ends with a look at what is left: nothing may be. They need an engine and the default images.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod canary;
mod engine;
mod program;
mod world;

#[path = "../source/git.rs"]
mod git;
#[path = "../source/server.rs"]
mod git_server;

mod by_hand;
mod caching;
mod cancel;
mod crashes;
mod credentials;
mod guard;
mod more_projects;
mod projects;
mod scenarios;
mod secrets;
mod sizes;
mod traps;
mod trees;

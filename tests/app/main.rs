//! The whole app: a real server over SQLite, real agents, real git sources; only the sandbox and
//! the toolchains are scripted.
//!
//! Everything goes over HTTP. `Farm` fails a test that leaves anything behind.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

#[path = "../support/mod.rs"]
mod support;

/// The same tests run on PostgreSQL in `app_postgres`.
const POSTGRES: bool = false;

#[path = "../source/git.rs"]
mod git;
#[path = "../source/server.rs"]
mod git_server;

mod farm;
mod program;
mod pty;
mod raw;
mod script;
mod wire;

mod accounts;
mod agents;
mod alone;
mod artifacts;
mod backup;
mod caching;
mod cancel;
mod claims;
mod cli;
mod diagnostics;
mod docs;
mod doors;
mod fence;
mod flow;
mod follow;
mod forges;
mod fuzz;
mod lines;
mod lists;
mod logins;
mod logs;
mod metrics;
mod queues;
mod recipe;
mod releases;
mod restart;
mod retention;
mod retry;
mod secrets;
mod session;
mod space;
mod stop;
mod strict;
mod terminal;
mod texts;
mod traces;
mod uploads;
mod watch;
mod web;

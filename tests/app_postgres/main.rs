//! What `app` tests with SQLite, with PostgreSQL: the same files, each test with a PostgreSQL of its
//! own. Left out is what has nothing to do with the database: the command line and its texts.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

#[path = "../support/mod.rs"]
mod support;

const POSTGRES: bool = true;

#[path = "../support/fault_proxy.rs"]
mod fault_proxy;

#[path = "../source/git.rs"]
mod git;
#[path = "../source/server.rs"]
mod git_server;

#[path = "../app/farm.rs"]
mod farm;
#[path = "../app/program.rs"]
mod program;
#[path = "../app/raw.rs"]
mod raw;
#[path = "../app/script.rs"]
mod script;
#[path = "../app/wire.rs"]
mod wire;

#[path = "../app/accounts.rs"]
mod accounts;
#[path = "../app/agents.rs"]
mod agents;
#[path = "../app/alone.rs"]
mod alone;
#[path = "../app/artifacts.rs"]
mod artifacts;
#[path = "../app/cancel.rs"]
mod cancel;
#[path = "../app/claims.rs"]
mod claims;
#[path = "../app/diagnostics.rs"]
mod diagnostics;
#[path = "../app/docs.rs"]
mod docs;
#[path = "../app/fence.rs"]
mod fence;
#[path = "../app/flow.rs"]
mod flow;
#[path = "../app/follow.rs"]
mod follow;
#[path = "../app/forges.rs"]
mod forges;
#[path = "../app/lists.rs"]
mod lists;
#[path = "../app/logins.rs"]
mod logins;
#[path = "../app/logs.rs"]
mod logs;
#[path = "../app/metrics.rs"]
mod metrics;
#[path = "../app/queues.rs"]
mod queues;
#[path = "../app/recipe.rs"]
mod recipe;
#[path = "../app/releases.rs"]
mod releases;
#[path = "../app/restart.rs"]
mod restart;
#[path = "../app/retention.rs"]
mod retention;
#[path = "../app/retry.rs"]
mod retry;
#[path = "../app/secrets.rs"]
mod secrets;
#[path = "../app/session.rs"]
mod session;
#[path = "../app/strict.rs"]
mod strict;
#[path = "../app/uploads.rs"]
mod uploads;
#[path = "../app/watch.rs"]
mod watch;
#[path = "../app/web.rs"]
mod web;

mod servers;

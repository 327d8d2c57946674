//! The store and the queue on both databases: the same schema, every statement prepared, and what
//! several servers do at one time.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

#[path = "../support/mod.rs"]
mod support;

mod backups;
mod claims;
mod database;
mod moves;
mod queues;
mod races;
mod retention;
mod schema;
mod servers;
mod statements;
mod tails;

//! `docker-compose.yml` as people run it: the compose file on one machine, the same file as a Swarm
//! stack, with images made here.
//!
//! Real PostgreSQL, a real proxy, an S3 server in a container of its own, several servers and
//! agents; their parts are killed while builds run. In the end everything is taken down, and nothing
//! may be left: no container, volume, network, secret.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../farm/engine.rs"]
#[expect(dead_code, reason = "the farm's tests use more of it")]
mod engine;
#[path = "../farm/program.rs"]
#[expect(dead_code, reason = "the farm's tests use more of it")]
mod program;

mod docker;
mod images;
mod installation;
mod work;

mod machine;
mod stack;

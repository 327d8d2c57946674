//! kiln: a self-hosted build farm for C and C++.
//!
//! `docs/ARCHITECTURE.md` has the map: which module does what, and what may import what.

pub mod model;
pub mod notifier;

pub mod archive;
pub mod builder;
pub mod config;
pub mod diagnostics;
pub mod disk;
pub mod forge;
pub mod meters;
pub mod pipe;
pub mod protocol;
pub mod tls;
pub mod toolchain;

pub mod artifact;
pub mod auth;
pub mod logs;
pub mod queue;
pub mod rebuilder;
pub mod retention;
pub mod secrets;
pub mod store;
pub mod uploads;

pub mod images;
pub mod sandbox;
pub mod sarif;
pub mod source;
pub mod web;
pub mod worktree;

pub mod agent;
pub mod api;
pub mod cli;
pub mod client;
pub mod process;
pub mod server;

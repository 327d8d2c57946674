//! The agent as a whole, against a scripted server, sandbox, source and toolchain: what it says to
//! the server, what it leaves behind, and how it takes trouble.

mod server;
mod world;

mod ends;
mod flow;
mod packages;
mod releases;
mod tries;
mod trouble;

//! The command line: what can be typed, and what the client commands do and print.
//!
//! Everything that prints does so through [`Console`], which knows whether there is a terminal and
//! whether colors are wanted; renderers write text into a buffer, so that tests can read it. What
//! builds and repositories say is hostile text and passes `sanitize` before it meets a terminal.

mod args;

mod console;
mod error;
mod target;

mod lines;
mod quote;
mod sanitize;
mod style;
mod table;
mod text;

mod attach;
mod commands;
mod complete;
mod download;
mod interrupt;
mod kept;
mod pass;
mod plain;
mod progress;
mod render;
mod run;
mod screen;
mod tree;
mod unpack;

#[cfg(test)]
mod fixtures;

pub use args::{
    Access, AgentArgs, Cli, ClientCommand, Command, DbArgs, DbCommand, ImagesArgs, ImagesCommand,
    ServeArgs,
};
pub use complete::complete;
pub use console::Console;
pub use error::{CliError, Exit};
pub use run::run;

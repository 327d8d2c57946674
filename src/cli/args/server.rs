//! The commands that run a part of the farm. Settings that are not given here come from the
//! environment, the settings file and the defaults, in that order; that is why all are optional.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand};

use super::examples;
use crate::model::{Label, ToolchainName};

/// Run the server.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = examples::SERVE)]
pub struct ServeArgs {
    /// The address to listen on; beyond loopback clients need a token; default: 127.0.0.1:8000
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Where database, artifacts, logs and mirrors are kept
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The settings file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Do not run an agent in this process
    #[arg(long)]
    pub no_agent: bool,
    /// The most jobs the embedded agent runs at one time
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub workers: Option<u32>,
}

/// Run an agent.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = examples::AGENT)]
pub struct AgentArgs {
    /// The agent's name; default: this machine's
    #[arg(long)]
    pub name: Option<String>,
    /// Where the agent keeps its identity and its mirrors
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The settings file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A file with the token that lets it enroll
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// A label that builds can require, such as gpu or team=graphics; may be given more than once
    #[arg(long = "label", value_name = "LABEL", value_delimiter = ',')]
    pub labels: Vec<Label>,
    /// The most jobs it runs at one time
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub workers: Option<u32>,
}

/// Build and list toolchain images.
#[derive(Clone, Debug, Args)]
#[command(after_help = examples::IMAGES)]
pub struct ImagesArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ImagesCommand,
}

/// What to do with images.
#[derive(Clone, Debug, Subcommand)]
pub enum ImagesCommand {
    /// Build images, those that changed only; without names the default set
    #[command(after_help = examples::IMAGES_BUILD)]
    Build {
        /// The toolchains
        #[arg(value_name = "NAME", conflicts_with = "all")]
        names: Vec<ToolchainName>,
        /// Build every image of the catalog
        #[arg(long)]
        all: bool,
    },
    /// List the images of this machine
    #[command(after_help = examples::IMAGES_LIST)]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// The server's database.
#[derive(Clone, Debug, Args)]
#[command(after_help = examples::DB)]
pub struct DbArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: DbCommand,
}

/// What to do with the database.
#[derive(Clone, Debug, Subcommand)]
pub enum DbCommand {
    /// Write a backup of the SQLite database into a file, while the server runs
    #[command(after_help = examples::DB)]
    Backup {
        /// The file; it must not be there
        file: PathBuf,
        /// The data directory
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// The settings file
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Put a backup into the data directory of a server that does not run
    #[command(after_help = examples::DB)]
    Restore {
        /// The file that `kiln db backup` wrote
        file: PathBuf,
        /// Also if there is a database: it is kept beside the new one
        #[arg(long)]
        replace: bool,
        /// The data directory
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// The settings file
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Seal the secrets of all projects with another key; no server may run meanwhile
    #[command(after_help = examples::DB)]
    Rekey {
        /// The file with the new key
        new: PathBuf,
        /// The file with the key they are sealed with; default: what the settings say
        #[arg(long, value_name = "FILE")]
        old: Option<PathBuf>,
        /// The data directory
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// The settings file
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Copy everything from a SQLite file into an empty PostgreSQL database
    #[command(after_help = examples::DB)]
    Move {
        /// The file, as sqlite:PATH; default: kiln.db in the data directory
        #[arg(long, value_name = "URL")]
        from: Option<String>,
        /// The database, as a URL of postgres; default: what the settings say
        #[arg(long, value_name = "URL")]
        to: Option<String>,
        /// The data directory
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// The settings file
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

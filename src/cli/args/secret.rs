//! `kiln secret`: values that builds need and nobody may read back.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::examples;
use crate::model::{ProjectName, RefPattern, SecretName, StepName};

/// Set, list or remove the secrets of a project.
#[derive(Debug, Args)]
#[command(after_help = examples::SECRET)]
pub struct SecretArgs {
    /// What to do
    #[command(subcommand)]
    pub command: SecretCommand,
}

/// What to do with secrets.
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Set a secret; its value comes on standard input, never on the command line
    #[command(after_help = examples::SECRET)]
    Set(SecretSetArgs),
    /// List the secrets of a project, without their values
    #[command(after_help = examples::SECRET)]
    List {
        /// The project
        project: ProjectName,
        /// Print the API's JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a secret
    #[command(after_help = examples::SECRET)]
    Remove {
        /// The project
        project: ProjectName,
        /// The secret
        name: SecretName,
    },
    /// See which branches and tags get the secrets of a project, or write it
    #[command(after_help = examples::SECRET)]
    Trust {
        /// The project
        project: ProjectName,
        /// Patterns of full names, such as refs/heads/main or refs/tags/v*
        refs: Vec<RefPattern>,
        /// Trust none
        #[arg(long, conflicts_with = "refs")]
        none: bool,
    },
}

/// Set a secret.
#[derive(Debug, Args)]
pub struct SecretSetArgs {
    /// The project
    pub project: ProjectName,
    /// Its name: the variable by which steps get it
    pub name: SecretName,
    /// Read the value from this file instead of standard input
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// Give it to steps of this name only; can be repeated
    #[arg(long = "step", value_name = "NAME")]
    pub steps: Vec<StepName>,
    /// Give it as a file, whose path is in the variable
    #[arg(long)]
    pub as_file: bool,
}

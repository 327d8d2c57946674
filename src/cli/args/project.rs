//! `kiln project`: the repositories that are known by name.

use clap::{Args, Subcommand};

use super::examples;
use crate::model::ProjectName;

/// Add, list, show or remove projects.
#[derive(Debug, Args)]
#[command(after_help = examples::PROJECT)]
pub struct ProjectArgs {
    /// What to do
    #[command(subcommand)]
    pub command: ProjectCommand,
}

/// What to do with projects.
#[derive(Debug, Subcommand)]
pub enum ProjectCommand {
    /// Add a project: builds of its repository belong to it from now on
    #[command(after_help = examples::PROJECT)]
    Add {
        /// Its name
        name: ProjectName,
        /// Its repository's URL; without one, only uploads that name it belong to it
        url: Option<String>,
    },
    /// List the projects
    #[command(after_help = examples::PROJECT)]
    List {
        /// Print the API's JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a project
    #[command(after_help = examples::PROJECT)]
    Show {
        /// Its name
        name: ProjectName,
        /// Print the API's JSON
        #[arg(long)]
        json: bool,
    },
    /// Give a project another name, or say where its repository is now
    #[command(after_help = examples::PROJECT)]
    Set {
        /// Its name
        name: ProjectName,
        /// Another name
        #[arg(long, value_name = "NAME", required_unless_present = "url")]
        rename: Option<ProjectName>,
        /// Where its repository is now
        #[arg(long)]
        url: Option<String>,
    },
    /// Remove a project; its builds stay
    #[command(after_help = examples::PROJECT)]
    Remove {
        /// Its name
        name: ProjectName,
    },
}

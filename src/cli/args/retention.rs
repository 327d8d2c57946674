//! `kiln retention`, `pin`, `unpin`, `delete` and `usage`: what is kept, and what it takes.

use clap::{Args, Subcommand};

use super::examples;
use crate::model::{BuildId, ProjectName};

/// See and apply the rules of what is kept.
#[derive(Debug, Args)]
#[command(after_help = examples::RETENTION)]
pub struct RetentionArgs {
    /// What to do
    #[command(subcommand)]
    pub command: RetentionCommand,
}

/// What to do with the rules.
#[derive(Debug, Subcommand)]
pub enum RetentionCommand {
    /// Say what the rules would remove now, and remove nothing
    #[command(after_help = examples::RETENTION)]
    Plan {
        /// Print the API's JSON
        #[arg(long)]
        json: bool,
    },
    /// Apply the rules now; they are applied each hour by themselves
    #[command(after_help = examples::RETENTION)]
    Run {
        /// Print the API's JSON
        #[arg(long)]
        json: bool,
    },
    /// See the rules of a project, or write those that are given
    #[command(after_help = examples::RETENTION)]
    Project(ProjectRulesArgs),
}

/// The rules of a project; those that are not given are as the server's settings say.
#[derive(Debug, Args)]
pub struct ProjectRulesArgs {
    /// The project
    pub project: ProjectName,
    /// After how many days a build goes with everything; 0: never
    #[arg(long, value_name = "DAYS")]
    pub builds: Option<u32>,
    /// After how many days its artifacts go; 0: with it
    #[arg(long, value_name = "DAYS")]
    pub artifacts: Option<u32>,
    /// After how many days its logs go; 0: with it
    #[arg(long, value_name = "DAYS")]
    pub logs: Option<u32>,
    /// After how many days the tree goes that was uploaded for it; 0: with it
    #[arg(long, value_name = "DAYS")]
    pub uploads: Option<u32>,
    /// How many builds of one branch are kept; 0: any number
    #[arg(long, value_name = "COUNT")]
    pub per_branch: Option<u32>,
    /// Whether the newest success of each branch is kept whole
    #[arg(long, value_name = "true|false")]
    pub keep_last_success: Option<bool>,
    /// Whether builds of tags are kept whole
    #[arg(long, value_name = "true|false")]
    pub keep_tags: Option<bool>,
    /// Go back to the server's rules
    #[arg(long, conflicts_with_all = ["builds", "artifacts", "logs", "uploads", "per_branch", "keep_last_success", "keep_tags"])]
    pub reset: bool,
}

/// Keep a build whatever the rules say.
#[derive(Debug, Args)]
#[command(after_help = examples::RETENTION)]
pub struct PinArgs {
    /// The build
    pub build: BuildId,
    /// Why, shown with the build
    #[arg(long, default_value = "")]
    pub reason: String,
}

/// Take the pin of a build away.
#[derive(Debug, Args)]
#[command(after_help = examples::RETENTION)]
pub struct UnpinArgs {
    /// The build
    pub build: BuildId,
}

/// Remove a build.
#[derive(Debug, Args)]
#[command(after_help = examples::RETENTION)]
pub struct DeleteArgs {
    /// The build
    pub build: BuildId,
    /// Remove its artifacts only
    #[arg(long)]
    pub artifacts_only: bool,
}

/// See what is used.
#[derive(Debug, Args)]
#[command(after_help = examples::RETENTION)]
pub struct UsageArgs {
    /// Print the API's JSON
    #[arg(long)]
    pub json: bool,
}

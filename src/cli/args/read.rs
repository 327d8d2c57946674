//! The commands that ask a question about one thing or a list.

use std::path::PathBuf;

use clap::Args;

use super::parse;
use crate::{
    cli::target::Target,
    model::{Outcome, Revision, Stream, ToolchainName},
    protocol::{BuildFilter, BuildState, MAX_PAGE},
};

/// List builds.
#[derive(Debug, Args)]
pub struct BuildsArgs {
    /// Only of this commit, or of this uploaded tree (tree-…)
    #[arg(long)]
    pub commit: Option<Revision>,
    /// Only in this state: planning, queued, running or finished
    #[arg(long, value_parser = parse::state)]
    pub state: Option<BuildState>,
    /// Only with this outcome: success, failure, error, timeout or cancelled
    #[arg(long, value_parser = parse::outcome)]
    pub outcome: Option<Outcome>,
    /// Only with a job of this toolchain
    #[arg(short = 't', long)]
    pub toolchain: Option<ToolchainName>,
    /// How many at most
    #[arg(
        long,
        default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_PAGE))
    )]
    pub limit: u32,
    /// Where the previous page ended, as it said
    #[arg(long)]
    pub cursor: Option<String>,
    /// Print the API's JSON
    #[arg(long)]
    pub json: bool,
}

impl BuildsArgs {
    /// What is asked of the server.
    pub(in crate::cli) fn filter(&self) -> BuildFilter {
        BuildFilter {
            commit: self.commit.clone(),
            state: self.state,
            outcome: self.outcome,
            toolchain: self.toolchain.clone(),
            limit: Some(self.limit),
            cursor: self.cursor.clone(),
        }
    }
}

/// Show a build or a job.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A build, a job, or BUILD/TOOLCHAIN
    #[arg(value_name = "ID", value_parser = Target::parse_id)]
    pub target: Target,
    /// Print the API's JSON
    #[arg(long)]
    pub json: bool,
}

/// Print a log.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// A job, a build, or BUILD/TOOLCHAIN
    #[arg(value_name = "ID", value_parser = Target::parse_id)]
    pub target: Target,
    /// Go on until the job has ended
    #[arg(short = 'f', long)]
    pub follow: bool,
    /// Only what was written to stdout, or to stderr
    #[arg(long, value_parser = parse::stream)]
    pub stream: Option<Stream>,
    /// The attempt; default: the newest, and when following all of them
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub attempt: Option<u32>,
    /// Print the log's events as JSON, one a line
    #[arg(long)]
    pub json: bool,
}

/// List, or download, what was kept.
#[derive(Debug, Args)]
pub struct ArtifactsArgs {
    /// A commit, a build, a job, or COMMIT/TOOLCHAIN or BUILD/TOOLCHAIN
    #[arg(value_name = "COMMIT|ID", value_parser = Target::parse)]
    pub target: Target,
    /// Download into DIR/TOOLCHAIN
    #[arg(long, value_name = "DIR")]
    pub download: Option<PathBuf>,
    /// Print the API's JSON
    #[arg(long)]
    pub json: bool,
}

/// End a build or a job.
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// A build, a job, or BUILD/TOOLCHAIN
    #[arg(value_name = "ID", value_parser = Target::parse_id)]
    pub target: Target,
}

/// List the toolchains.
#[derive(Debug, Args)]
pub struct ToolchainsArgs {
    /// Print the API's JSON
    #[arg(long)]
    pub json: bool,
}

/// List the agents.
#[derive(Debug, Args)]
pub struct AgentsArgs {
    /// Print the API's JSON
    #[arg(long)]
    pub json: bool,
}

/// Print a completion script.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

//! `kiln watch`: new commits that are built by themselves.

use clap::Args;

use super::{examples, parse};
use crate::{
    cli::complete,
    model::{ProjectName, QueueName, ToolchainName, WatchRules},
};

/// Build new commits of a project by themselves.
#[derive(Debug, Args)]
#[command(after_help = examples::WATCH)]
pub struct WatchArgs {
    /// The project
    pub project: ProjectName,
    /// A pattern of branches, such as main or 'release/*'; may be given more than once; default: all
    #[arg(long = "branch", value_name = "PATTERN")]
    pub branches: Vec<String>,
    /// A pattern of tags, such as 'v*'; may be given more than once; default: none
    #[arg(long = "tag", value_name = "PATTERN")]
    pub tags: Vec<String>,
    /// The toolchains; default: what the commit's .kiln.toml says, then the server's
    #[arg(short = 't', long = "toolchain", value_name = "NAME", value_delimiter = ',', add = complete::toolchains())]
    pub toolchains: Vec<ToolchainName>,
    /// The queue to wait in
    #[arg(long, value_name = "NAME", default_value = "default", hide_default_value = true)]
    pub queue: QueueName,
    /// Higher is earlier, -100 to 100
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true,
        allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-100..=100))]
    pub priority: i32,
    /// How often the repository is asked, such as 5m; default: every minute
    #[arg(long, value_name = "TIME", value_parser = parse::seconds)]
    pub every: Option<u32>,
    /// End the builds of older commits of a branch when there is a newer one
    #[arg(long)]
    pub supersede: bool,
    /// Only look at its repository now
    #[arg(long, conflicts_with_all = ["branches", "tags", "toolchains", "every", "supersede", "priority", "queue"])]
    pub check: bool,
}

/// Build new commits of a project no longer.
#[derive(Debug, Args)]
#[command(after_help = examples::WATCH)]
pub struct UnwatchArgs {
    /// The project
    pub project: ProjectName,
}

/// See the refs of a watched project.
#[derive(Debug, Args)]
#[command(after_help = examples::WATCH)]
pub struct RefsArgs {
    /// The project
    pub project: ProjectName,
    /// Print the API's JSON
    #[arg(long)]
    pub json: bool,
}

impl WatchArgs {
    /// The rules.
    pub(in crate::cli) fn rules(&self) -> WatchRules {
        let usual = WatchRules::default();
        let only_tags = self.branches.is_empty() && !self.tags.is_empty();
        WatchRules {
            branches: match self.branches.as_slice() {
                [] if only_tags => Vec::new(),
                [] => usual.branches,
                given => given.to_vec(),
            },
            tags: self.tags.clone(),
            toolchains: self.toolchains.clone(),
            queue: self.queue.clone(),
            priority: self.priority,
            poll_seconds: self.every.unwrap_or(usual.poll_seconds),
            supersede: self.supersede,
        }
    }
}

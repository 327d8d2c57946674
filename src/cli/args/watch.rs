//! `kiln watch`: new commits that are built by themselves.

use std::path::PathBuf;

use clap::Args;

use super::{examples, parse};
use crate::{
    cli::complete,
    model::{ProjectName, PullRequests, QueueName, ToolchainName, WatchRules},
};

/// What says rules by itself.
const RULES: [&str; 10] = [
    "branches",
    "tags",
    "toolchains",
    "every",
    "supersede",
    "priority",
    "queue",
    "paths",
    "ignore_paths",
    "pull_requests",
];

/// Build new commits of a project by themselves.
#[derive(Debug, Args)]
#[command(after_help = examples::WATCH)]
pub struct WatchArgs {
    /// The project, or the URL of a repository, which becomes one
    #[arg(value_name = "PROJECT|URL")]
    pub project: String,
    /// A pattern of branches, such as main or 'release/*'; may be given more than once; default: all
    #[arg(long = "branch", value_name = "PATTERN")]
    pub branches: Vec<String>,
    /// A pattern of tags, such as 'v*'; may be given more than once; default: none
    #[arg(long = "tag", value_name = "PATTERN")]
    pub tags: Vec<String>,
    /// Build only commits that change one of these paths, such as 'src/**'; may be given more than once
    #[arg(long = "path", value_name = "PATTERN")]
    pub paths: Vec<String>,
    /// Do not build commits that change nothing but these paths, such as 'doc/**'
    #[arg(long = "ignore", value_name = "PATTERN")]
    pub ignore_paths: Vec<String>,
    /// Which pull requests are built, once there is a webhook (kiln hook): none, own or forks
    #[arg(long, value_name = "WHICH", value_parser = parse::pull_requests, default_value = "own")]
    pub pull_requests: PullRequests,
    /// The toolchains where the commit's .kiln.toml names none; default: the server's
    #[arg(short = 't', long = "toolchain", value_name = "NAME", value_delimiter = ',', add = complete::toolchains())]
    pub toolchains: Vec<ToolchainName>,
    /// The queue to wait in
    #[arg(long, value_name = "NAME", default_value = "default", hide_default_value = true)]
    pub queue: QueueName,
    /// Higher is earlier, -100 to 100
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true,
        allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-100..=100))]
    pub priority: i32,
    /// How often the repository is asked, such as 5m; default: as the server says, a minute
    #[arg(long, value_name = "TIME", value_parser = parse::seconds)]
    pub every: Option<u32>,
    /// End the builds of older commits of a branch when there is a newer one
    #[arg(long)]
    pub supersede: bool,
    /// Take the rules from this file instead, as --show prints them; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = RULES)]
    pub rules: Option<PathBuf>,
    /// Only show the rules that are followed
    #[arg(long, conflicts_with_all = RULES, conflicts_with_all = ["rules", "check"])]
    pub show: bool,
    /// Only look at its repository now
    #[arg(long, conflicts_with_all = RULES, conflicts_with = "rules")]
    pub check: bool,
}

/// Build every watched branch once more, such as after the image of a toolchain changed.
#[derive(Debug, Args)]
#[command(after_help = examples::REBUILD)]
pub struct RebuildArgs {
    /// The projects; default: all that are watched
    pub projects: Vec<ProjectName>,
    /// With this toolchain alone, where it was built with that; default: with all of its own
    #[arg(short = 't', long = "toolchain", value_name = "NAME", add = complete::toolchains())]
    pub toolchain: Option<ToolchainName>,
    /// Print the API's JSON
    #[arg(long)]
    pub json: bool,
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
            paths: self.paths.clone(),
            ignore_paths: self.ignore_paths.clone(),
            pull_requests: self.pull_requests,
            toolchains: self.toolchains.clone(),
            steps: Vec::new(),
            artifacts: usual.artifacts,
            queue: self.queue.clone(),
            priority: self.priority,
            poll_seconds: self.every,
            supersede: self.supersede,
        }
    }
}

//! The commands that ask a question about one thing or a list.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{examples, parse};
use crate::{
    cli::{complete, target::Target},
    model::{Outcome, ProjectName, Revision, Stream, ToolchainName},
    protocol::{BuildFilter, BuildState, MAX_PAGE, SeverityFilter},
};

/// List builds.
#[derive(Debug, Args)]
#[command(after_help = examples::BUILDS)]
pub struct BuildsArgs {
    /// Only of this project
    #[arg(long, value_name = "NAME")]
    pub project: Option<ProjectName>,
    /// Only of this commit, or of this uploaded tree (tree-…)
    #[arg(long)]
    pub commit: Option<Revision>,
    /// Only of this branch; refs/tags/… for a tag
    #[arg(long, value_name = "NAME")]
    pub branch: Option<String>,
    /// Only in this state: planning, queued, running or finished
    #[arg(long, value_parser = parse::state)]
    pub state: Option<BuildState>,
    /// Only with this outcome: success, failure, error, timeout or cancelled
    #[arg(long, value_parser = parse::outcome)]
    pub outcome: Option<Outcome>,
    /// Only with a job of this toolchain
    #[arg(short = 't', long, value_name = "NAME", add = complete::toolchains())]
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
            project: self.project.clone(),
            commit: self.commit.clone(),
            branch: self.branch.clone(),
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
#[command(after_help = examples::SHOW)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch that people give")]
pub struct ShowArgs {
    /// A build, a job, or BUILD/TOOLCHAIN
    #[arg(value_name = "ID", value_parser = Target::parse_id, add = complete::ids())]
    pub target: Target,
    /// Print the shell commands that run the job with git and docker
    #[arg(long, conflicts_with = "json")]
    pub by_hand: bool,
    /// Print the API's JSON
    #[arg(long)]
    pub json: bool,
    /// Show every error and warning of compilers, linkers and build tools
    #[arg(long, conflicts_with = "by_hand")]
    pub diagnostics: bool,
    /// With --diagnostics: print SARIF 2.1.0, for code hosts and editors
    #[arg(long, requires = "diagnostics", conflicts_with = "json")]
    pub sarif: bool,
    /// With --diagnostics: only these, error or warning
    #[arg(long, value_name = "WHICH", requires = "diagnostics", value_parser = parse::severity)]
    pub severity: Option<SeverityFilter>,
}

/// Print a log.
#[derive(Debug, Args)]
#[command(after_help = examples::LOG)]
pub struct LogArgs {
    /// A job, a build, or BUILD/TOOLCHAIN
    #[arg(value_name = "ID", value_parser = Target::parse_id, add = complete::ids())]
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
#[command(after_help = examples::ARTIFACTS)]
pub struct ArtifactsArgs {
    /// A commit, a tree (tree-…), a build, a job, or one of them with /TOOLCHAIN
    #[arg(value_name = "REVISION|ID", value_parser = Target::parse, add = complete::ids())]
    pub target: Target,
    /// Only these files: paths, or patterns such as 'build/*.so' and '**/*.a'
    #[arg(value_name = "PATTERN")]
    pub patterns: Vec<String>,
    /// Write the one file that is meant into FILE; - is the output
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["download", "json"])]
    pub output: Option<PathBuf>,
    /// Download all of it into DIR/TOOLCHAIN
    #[arg(long, value_name = "DIR", conflicts_with = "patterns")]
    pub download: Option<PathBuf>,
    /// Print the API's JSON
    #[arg(long, conflicts_with = "patterns")]
    pub json: bool,
}

/// End a build or a job.
#[derive(Debug, Args)]
#[command(after_help = examples::CANCEL)]
pub struct CancelArgs {
    /// A build, a job, or BUILD/TOOLCHAIN
    #[arg(value_name = "ID", value_parser = Target::parse_id, add = complete::ids())]
    pub target: Target,
}

/// List the toolchains.
#[derive(Debug, Args)]
#[command(after_help = examples::TOOLCHAINS)]
pub struct ToolchainsArgs {
    /// Print the API's JSON
    #[arg(long)]
    pub json: bool,
}

/// Print the script that completes kiln's command line in a shell.
#[derive(Debug, Args)]
#[command(after_help = examples::COMPLETIONS)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// A shell whose lines can be completed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Shell {
    /// Bash.
    #[value(help = None::<&str>)]
    Bash,
    /// Elvish.
    #[value(help = None::<&str>)]
    Elvish,
    /// Fish.
    #[value(help = None::<&str>)]
    Fish,
    /// PowerShell.
    #[value(help = None::<&str>, name = "powershell")]
    Pwsh,
    /// Zsh.
    #[value(help = None::<&str>)]
    Zsh,
}

impl Shell {
    /// Its name, as it is typed.
    pub(in crate::cli) const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Elvish => "elvish",
            Self::Fish => "fish",
            Self::Pwsh => "powershell",
            Self::Zsh => "zsh",
        }
    }
}

/// Print a manual page.
#[derive(Debug, Args)]
#[command(after_help = examples::MAN)]
pub struct ManArgs {
    /// The command it is about; default: kiln as a whole
    #[arg(conflicts_with = "dir")]
    pub command: Vec<String>,
    /// Write the pages of all commands into DIR
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

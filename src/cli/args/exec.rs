//! `kiln run` and `kiln init`: one command in a sandbox, and the beginning of a recipe.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;

use super::{examples, parse};
use crate::{
    cli::{CliError, commands::Place, complete, quote::command},
    model::{
        ArtifactRules, CommitId, Label, LimitsRequest, PackageName, ProjectName, QueueName,
        RefName, ToolchainName,
    },
    protocol::{SourceSubmission, StepSubmission, SubmitBuild},
};

/// Run one command in a sandbox on a source.
#[derive(Debug, Args)]
#[command(after_help = examples::RUN)]
pub struct RunArgs {
    /// The repository's URL, or a folder: the working tree in it is sent as it is
    #[arg(long, value_name = "URL|PATH", default_value = ".")]
    pub source: String,
    /// The branch or tag of the repository
    #[arg(long = "ref", value_name = "REF", conflicts_with = "commit")]
    pub reference: Option<RefName>,
    /// The commit of the repository, all 40 digits
    #[arg(long)]
    pub commit: Option<CommitId>,
    /// The toolchain, such as gcc:14; default: the server's first
    #[arg(short = 't', long, value_name = "NAME", add = complete::toolchains())]
    pub toolchain: Option<ToolchainName>,
    /// A Debian package that the command needs; may be given more than once
    #[arg(long = "package", value_name = "NAME", value_delimiter = ',')]
    pub packages: Vec<PackageName>,
    /// A label that the agent must have, such as gpu or arch=aarch64; may be given more than once
    #[arg(long = "requires", value_name = "LABEL", value_delimiter = ',')]
    pub requires: Vec<Label>,
    /// An environment variable; may be given more than once
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse::pair)]
    pub env: Vec<(String, String)>,
    /// How long the command may run, such as 20m
    #[arg(long, value_name = "TIME", value_parser = parse::seconds)]
    pub timeout: Option<u32>,
    /// A pattern of files to keep, such as 'build/*.so'; without it nothing is kept
    #[arg(long = "artifact", value_name = "PATTERN")]
    pub artifacts: Vec<String>,
    /// Download what was kept into DIR/TOOLCHAIN; without --artifact the programs and libraries
    #[arg(long, value_name = "DIR")]
    pub download: Option<PathBuf>,
    /// The project that it belongs to; default: the one of this repository
    #[arg(long, value_name = "NAME")]
    pub project: Option<ProjectName>,
    /// The queue to wait in; `kiln queue list` names them
    #[arg(long, value_name = "NAME", default_value = "default", hide_default_value = true)]
    pub queue: QueueName,
    /// Higher is earlier, -100 to 100
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 0,
        hide_default_value = true,
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(-100..=100)
    )]
    pub priority: i32,
    /// The command; one argument is shell text, several are one command and its arguments
    #[arg(last = true, value_name = "COMMAND", required = true)]
    pub command: Vec<String>,
}

impl RunArgs {
    /// The source, as it was typed.
    pub(in crate::cli) fn place(&self) -> Place<'_> {
        Place {
            text: &self.source,
            reference: self.reference.as_ref(),
            commit: self.commit.as_ref(),
        }
    }

    /// What is sent to the server, with toolchains it should use.
    pub(in crate::cli) fn submission(
        &self,
        source: SourceSubmission,
        toolchain: &ToolchainName,
    ) -> Result<SubmitBuild, CliError> {
        let run = command(&self.command)
            .filter(|run| !run.trim().is_empty())
            .ok_or_else(|| CliError::Usage("the command is empty".to_owned()))?;
        let is_kept = !self.artifacts.is_empty() || self.download.is_some();
        Ok(SubmitBuild {
            project: self.project.clone(),
            source,
            toolchains: vec![toolchain.clone()],
            packages: self.packages.clone(),
            requires: self.requires.clone(),
            steps: vec![StepSubmission {
                name: "command".parse().expect("a plain word names a step"),
                run,
            }],
            test: None,
            submodules: None,
            cache: None,
            artifacts: ArtifactRules {
                include: self.artifacts.clone(),
                // What a command leaves behind is not wanted unless somebody says so.
                exclude: if is_kept { Vec::new() } else { vec!["**".to_owned()] },
                ..ArtifactRules::default()
            },
            env: parse::variables(&self.env)?,
            limits: LimitsRequest { wall_seconds: self.timeout, ..LimitsRequest::default() },
            queue: self.queue.clone(),
            priority: self.priority,
            labels: BTreeMap::new(),
        })
    }
}

/// Write a .kiln.toml for a project.
#[derive(Debug, Args)]
#[command(after_help = examples::INIT)]
pub struct InitArgs {
    /// The project's folder
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Print it instead of writing the file
    #[arg(long)]
    pub print: bool,
    /// Replace a file that is there
    #[arg(long)]
    pub force: bool,
}

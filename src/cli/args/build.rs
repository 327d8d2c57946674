//! `kiln build` and `kiln retry`: what is to run, and how it is followed.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;

use super::{examples, parse};
use crate::{
    cli::{CliError, commands::Place, complete, quote::command, target::Target},
    model::{
        ArtifactRules, CommitId, Label, LimitsRequest, PackageName, ProjectName, QueueName,
        RefName, ToolchainName,
    },
    protocol::{SourceSubmission, StepSubmission, SubmitBuild},
};

/// Build the working tree, or a commit of a git repository, and follow it.
#[derive(Debug, Args)]
#[command(after_help = examples::BUILD)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct BuildArgs {
    /// The repository's URL, or a folder
    #[arg(
        value_name = "URL|PATH",
        default_value = ".",
        help = "The repository's URL, or a folder: the working tree in it is sent as it is"
    )]
    pub url: String,
    /// Toolchains, such as gcc:14,clang:19; default: what the repository or the server says
    #[arg(short = 't', long = "toolchain", value_name = "NAME", value_delimiter = ',', add = complete::toolchains())]
    pub toolchains: Vec<ToolchainName>,
    /// A Debian package that the build needs, such as libevent-dev; may be given more than once
    #[arg(long = "package", value_name = "NAME", value_delimiter = ',')]
    pub packages: Vec<PackageName>,
    /// A label that the agent must have, such as gpu or arch=aarch64; may be given more than once
    #[arg(long = "requires", value_name = "LABEL", value_delimiter = ',')]
    pub requires: Vec<Label>,
    /// The branch or tag to build; default: the repository's default branch
    #[arg(long = "ref", value_name = "REF", conflicts_with = "commit")]
    pub reference: Option<RefName>,
    /// The commit to build, all 40 digits
    #[arg(long)]
    pub commit: Option<CommitId>,
    /// Also run the project's own tests
    #[arg(long)]
    pub test: bool,
    /// Also fetch the submodules that the commit records
    #[arg(long)]
    pub submodules: bool,
    /// Compile everything, without the project's compiler cache
    #[arg(long)]
    pub no_cache: bool,
    /// An environment variable of every step; may be given more than once
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse::pair)]
    pub env: Vec<(String, String)>,
    /// A pattern of files to keep, such as 'build/*.so'; may be given more than once
    #[arg(long = "artifact", value_name = "PATTERN")]
    pub artifacts: Vec<String>,
    /// The project that the build belongs to; default: the one of this repository
    #[arg(long, value_name = "NAME")]
    pub project: Option<ProjectName>,
    /// The queue to wait in; `kiln queue list` names them
    #[arg(long, value_name = "NAME", default_value = "default", hide_default_value = true)]
    pub queue: QueueName,
    /// Higher is earlier, -100 to 100
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true,
        allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-100..=100))]
    pub priority: i32,
    /// How long the steps may run, such as 20m
    #[arg(long, value_name = "TIME", value_parser = parse::seconds)]
    pub timeout: Option<u32>,
    /// How it is followed.
    #[command(flatten)]
    pub follow: FollowArgs,
    /// Print the build's id and do not wait for it
    #[arg(
        long,
        conflicts_with_all = ["follow", "verbose", "download", "cancel_on_interrupt"]
    )]
    pub detach: bool,
    /// A command that takes the place of the steps kiln would find; one argument is shell text, several are one command and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Run a job, or the jobs of a build that did not succeed, again.
#[derive(Debug, Args)]
#[command(after_help = examples::RETRY)]
pub struct RetryArgs {
    /// A build, a job, or BUILD/TOOLCHAIN
    #[arg(value_name = "ID", value_parser = Target::parse_id, add = complete::ids())]
    pub target: Target,
    /// Only these toolchains of the build
    #[arg(short = 't', long = "toolchain", value_name = "NAME", value_delimiter = ',', add = complete::toolchains())]
    pub toolchains: Vec<ToolchainName>,
    /// All of the build, also what succeeded
    #[arg(long, conflicts_with = "toolchains")]
    pub all: bool,
    /// Wait until the build has ended
    #[arg(long)]
    pub wait: bool,
    /// How it is followed.
    #[command(flatten)]
    pub follow: FollowArgs,
}

/// How a build is followed.
#[derive(Clone, Debug, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "a flag on the command line is a bool")]
pub struct FollowArgs {
    /// Print every log line behind the name of its toolchain; in a pipe that is so anyway
    #[arg(short, long, conflicts_with_all = ["verbose", "json"])]
    pub follow: bool,
    /// Print the raw log: of one toolchain the build's bytes and nothing else, all talk goes to the
    /// error output; of several toolchains as --follow does
    #[arg(short, long, conflicts_with = "json")]
    pub verbose: bool,
    /// Download what was kept into DIR/TOOLCHAIN when the build has ended
    #[arg(long, value_name = "DIR")]
    pub download: Option<PathBuf>,
    /// Cancel the build on Ctrl-C, without a question
    #[arg(long)]
    pub cancel_on_interrupt: bool,
    /// Print the build as JSON, and nothing else
    #[arg(long)]
    pub json: bool,
}

impl RetryArgs {
    /// Whether the end is waited for: what needs it asks for it.
    pub(in crate::cli) fn waits(&self) -> bool {
        let follow = &self.follow;
        self.wait
            || follow.follow
            || follow.verbose
            || follow.download.is_some()
            || follow.cancel_on_interrupt
    }
}

impl BuildArgs {
    /// The source, as it was typed.
    pub(in crate::cli) fn place(&self) -> Place<'_> {
        Place { text: &self.url, reference: self.reference.as_ref(), commit: self.commit.as_ref() }
    }

    /// Says what is wrong with what was typed, before anything is sent.
    pub(in crate::cli) fn check(&self) -> Result<(), CliError> {
        parse::variables(&self.env).map(drop)
    }

    /// What is sent to the server.
    pub(in crate::cli) fn submission(
        &self,
        source: SourceSubmission,
    ) -> Result<SubmitBuild, CliError> {
        let env = parse::variables(&self.env)?;
        Ok(SubmitBuild {
            source,
            project: self.project.clone(),
            toolchains: self.toolchains.clone(),
            packages: self.packages.clone(),
            requires: self.requires.clone(),
            steps: command_step(&self.command),
            test: self.test.then_some(true),
            submodules: self.submodules.then_some(true),
            cache: self.no_cache.then_some(false),
            artifacts: ArtifactRules {
                include: self.artifacts.clone(),
                ..ArtifactRules::default()
            },
            env,
            limits: LimitsRequest { wall_seconds: self.timeout, ..LimitsRequest::default() },
            queue: self.queue.clone(),
            priority: self.priority,
            labels: BTreeMap::new(),
        })
    }
}

/// Whether the text can name a repository elsewhere: a URL, or `host:path` as ssh writes it.
pub(in crate::cli) fn is_remote(url: &str) -> bool {
    url.contains("://")
        || url
            .split_once(':')
            .is_some_and(|(host, _)| !host.contains(['/', '.', ' ']) || host.contains('@'))
}

/// The one step of a command that was given after `--`.
fn command_step(words: &[String]) -> Vec<StepSubmission> {
    let name = || "command".parse().expect("a plain word names a step");
    command(words).into_iter().map(|run| StepSubmission { name: name(), run }).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, ClientCommand, Command, commands::Found};

    fn submission(line: &[&str]) -> Result<SubmitBuild, CliError> {
        let line = ["kiln", "build"].iter().chain(line);
        match Cli::try_parse_from(line).unwrap().command {
            Command::Client(ClientCommand::Build(args)) => {
                args.check()?;
                match args.place().find()? {
                    Found::Remote(source) => args.submission(source),
                    Found::Folder(path) => panic!("{} would be sent", path.display()),
                }
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_command_becomes_one_step() {
        for (command, run) in [
            (&["make", "-j4"][..], "make -j4"),
            (&["make && make check"], "make && make check"),
            (&["cc", "-DX=\"a b\"", "it's.c", ""], r#"cc '-DX="a b"' 'it'\''s.c' ''"#),
            (&["sh", "-c", "$(x)"], "sh -c '$(x)'"),
        ] {
            let line: Vec<&str> = ["https://x/y", "--"].iter().chain(command).copied().collect();
            let submission = submission(&line).unwrap();
            assert_eq!(submission.steps.len(), 1);
            assert_eq!(submission.steps[0].name.as_str(), "command");
            assert_eq!(submission.steps[0].run, run);
        }
    }

    #[test]
    fn what_was_not_given_is_not_sent() {
        let json = serde_json::to_value(submission(&["https://x/y"]).unwrap()).unwrap();
        assert_eq!(json["source"], serde_json::json!({"git": {"url": "https://x/y"}}));
        for absent in ["toolchains", "packages", "steps", "test", "submodules", "env", "labels"] {
            assert!(json.get(absent).is_none(), "{absent}");
        }
    }

    #[test]
    fn packages_are_named_one_by_one_or_in_a_list() {
        let line = ["https://x/y", "--package", "zlib1g-dev", "--package", "libuv1-dev,g++"];
        let packages = submission(&line).unwrap().packages;
        let names: Vec<&str> = packages.iter().map(PackageName::as_str).collect();
        assert_eq!(names, ["zlib1g-dev", "libuv1-dev", "g++"]);
        let bad = ["kiln", "build", "https://x/y", "--package", "gcc-"];
        assert!(Cli::try_parse_from(bad).is_err());
    }

    #[test]
    fn what_is_no_source_and_double_variables_are_usage_errors() {
        for url in ["git@host:x/y.git", "host:x", "file:///x", "https://x/y"] {
            assert!(submission(&[url]).is_ok(), "{url}");
        }
        for (line, problem) in [
            (&["./x"][..], "does not exist"),
            (&["/x/y"], "does not exist"),
            (&["x"], "does not exist"),
            (&["Cargo.toml"], "is no folder"),
            (&[".", "--ref", "main"], "--ref is for a repository's URL"),
            (&["--ref", "main"], "--ref is for a repository's URL"),
            (&["https://x", "--env", "A=1", "--env", "A=2"], "given twice"),
        ] {
            let error = submission(line).unwrap_err();
            assert!(matches!(&error, CliError::Usage(text) if text.contains(problem)), "{error}");
        }
    }
}

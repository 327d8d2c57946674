//! The command line as a whole.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use url::{Host, Url};

use crate::{cli::CliError, config::Environment};

use super::{
    AgentArgs, AgentsArgs, ArtifactsArgs, AuditArgs, BuildArgs, BuildsArgs, CancelArgs,
    CompletionsArgs, CredentialArgs, DbArgs, DeleteArgs, HookArgs, ImagesArgs, InitArgs, LogArgs,
    ManArgs, NotifyArgs, PinArgs, ProjectArgs, QueueArgs, RebuildArgs, RefsArgs, RetentionArgs,
    RetryArgs, RunArgs, SecretArgs, ServeArgs, ShowArgs, TokenArgs, ToolchainsArgs, UnpinArgs,
    UnwatchArgs, UsageArgs, WatchArgs, WhoamiArgs,
};

/// Where a server is found unless something else is said: what `kiln serve` listens on.
pub(in crate::cli) const DEFAULT_SERVER: &str = "http://127.0.0.1:8000";

const EXIT_CODES: &str = "\
Exit codes: 0 all is well; 1 a build failed, timed out or was cancelled; 2 the command line or what \
it asks for is wrong; 3 kiln or a machine failed (server unreachable, error outcome); 130 \
interrupted: the build goes on; 141 the reader of the output went away before the build ended.";

/// A self-hosted build farm for C and C++.
#[derive(Debug, Parser)]
#[command(name = "kiln", version, about, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    /// Which server.
    #[command(flatten)]
    pub access: Access,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Which server is asked, and as whom.
#[derive(Clone, Debug, Args)]
pub struct Access {
    /// The server's address.
    #[arg(
        long,
        global = true,
        env = "KILN_SERVER",
        hide_env_values = true,
        value_name = "URL",
        default_value = DEFAULT_SERVER
    )]
    pub server: String,
    /// A file with your token; without one `KILN_TOKEN` counts, and on the server's own machine the
    /// administrator's is found
    #[arg(
        long,
        global = true,
        env = "KILN_TOKEN_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub access_token_file: Option<PathBuf>,
}

impl Access {
    /// The token in the file, if one is named; else that in `KILN_TOKEN`; else, of a server on this
    /// machine, the administrator's, if it can be read.
    pub(in crate::cli) fn token(&self) -> Result<Option<String>, CliError> {
        let Some(path) = &self.access_token_file else {
            let given = std::env::var("KILN_TOKEN").ok().filter(|token| !token.trim().is_empty());
            return Ok(given.map(|token| token.trim().to_owned()).or_else(|| self.own_token()));
        };
        let text = std::fs::read_to_string(path).map_err(|problem| CliError::File {
            what: format!("read the token in {}", path.display()),
            problem,
        })?;
        Ok(Some(text.trim().to_owned()))
    }

    /// The administrator's token of a server that runs here. Only root and the server's user can read
    /// it, and it is sent to this machine only.
    fn own_token(&self) -> Option<String> {
        let url = Url::parse(&self.server).ok()?;
        let is_here = match url.host()? {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(ip) => ip.is_loopback(),
            Host::Ipv6(ip) => ip.is_loopback(),
        };
        if !is_here {
            return None;
        }
        let environment = Environment::of_process();
        let read = |path: PathBuf| {
            let text = std::fs::read_to_string(path).ok()?;
            Some(text.trim().to_owned()).filter(|text| !text.is_empty())
        };
        // A server of this user says where; one of another has it where servers have it.
        let noted = environment.note_of_server(url.port_or_known_default()?);
        let noted = read(noted).and_then(|path| read(path.into()));
        noted.or_else(|| read(environment.data_directory().join("admin-token")))
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server, with its API and one agent in it
    Serve(ServeArgs),
    /// Run an agent that takes jobs from the server
    Agent(AgentArgs),
    /// Build and list the toolchain images of this machine
    Images(ImagesArgs),
    /// Move the server's database
    Db(DbArgs),
    /// The bounded process that fetches sources; started by kiln itself
    #[command(name = "source-helper", hide = true)]
    SourceHelper,
    /// What a client of the server does.
    #[command(flatten)]
    Client(ClientCommand),
}

/// What a client of the server does.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Build the working tree, or a commit of a git repository, and follow it
    Build(BuildArgs),
    /// Run one command in a sandbox on a source, and pass its exit status on
    Run(RunArgs),
    /// Write a .kiln.toml that says how kiln would build a project
    Init(InitArgs),
    /// List builds, the newest first
    Builds(BuildsArgs),
    /// Show a build or a job
    Show(ShowArgs),
    /// Print the log of a job, or of all jobs of a build
    Log(LogArgs),
    /// List, or download, what was kept of a commit, a build or a job
    Artifacts(ArtifactsArgs),
    /// End a build or a job
    Cancel(CancelArgs),
    /// Run a job, or the jobs of a build that did not succeed, again
    Retry(RetryArgs),
    /// Build every watched branch once more, behind everything else
    Rebuild(RebuildArgs),
    /// List the toolchains that builds can ask for
    Toolchains(ToolchainsArgs),
    /// List the agents
    Agents(AgentsArgs),
    /// Name repositories: their builds belong together
    Project(ProjectArgs),
    /// Build new commits of a project by themselves
    Watch(WatchArgs),
    /// Build new commits of a project no longer
    Unwatch(UnwatchArgs),
    /// See the refs of a watched project, and what became of them
    Refs(RefsArgs),
    /// Let a forge tell of pushes and pull requests of a project
    Hook(HookArgs),
    /// Say how the repository of a project is asked
    Credential(CredentialArgs),
    /// Tell a forge, or anybody, how builds of a project go
    Notify(NotifyArgs),
    /// Keep values that builds need and nobody may read back
    Secret(SecretArgs),
    /// Make and steer queues: how many jobs run, whose, and in which order
    Queue(QueueArgs),
    /// Make, list and take back tokens of people and programs
    Token(TokenArgs),
    /// Say who the server takes you for, and what you may do
    Whoami(WhoamiArgs),
    /// Read who changed what
    Audit(AuditArgs),
    /// See and apply the rules of what is kept
    Retention(RetentionArgs),
    /// Keep a build whatever the rules say
    Pin(PinArgs),
    /// Take the pin of a build away
    Unpin(UnpinArgs),
    /// Remove a build with its jobs, logs and artifacts, or its artifacts alone
    Delete(DeleteArgs),
    /// See what builds take, by project
    Usage(UsageArgs),
    /// Print the script that completes kiln's command line in a shell
    Completions(CompletionsArgs),
    /// Print a manual page
    Man(ManArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn good_lines_are_taken_and_bad_ones_refused() {
        let ulid = "01KB0Q6M3V8W2T5XJ4C9ZR7HND";
        let leg = format!("{ulid}/gcc:14");
        let good: &[&[&str]] = &[
            &["serve", "--listen", "127.0.0.1:9000", "--data", "/var/lib/kiln"],
            &["agent", "--server", "http://kiln:8000"],
            &["images", "build", "gcc:12", "gcc:14"],
            &["images", "build", "--all"],
            &["images", "list", "--json"],
            &["source-helper"],
            &["build", "https://x/y.git", "-t", "gcc:14,clang:19", "--ref", "main"],
            &["build", "https://x/y.git", "-t", "gcc:14", "-t", "clang:19", "--detach"],
            &["build", "https://x/y.git", "--test", "--submodules", "--env", "CFLAGS=-O2 -g=3"],
            &["build", "https://x/y.git", "--", "make", "-j", "all"],
            &["--server", "http://x", "builds", "--state", "finished", "--outcome", "failure"],
            &["show", ulid, "--json"],
            &["show", "01kb0q6m3v8w2t5xj4c9zr7hnd"],
            &["log", &leg, "--follow", "--stream", "stderr", "--attempt", "2"],
            &["artifacts", "0123456789abcdef0123456789abcdef01234567", "--download", "out"],
            &["cancel", ulid],
            &["retry", ulid, "-t", "gcc:14", "--follow"],
            &["toolchains", "--json"],
            &["agents"],
            &["completions", "zsh"],
            &["man"],
        ];
        let bad: &[&[&str]] = &[
            &[],
            &["build", "https://x/y.git", "--ref", "a..b"],
            &["build", "https://x/y.git", "--commit", "abc"],
            &["build", "https://x/y", "--ref", "main", "--commit", &"0".repeat(40)],
            &["build", "https://x/y.git", "-t", "GCC"],
            &["build", "https://x/y.git", "--env", "NOVALUE"],
            &["build", "https://x/y.git", "--follow", "--detach"],
            &["build", "https://x/y.git", "--detach", "--download", "out"],
            &["build", "https://x/y.git", "--timeout", "soon"],
            &["builds", "--state", "lost"],
            &["builds", "--limit", "0"],
            &["builds", "--limit", "201"],
            &["show", "1"],
            &["show", "0123456789abcdef0123456789abcdef01234567"],
            &["log", ulid, "--stream", "both"],
            &["log", ulid, "--attempt", "0"],
            &["images", "build", "gcc:14", "--all"],
            &["serve", "--listen", "8000"],
            &["completions", "dos"],
            &["nonsense"],
        ];
        let parse = |line: &[&str]| Cli::try_parse_from(std::iter::once(&"kiln").chain(line));
        for line in good {
            assert!(parse(line).is_ok(), "{line:?}: {}", parse(line).unwrap_err());
        }
        for line in bad {
            assert_eq!(parse(line).map(|_| ()).unwrap_err().exit_code(), 2, "{line:?}");
        }
    }
}

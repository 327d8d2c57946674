//! What can be typed. Values are parsed into the model's types right here, so that a mistake is
//! answered with the rule it breaks before anything is asked of a server.

mod agents;
mod build;
mod command;
mod examples;
mod exec;
mod hook;
mod parse;
mod project;
mod queue;
mod read;
mod retention;
mod secret;
mod server;
mod token;
mod watch;

pub(super) use agents::{AgentsArgs, AgentsCommand, EnrollArgs};
pub(super) use build::{BuildArgs, FollowArgs, RetryArgs, is_remote};
pub(super) use command::DEFAULT_SERVER;
pub use command::{Access, Cli, ClientCommand, Command};
pub(super) use exec::{InitArgs, RunArgs};
pub(super) use hook::{
    CredentialArgs, CredentialCommand, CredentialSetArgs, HookArgs, HookCommand, NotifyAddArgs,
    NotifyArgs, NotifyCommand,
};
pub(super) use project::{ProjectArgs, ProjectCommand};
pub(super) use queue::{QueueArgs, QueueCommand, QueueSetArgs};
pub(super) use read::{
    ArtifactsArgs, BuildsArgs, CancelArgs, CompletionsArgs, LogArgs, ManArgs, ShowArgs,
    ToolchainsArgs,
};
pub(super) use retention::{
    DeleteArgs, PinArgs, ProjectRulesArgs, RetentionArgs, RetentionCommand, UnpinArgs, UsageArgs,
};
pub(super) use secret::{SecretArgs, SecretCommand, SecretSetArgs};
pub use server::{AgentArgs, DbArgs, DbCommand, ImagesArgs, ImagesCommand, ServeArgs};
pub(super) use token::{AuditArgs, TokenArgs, TokenCommand, TokenCreateArgs, WhoamiArgs};
pub(super) use watch::{RebuildArgs, RefsArgs, UnwatchArgs, WatchArgs};

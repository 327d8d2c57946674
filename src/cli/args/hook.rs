//! `kiln hook`, `kiln credential` and `kiln notify`: a project and its forge.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{examples, parse};
use crate::model::{DeliveryId, NoticeId, ProjectName, TargetId, TargetKind};

/// Let a forge tell of pushes and pull requests of a project.
#[derive(Debug, Args)]
#[command(after_help = examples::HOOK)]
pub struct HookArgs {
    /// What to do
    #[command(subcommand)]
    pub command: HookCommand,
}

/// What to do with a webhook.
#[derive(Debug, Subcommand)]
pub enum HookCommand {
    /// Make a webhook, or a new secret for it, and print what the forge has to be told
    #[command(after_help = examples::HOOK)]
    Set {
        /// The project
        project: ProjectName,
        /// Take the secret from this file instead of a new one
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
    },
    /// See what the forge told
    #[command(after_help = examples::HOOK)]
    List {
        /// The project
        project: ProjectName,
        /// Print the API's JSON
        #[arg(long)]
        json: bool,
    },
    /// Do something once more that the forge told
    #[command(after_help = examples::HOOK)]
    Replay {
        /// The project
        project: ProjectName,
        /// The delivery
        delivery: DeliveryId,
    },
    /// Remove the webhook
    #[command(after_help = examples::HOOK)]
    Remove {
        /// The project
        project: ProjectName,
    },
}

/// Say how the repository of a project is asked.
#[derive(Debug, Args)]
#[command(after_help = examples::CREDENTIAL)]
pub struct CredentialArgs {
    /// What to do
    #[command(subcommand)]
    pub command: CredentialCommand,
}

/// What to do with a credential.
#[derive(Debug, Subcommand)]
pub enum CredentialCommand {
    /// Set the token, or with --host-key the private key; it comes on standard input
    #[command(after_help = examples::CREDENTIAL)]
    Set(CredentialSetArgs),
    /// See what there is, without the token or the key
    #[command(after_help = examples::CREDENTIAL)]
    Show {
        /// The project
        project: ProjectName,
    },
    /// Remove it
    #[command(after_help = examples::CREDENTIAL)]
    Remove {
        /// The project
        project: ProjectName,
    },
}

/// Set a credential.
#[derive(Debug, Args)]
pub struct CredentialSetArgs {
    /// The project
    pub project: ProjectName,
    /// The host it is for, with its port if that is not the usual one; it goes to no other
    #[arg(long, value_name = "HOST")]
    pub host: String,
    /// The user; most forges do not mind which
    #[arg(long, value_name = "NAME")]
    pub username: Option<String>,
    /// Read it from this file instead of standard input
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// The host's public key, as ssh-keyscan prints it without the name: it is a private key that is set
    #[arg(long, value_name = "KEY")]
    pub host_key: Option<String>,
    /// Send the token over http, too, where everyone on the way can read it
    #[arg(long, conflicts_with = "host_key")]
    pub plain_http: bool,
}

/// Tell a forge, or anybody, how builds of a project go.
#[derive(Debug, Args)]
#[command(after_help = examples::NOTIFY)]
pub struct NotifyArgs {
    /// What to do
    #[command(subcommand)]
    pub command: NotifyCommand,
}

/// What to do about who is told.
#[derive(Debug, Subcommand)]
pub enum NotifyCommand {
    /// Tell somebody from now on; the token, or the key to sign with, comes on standard input
    #[command(after_help = examples::NOTIFY)]
    Add(NotifyAddArgs),
    /// See who is told
    #[command(after_help = examples::NOTIFY)]
    List {
        /// The project
        project: ProjectName,
        /// Print the API's JSON
        #[arg(long)]
        json: bool,
    },
    /// See what was told, and what could not be
    #[command(after_help = examples::NOTIFY)]
    Log {
        /// The project
        project: ProjectName,
        /// Print the API's JSON
        #[arg(long)]
        json: bool,
    },
    /// Tell something once more, as things are now
    #[command(after_help = examples::NOTIFY)]
    Resend {
        /// The project
        project: ProjectName,
        /// What, as kiln notify log names it
        notice: NoticeId,
    },
    /// Tell somebody no longer
    #[command(after_help = examples::NOTIFY)]
    Remove {
        /// The project
        project: ProjectName,
        /// Who, as kiln notify list names them
        target: TargetId,
    },
}

/// Tell somebody.
#[derive(Debug, Args)]
pub struct NotifyAddArgs {
    /// The project
    pub project: ProjectName,
    /// Commit statuses at github, gitlab or gitea (also Forgejo), or a webhook to any address
    #[arg(value_parser = parse::target_kind)]
    pub whom: TargetKind,
    /// The repository at the forge's API (default: from the project's URL), or where the webhook goes
    #[arg(long, value_name = "URL", required_if_eq("whom", "webhook"))]
    pub url: Option<String>,
    /// Read the token or key from this file instead of standard input
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
}

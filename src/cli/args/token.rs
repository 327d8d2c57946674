//! `kiln token`, `kiln whoami` and `kiln audit`: who may what, and who did what.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{examples, parse};
use crate::model::{AccountName, AuditId, ProjectName, Role};

/// Make, list and take back tokens.
#[derive(Debug, Args)]
#[command(after_help = examples::TOKEN)]
pub struct TokenArgs {
    /// What to do
    #[command(subcommand)]
    pub command: TokenCommand,
}

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token; it is shown once
    Create(TokenCreateArgs),
    /// List the tokens
    #[command(after_help = examples::TOKEN)]
    List {
        /// Print the API's JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a token back: it opens nothing any more
    #[command(after_help = examples::TOKEN)]
    Revoke {
        /// Its id, or OWNER/NAME, as `kiln token list` shows them
        token: String,
    },
}

/// Make a token.
#[derive(Debug, Args)]
#[command(after_help = examples::TOKEN)]
pub struct TokenCreateArgs {
    /// What it is called: where it is used, such as laptop
    pub name: AccountName,
    /// Who acts with it; default: its name
    #[arg(long, value_name = "NAME")]
    pub owner: Option<AccountName>,
    /// What it lets do: read, submit or admin
    #[arg(long, value_parser = parse::role)]
    pub role: Role,
    /// A project that it opens, instead of all; may be given more than once
    #[arg(long = "project", value_name = "NAME", value_delimiter = ',')]
    pub projects: Vec<ProjectName>,
    /// When it ends, such as 24h or 30d; default: in 90 days
    #[arg(long, value_name = "TIME", value_parser = parse::days_or_seconds)]
    pub expires: Option<u64>,
    /// Let it never end
    #[arg(long, conflicts_with = "expires")]
    pub never_expires: bool,
    /// Write the token into a new file that only you can read, instead of printing it
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// Say who you are.
#[derive(Debug, Args)]
#[command(after_help = examples::WHOAMI)]
pub struct WhoamiArgs {
    /// Print the API's JSON
    #[arg(long)]
    pub json: bool,
}

/// Read the audit log.
#[derive(Debug, Args)]
#[command(after_help = examples::AUDIT)]
pub struct AuditArgs {
    /// Only what this one did, such as user:alice
    #[arg(long, value_name = "WHO")]
    pub actor: Option<String>,
    /// How many lines at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub limit: u32,
    /// Where the previous page ended, as it said
    #[arg(long)]
    pub cursor: Option<AuditId>,
    /// Print the API's JSON
    #[arg(long)]
    pub json: bool,
}

//! `kiln agents`: who is there, who takes jobs, who may come in.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{examples, parse};
use crate::model::{EnrollmentId, Label};

/// List the agents, or change what they do.
#[derive(Debug, Args)]
#[command(after_help = examples::AGENTS, args_conflicts_with_subcommands = true)]
pub struct AgentsArgs {
    /// Print the API's JSON
    #[arg(long)]
    pub json: bool,
    /// What to do; without it the agents are listed
    #[command(subcommand)]
    pub command: Option<AgentsCommand>,
}

/// What to do with agents.
#[derive(Debug, Subcommand)]
pub enum AgentsCommand {
    /// List the agents, as without a command
    #[command(after_help = examples::AGENTS)]
    List {
        /// Print the API's JSON
        #[arg(long)]
        json: bool,
    },
    /// Have an agent take no more jobs; what it runs goes on
    #[command(after_help = examples::AGENTS)]
    Hold {
        /// The agent's name or id
        agent: String,
        /// Why, shown with the agent
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Have an agent finish what it runs and take no more jobs
    #[command(after_help = examples::AGENTS)]
    Drain {
        /// The agent's name or id
        agent: String,
        /// Why, shown with the agent
        #[arg(long, default_value = "")]
        reason: String,
        /// Wait until it has no jobs
        #[arg(long)]
        wait: bool,
    },
    /// Have an agent take jobs again
    #[command(after_help = examples::AGENTS)]
    Resume {
        /// The agent's name or id
        agent: String,
    },
    /// Forget an agent: its token counts no more
    #[command(after_help = examples::AGENTS)]
    Remove {
        /// The agent's name or id
        agent: String,
        /// Also if it runs jobs: they are tried again elsewhere
        #[arg(long)]
        force: bool,
    },
    /// Make a token that lets an agent of another machine in
    Enroll(EnrollArgs),
    /// List enrollment tokens
    #[command(after_help = examples::AGENTS)]
    Enrollments {
        /// Print the API's JSON
        #[arg(long)]
        json: bool,
    },
    /// Take an enrollment token back
    #[command(after_help = examples::AGENTS)]
    Revoke {
        /// Its id, as `kiln agents enrollments` lists it
        id: EnrollmentId,
    },
}

/// Make an enrollment token.
#[derive(Debug, Args)]
#[command(after_help = examples::ENROLL)]
pub struct EnrollArgs {
    /// How many agents it lets in; default: one
    #[arg(long, value_name = "COUNT", conflicts_with = "unlimited",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub uses: Option<u32>,
    /// Let in any number of agents, as a cluster's machines need
    #[arg(long)]
    pub unlimited: bool,
    /// When it ends, such as 20m, 24h; default: in an hour
    #[arg(long, value_name = "TIME", value_parser = parse::seconds)]
    pub expires: Option<u32>,
    /// A label that its agents get and cannot drop; may be given more than once
    #[arg(long = "label", value_name = "LABEL", value_delimiter = ',')]
    pub labels: Vec<Label>,
    /// What the names of its agents have to begin with
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub name_prefix: String,
    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub note: String,
    /// Write the token into a new file that only you can read, instead of printing it
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

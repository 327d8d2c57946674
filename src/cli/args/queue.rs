//! `kiln queue`: where jobs wait, and how many of them run.

use std::str::FromStr;

use clap::{Args, Subcommand};

use super::examples;
use crate::{
    model::{Label, QueueName},
    protocol::QueueRules,
};

/// List, make, change, pause or remove queues.
#[derive(Debug, Args)]
#[command(after_help = examples::QUEUE)]
pub struct QueueArgs {
    /// What to do
    #[command(subcommand)]
    pub command: QueueCommand,
}

/// What to do with queues.
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// List the queues, with what waits and runs in them
    #[command(after_help = examples::QUEUE)]
    List {
        /// Print the API's JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a queue, or change what is given of one that is there
    Set(QueueSetArgs),
    /// Show a queue
    #[command(after_help = examples::QUEUE)]
    Show {
        /// Its name
        name: QueueName,
        /// Print the API's JSON
        #[arg(long)]
        json: bool,
    },
    /// Have a queue give out no jobs; what runs goes on
    #[command(after_help = examples::QUEUE)]
    Pause {
        /// Its name
        name: QueueName,
        /// Why, shown with every job that waits for it
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Have a queue give out jobs again
    #[command(after_help = examples::QUEUE)]
    Resume {
        /// Its name
        name: QueueName,
    },
    /// Remove a queue in which nothing waits or runs
    #[command(after_help = examples::QUEUE)]
    Remove {
        /// Its name
        name: QueueName,
    },
}

/// Make a queue, or change what is given of one that is there.
#[derive(Debug, Args)]
#[command(after_help = examples::QUEUE)]
pub struct QueueSetArgs {
    /// Its name
    pub name: QueueName,
    /// Added to the priority of its jobs, -100 to 100
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(-100..=100))]
    pub priority: Option<i32>,
    /// How many of its jobs run at one time, or none for no limit
    #[arg(long, value_name = "COUNT|none")]
    pub concurrency: Option<Limit>,
    /// How many jobs of one project run at one time, or none
    #[arg(long, value_name = "COUNT|none")]
    pub per_project: Option<Limit>,
    /// How many jobs of one user run at one time, or none
    #[arg(long, value_name = "COUNT|none")]
    pub per_user: Option<Limit>,
    /// How many jobs may wait before builds are refused, or none
    #[arg(long, value_name = "COUNT|none")]
    pub max_waiting: Option<Limit>,
    /// A label that an agent must have; may be given more than once
    #[arg(
        long = "requires",
        value_name = "LABEL",
        value_delimiter = ',',
        conflicts_with = "requires_nothing"
    )]
    pub requires: Vec<Label>,
    /// Have any agent take its jobs
    #[arg(long)]
    pub requires_nothing: bool,
}

/// A limit as it is typed: a number, or `none`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit(pub Option<u32>);

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("none", _) => Ok(Self(None)),
            (_, Ok(0)) => Err("write 1 or more, or none; to run nothing, pause the queue".into()),
            (_, Ok(count)) => Ok(Self(Some(count))),
            _ => Err("write a number such as 4, or none for no limit".to_owned()),
        }
    }
}

impl QueueSetArgs {
    /// The rules with what was given in the place of what they say.
    pub(in crate::cli) fn over(&self, rules: QueueRules) -> QueueRules {
        let limit = |given: Option<Limit>, before| given.map_or(before, |limit| limit.0);
        QueueRules {
            priority: self.priority.unwrap_or(rules.priority),
            concurrency: limit(self.concurrency, rules.concurrency),
            per_project: limit(self.per_project, rules.per_project),
            per_user: limit(self.per_user, rules.per_user),
            max_waiting: limit(self.max_waiting, rules.max_waiting),
            requires: if self.requires_nothing || !self.requires.is_empty() {
                self.requires.iter().cloned().collect()
            } else {
                rules.requires
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, ClientCommand, Command};

    fn over(line: &[&str], rules: QueueRules) -> QueueRules {
        let line = ["kiln", "queue", "set", "nightly"].iter().chain(line);
        match Cli::try_parse_from(line).unwrap().command {
            Command::Client(ClientCommand::Queue(QueueArgs {
                command: QueueCommand::Set(args),
            })) => args.over(rules),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_what_is_given_changes() {
        let label = |text: &str| text.parse::<Label>().unwrap();
        let before = QueueRules {
            priority: 3,
            concurrency: Some(2),
            per_user: Some(1),
            requires: [label("gpu")].into(),
            ..QueueRules::default()
        };
        assert_eq!(over(&[], before.clone()), before);
        let line = &["--priority", "-5", "--concurrency", "none", "--requires", "a,b=c"];
        let after = QueueRules {
            priority: -5,
            concurrency: None,
            requires: [label("a"), label("b=c")].into(),
            ..before.clone()
        };
        assert_eq!(over(line, before.clone()), after);
        assert!(over(&["--requires-nothing"], before).requires.is_empty());
    }

    #[test]
    fn a_limit_is_a_number_or_none() {
        assert_eq!("none".parse(), Ok(Limit(None)));
        assert_eq!("4".parse(), Ok(Limit(Some(4))));
        for bad in ["0", "-1", "", "many", "4294967296", "1.5"] {
            assert!(bad.parse::<Limit>().is_err(), "{bad:?}");
        }
    }
}

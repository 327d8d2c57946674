//! Queues: where jobs wait, how many of them run, and why none does.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::{Label, QueueName, Timestamp};

/// `PUT /api/v1/queues/{queue}`: what a queue is to be. What is not given is as in a new one.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QueueRules {
    /// Added to the priority of its jobs, between -100 and 100. A job goes before those whose sum is
    /// lower, until they have waited a minute longer for each step between (see the setting
    /// `server.aging_seconds`).
    #[schema(minimum = -100, maximum = 100)]
    pub priority: i32,
    /// How many of its jobs run at one time; any number if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub concurrency: Option<u32>,
    /// How many jobs of one project run at one time; any number if not given. Builds that belong to
    /// no project count by their repository, uploads by who sent them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub per_project: Option<u32>,
    /// How many jobs of one user run at one time; any number if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub per_user: Option<u32>,
    /// How many jobs may wait before submissions are refused with 429; any number if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub max_waiting: Option<u32>,
    /// Labels that an agent must have to take its jobs, beside those that the jobs require.
    #[schema(max_items = 32)]
    pub requires: BTreeSet<Label>,
}

/// A queue.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct QueueView {
    /// Its name.
    pub name: QueueName,
    /// What it does with jobs.
    pub rules: QueueRules,
    /// Why no job of it is given out; not there if they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<QueuePause>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Jobs that wait, plans included.
    pub waiting: u64,
    /// Jobs that run; plans are not counted, since no limit concerns them.
    pub running: u64,
    /// Since when the one that has waited longest waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_waiting_since: Option<Timestamp>,
}

/// Why a queue gives out no jobs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct QueuePause {
    /// Why, for people.
    pub reason: String,
    /// Who said so.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
}

/// `POST /api/v1/queues/{queue}/pause`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PauseRequest {
    /// Why, for people: it stands at every job that waits for it.
    pub reason: String,
}

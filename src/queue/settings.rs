//! The rules the queue goes by.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    config::AllowedPackages,
    disk::Space,
    model::{Limits, ToolchainName, nearest},
};

/// How long an agent keeps a job without being heard of: three missed renewals.
const LEASE: Duration = Duration::from_secs(30);

/// How long a job may wait. A day: a build that nobody could run by then is stale.
const QUEUE_TIME: Duration = Duration::from_hours(24);

/// The longest a claim or a renewal is held open; under the lease and under what proxies allow.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// An agent that was silent for longer is shown as offline: two long polls and a margin.
const ONLINE: Duration = Duration::from_secs(45);

/// How much longer a job waits behind those of the next higher priority. A minute: priorities of a few
/// steps count among builds of minutes, and the widest range of them for some hours.
const AGING: Duration = Duration::from_mins(1);

/// The rules the queue goes by.
#[derive(Clone, Debug)]
pub struct QueueSettings {
    /// How long a claim or renewal gives an agent.
    pub lease: Duration,
    /// How long a job may wait.
    pub queue_time: Duration,
    /// The longest a claim or a renewal is held open.
    pub longest_wait: Duration,
    /// How long after its last sign an agent counts as online.
    pub online: Duration,
    /// The head start of each step of priority: see `turns`.
    pub aging: Duration,
    /// The space without which nothing is taken.
    pub space: Space,
    /// The toolchains that can be asked for.
    pub toolchains: BTreeSet<ToolchainName>,
    /// What is built with when nobody says.
    pub default_toolchains: Vec<ToolchainName>,
    /// The packages that builds may ask for.
    pub packages: AllowedPackages,
    /// A job's bounds when nobody says.
    pub limits: Limits,
    /// The most that may be asked for.
    pub limits_maximum: Limits,
}

impl QueueSettings {
    /// The usual times, with these toolchains and bounds, and all packages.
    pub fn new(
        toolchains: BTreeSet<ToolchainName>,
        default_toolchains: Vec<ToolchainName>,
        limits: Limits,
        limits_maximum: Limits,
    ) -> Self {
        Self {
            lease: LEASE,
            space: Space::unlimited(),
            queue_time: QUEUE_TIME,
            longest_wait: LONGEST_WAIT,
            online: ONLINE,
            aging: AGING,
            toolchains,
            default_toolchains,
            packages: AllowedPackages::All,
            limits,
            limits_maximum,
        }
    }

    /// The first of these toolchains that does not exist, as a sentence with those that do.
    pub fn unknown_toolchain(&self, asked: &[ToolchainName]) -> Option<String> {
        let unknown = asked.iter().find(|name| !self.toolchains.contains(*name))?;
        let there: Vec<_> = self.toolchains.iter().map(ToolchainName::as_str).collect();
        let meant = nearest(unknown.as_str(), there.iter().copied());
        let meant = meant.map_or_else(String::new, |meant| format!(" (did you mean {meant}?)"));
        Some(format!("there is no toolchain {unknown}{meant}; there are: {}", there.join(", ")))
    }
}

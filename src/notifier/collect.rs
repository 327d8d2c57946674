//! From events to what is to be told.

use std::collections::{HashMap, hash_map::Entry};

use super::{Notifier, NotifyError};
use crate::{
    model::{BuildId, Outcome, ProjectId, Revision, TargetKind},
    protocol::{BuildState, EventKind},
    store::{BuildRow, TargetRow, Tx},
};

/// Events that are read in one go.
const READ: u32 = 500;

/// What of a commit is told under no toolchain's name: that it could not be planned.
pub(super) const PLAN: &str = "plan";

/// What builds and targets were read for one go.
#[derive(Default)]
struct Known {
    builds: HashMap<BuildId, Option<BuildRow>>,
    targets: HashMap<ProjectId, Vec<TargetRow>>,
}

impl Notifier {
    /// Writes down what is to be told of what has happened.
    pub(super) async fn collect(&self) -> Result<(), NotifyError> {
        let mut known = Known::default();
        // Who is not behind writes nothing.
        while self.store.is_behind_on_notices().await? {
            let now = self.queue.time().await?;
            let mut tx = self.store.begin().await?;
            let after = self.store.noticed(&mut tx).await?;
            let (oldest, newest) = self.store.event_bounds().await?;
            let events = self.store.events_after(after, READ).await?;
            if oldest > after + 1 && after < newest {
                tracing::warn!(after, oldest, "events were forgotten before they could be told");
            }
            let last = events.last().map_or(newest, |event| event.id);
            for event in events {
                for (target, subject, what) in self.due(&mut tx, &mut known, &event.kind).await? {
                    self.store.put_notice(&mut tx, &target, (&subject, what), now).await?;
                }
            }
            self.store.set_noticed(&mut tx, last).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Who is told of an event, under which name.
    async fn due(
        &self,
        tx: &mut Tx,
        known: &mut Known,
        event: &EventKind,
    ) -> Result<Vec<(TargetRow, String, &'static str)>, NotifyError> {
        let id = event.build();
        let build = match known.builds.entry(id) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(free) => free.insert(self.store.build_in(tx, id).await?),
        };
        let Some(build) = build else { return Ok(Vec::new()) };
        let Some(project) = build.project else { return Ok(Vec::new()) };
        let targets = match known.targets.entry(project) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(free) => free.insert(self.store.targets(tx, project).await?),
        };
        let (subject, what, is_webhook) = match (event, &build.commit) {
            (EventKind::Build { state: BuildState::Finished, .. }, _) => {
                (id.to_string(), "build.finished", true)
            }
            (EventKind::Job { toolchain: Some(toolchain), .. }, Revision::Commit(commit)) => {
                (format!("{commit}/{toolchain}"), "status", false)
            }
            (
                EventKind::Job { toolchain: None, outcome: Some(outcome), .. },
                Revision::Commit(commit),
            ) if *outcome != Outcome::Success => (format!("{commit}/{PLAN}"), "status", false),
            _ => return Ok(Vec::new()),
        };
        let targets = targets.iter().filter(|one| (one.kind == TargetKind::Webhook) == is_webhook);
        Ok(targets.map(|target| (target.clone(), subject.clone(), what)).collect())
    }
}

//! From events to what is to be told.

use std::collections::{HashMap, hash_map::Entry};

use super::{Notifier, NotifyError, subject::Subject};
use crate::{
    model::{BuildId, Outcome, ProjectId, Revision, TargetKind},
    protocol::{BuildState, EventKind},
    store::{BuildRow, TargetRow, Tx},
};

/// Events that are read in one go.
const READ: u32 = 500;

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
                for (target, subject) in self.due(&mut tx, &mut known, &event.kind).await? {
                    let told = (&*subject.to_string(), subject.event());
                    self.store.put_notice(&mut tx, &target, told, now).await?;
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
    ) -> Result<Vec<(TargetRow, Subject)>, NotifyError> {
        let Some(id) = event.build() else { return Ok(Vec::new()) };
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
        let subject = match (event, &build.commit) {
            (EventKind::Build { state: BuildState::Finished, .. }, _) => Subject::Build(id),
            (EventKind::Job { toolchain: Some(toolchain), .. }, Revision::Commit(commit)) => {
                Subject::Commit(commit.clone(), Some(toolchain.clone()))
            }
            (
                EventKind::Job { toolchain: None, outcome: Some(outcome), .. },
                Revision::Commit(commit),
            ) if *outcome != Outcome::Success => Subject::Commit(commit.clone(), None),
            _ => return Ok(Vec::new()),
        };
        let is_webhook = matches!(subject, Subject::Build(_));
        let targets = targets.iter().filter(|one| (one.kind == TargetKind::Webhook) == is_webhook);
        Ok(targets.map(|target| (target.clone(), subject.clone())).collect())
    }
}

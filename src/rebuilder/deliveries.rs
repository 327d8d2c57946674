//! What forges say: written down first, then done. A push only has the repository looked at at once, so
//! that a delivery that is late, twice, or of another repository does no harm; a pull request is
//! submitted from what the delivery says, since no list of branches has it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{
    RebuildError, Rebuilder,
    look::{Sighting, Watched},
};
use crate::{
    forge::{ChangeEvent, Envelope, Event, PushEvent},
    model::{BuildId, DeliveryId, ProjectId},
    store::{DeliveryRow, ProjectRow},
};

/// How often a delivery is tried: with the pauses between, for more than an hour.
const MAX_ATTEMPTS: u32 = 12;
/// The longest pause between two tries.
const LONGEST: Duration = Duration::from_hours(1);

/// What became of a delivery, as far as that is known at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// Its number here.
    pub id: DeliveryId,
    /// Whether the same came before.
    pub is_repeated: bool,
    /// What became of it.
    pub outcome: String,
}

/// What is to be done about a delivery.
enum Todo {
    /// Nothing, for this reason.
    Nothing(String),
    /// The repository is looked at.
    Look(String),
    /// A pull request is to be seen to.
    Request(ChangeEvent),
}

impl Rebuilder {
    /// Takes a delivery whose signature was found good.
    pub async fn receive(
        &self,
        project: &ProjectRow,
        envelope: &Envelope,
        body: &[u8],
    ) -> Result<Receipt, RebuildError> {
        let event = envelope.event(body);
        let now = self.queue.time().await?;
        let todo = match &event {
            Ok(event) => self.todo(project.id, event.clone()).await?,
            Err(error) => Todo::Nothing(error.to_string()),
        };
        let outcome = match &todo {
            Todo::Nothing(why) => Some(why.clone()),
            Todo::Look(what) => Some(what.clone()),
            Todo::Request(_) => None,
        };
        let row = DeliveryRow {
            id: DeliveryId::new(now),
            project: project.id,
            forge: envelope.forge,
            event: short(&envelope.event),
            // One that is no id is as good as none.
            forge_id: envelope.delivery.clone().filter(|id| id.len() <= 120 && *id == short(id)),
            received_at: now,
            due_at: outcome.is_none().then_some(now),
            outcome,
            build: None,
            attempts: 0,
        };
        let store = &self.store;
        let mut tx = store.begin().await?;
        let known = store.insert_delivery(&mut tx, &row, body).await?;
        if known.is_none() && matches!(todo, Todo::Look(_)) {
            store.hurry_watch(&mut tx, project.id, now).await?;
        }
        store.tell_of_project(&mut tx, now, project.id).await?;
        tx.commit().await?;
        tracing::info!(
            project.id = %project.id, forge = row.forge.as_str(), event = row.event, delivery.id = %row.id,
            outcome = row.outcome, "a delivery came in"
        );
        self.wake.notify_one();
        event?;
        Ok(match known {
            Some(id) => Receipt {
                id,
                is_repeated: true,
                outcome: "this delivery came before, and is not done twice".to_owned(),
            },
            None => Receipt {
                id: row.id,
                is_repeated: false,
                outcome: row.outcome.unwrap_or_else(|| "the pull request is looked at".to_owned()),
            },
        })
    }

    /// Does a delivery once more, as if it came now; nothing if there is no such delivery.
    pub async fn replay(
        &self,
        project: ProjectId,
        id: DeliveryId,
    ) -> Result<Option<DeliveryRow>, RebuildError> {
        let now = self.queue.time().await?;
        let mut tx = self.store.begin().await?;
        let row = self.store.replay_delivery(&mut tx, (project, id), now).await?;
        tx.commit().await?;
        self.wake.notify_one();
        Ok(row)
    }

    async fn todo(&self, project: ProjectId, event: Event) -> Result<Todo, RebuildError> {
        let watch = self.store.watch(project).await?;
        let unwatched = || Todo::Nothing("the project is not watched".to_owned());
        Ok(match (event, watch) {
            (Event::Ping, _) => {
                Todo::Nothing("the forge and this server understand each other".to_owned())
            }
            (Event::Ignored(why), _) => Todo::Nothing(why),
            (Event::Push(_) | Event::Change(_), None) => unwatched(),
            (Event::Push(PushEvent { reference, .. }), Some(row)) => {
                if row.rules.watches(&reference) {
                    Todo::Look("the repository is looked at".to_owned())
                } else {
                    Todo::Nothing(format!("{} is not watched", short(&reference)))
                }
            }
            (Event::Change(change), Some(_)) => Todo::Request(change),
        })
    }

    /// Does one delivery, and writes what became of it.
    pub(super) async fn deliver(&self, row: DeliveryRow, stop: &CancellationToken) {
        let done = tokio::select! {
            () = stop.cancelled() => return,
            done = self.done(&row, stop) => done,
        };
        let (outcome, build, again) = match done {
            Ok((outcome, build)) => (outcome, build, false),
            Err(error) if row.attempts < MAX_ATTEMPTS => {
                (format!("it could not be done yet: {error}"), None, true)
            }
            Err(error) => (format!("it could not be done: {error}"), None, false),
        };
        let written = async {
            let now = self.queue.time().await?;
            let pause = Duration::from_secs(1).saturating_mul(2_u32.saturating_pow(row.attempts));
            let due = again.then(|| now.plus(pause.min(LONGEST)));
            let mut tx = self.store.begin().await?;
            self.store.end_delivery(&mut tx, &row, (&outcome, build), due).await?;
            self.store.tell_of_project(&mut tx, now, row.project).await?;
            tx.commit().await?;
            Ok::<(), RebuildError>(())
        };
        if let Err(error) = written.await {
            // Its time comes again when the one it was taken for is over.
            tracing::error!(delivery.id = %row.id, %error, "what became of a delivery could not be written");
        }
    }

    async fn done(
        &self,
        row: &DeliveryRow,
        stop: &CancellationToken,
    ) -> Result<(String, Option<BuildId>), RebuildError> {
        let gone = || ("the project is gone".to_owned(), None);
        let Some(body) = self.store.delivery_body(row.id).await? else { return Ok(gone()) };
        let (forge, event) = (row.forge, row.event.clone());
        let envelope = Envelope { forge, event, delivery: None, signature: None };
        let event = match envelope.event(&body) {
            Ok(event) => event,
            Err(error) => return Ok((error.to_string(), None)),
        };
        let change = match self.todo(row.project, event).await? {
            Todo::Nothing(why) => return Ok((why, None)),
            Todo::Look(what) => {
                self.check(row.project).await?;
                return Ok((what, None));
            }
            Todo::Request(change) => change,
        };
        let Some(watched) = self.watched(row.project).await? else { return Ok(gone()) };
        let _turn = self.turn_of(row.project).await;
        let _places = self.places_for(&watched.url).await?;
        self.request(&watched, change, stop).await
    }

    async fn request(
        &self,
        watched: &Watched,
        change: ChangeEvent,
        stop: &CancellationToken,
    ) -> Result<(String, Option<BuildId>), RebuildError> {
        let heads = self.store.heads(watched.project.id).await?;
        let before = heads.into_iter().find(|head| head.name == change.reference);
        let before = before.and_then(|head| head.commit);
        let sighting = Sighting {
            name: change.reference,
            commit: Some(change.commit),
            before,
            is_first_look: false,
            is_default: false,
            request: Some((change.target, change.is_fork)),
        };
        let head = self.notice(watched, &sighting, stop).await?;
        let outcome = match (&head.build, &head.skipped) {
            (Some(_), None) => "it is built".to_owned(),
            (_, Some(why)) => format!("it is not built: {why}"),
            (None, None) => "it is not built".to_owned(),
        };
        Ok((outcome, head.build))
    }
}

/// Text of a stranger, short enough for a table.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

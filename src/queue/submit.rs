//! Submitting a build: the row, its plan, and the key that makes sending it twice harmless.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{
    Queue, QueueError,
    change::Change,
    queues::{PRIORITIES, unknown},
    trust::distrust,
};
use crate::{
    meters,
    model::{BuildId, JobId, Principal, ProjectId, QueueName, Revision, Scope, WatchRules},
    protocol::{
        BuildSource, BuildState, EventKind, JobKind, SourceSubmission, SubmitBuild, Trigger,
    },
    store::{JobOwner, NewBuild, NewJob},
};

/// Labels of a build, and the bytes of one.
const MAX_LABELS: usize = 32;
const MAX_LABEL_BYTES: usize = 256;

/// How long an upload is kept at least from when a build refers to it: until a sweep that looked for
/// builds before this one came has ended.
const UPLOAD_USED: Duration = Duration::from_hours(1);

/// A submission whose ref has been resolved.
#[derive(Debug)]
pub struct Submission {
    /// Who asks.
    pub principal: Principal,
    /// What was sent.
    pub request: SubmitBuild,
    /// Where the source is, normalized.
    pub source: BuildSource,
    /// What is built: the commit that the ref stands for, or the uploaded tree.
    pub commit: Revision,
    /// The project it belongs to.
    pub project: Option<ProjectId>,
    /// The full name of the ref that was resolved.
    pub resolved_ref: Option<String>,
    /// Why it is built.
    pub trigger: Trigger,
    /// The idempotency key, if one was given.
    pub key: Option<String>,
}

impl Queue {
    /// Whether a submission can be accepted at all; asked before the ref is resolved.
    pub fn check(&self, request: &SubmitBuild) -> Result<(), QueueError> {
        let recipe = request.recipe();
        recipe.validate().map_err(|error| QueueError::Invalid(error.to_string()))?;
        let limits = self.settings.limits.with(&recipe.limits, &self.settings.limits_maximum);
        limits.map_err(|error| QueueError::Invalid(error.to_string()))?;
        if let Some(sentence) = self.settings.unknown_toolchain(&request.toolchains) {
            return Err(QueueError::Invalid(sentence));
        }
        if let Some(sentence) = self.settings.packages.refusal(&request.packages) {
            return Err(QueueError::Invalid(sentence));
        }
        if !PRIORITIES.contains(&request.priority) {
            return Err(QueueError::Invalid("priority must be between -100 and 100".to_owned()));
        }
        if let SourceSubmission::Upload(upload) = &request.source
            && let Some(describe) = upload.base.as_ref().and_then(|base| base.describe.as_ref())
            && (describe.len() > MAX_LABEL_BYTES || describe.contains(char::is_control))
        {
            let sentence = format!("describe: at most {MAX_LABEL_BYTES} bytes on one line");
            return Err(QueueError::Invalid(sentence));
        }
        let long = |text: &str| text.len() > MAX_LABEL_BYTES || text.contains('\0');
        if request.labels.len() > MAX_LABELS
            || request.labels.iter().any(|(name, value)| long(name) || long(value))
        {
            let sentence = format!(
                "labels: at most {MAX_LABELS}, each name and value at most {MAX_LABEL_BYTES} bytes"
            );
            return Err(QueueError::Invalid(sentence));
        }
        Ok(())
    }

    /// Whether the queue that a submission names is there; asked before the ref is resolved.
    pub async fn check_queue(&self, request: &SubmitBuild) -> Result<(), QueueError> {
        self.check_queue_named(&request.queue).await
    }

    /// Whether builds by these rules could be submitted.
    pub async fn check_watch(&self, rules: &WatchRules) -> Result<(), QueueError> {
        if let Some(sentence) = self.settings.unknown_toolchain(&rules.toolchains) {
            return Err(QueueError::Invalid(sentence));
        }
        self.check_queue_named(&rules.queue).await
    }

    async fn check_queue_named(&self, name: &QueueName) -> Result<(), QueueError> {
        let mut tx = self.store.snapshot().await?;
        if self.store.queue(&mut tx, name).await?.is_some() {
            return Ok(());
        }
        let queues = self.store.queues(&mut tx).await?;
        Err(QueueError::Invalid(unknown(name, &queues)))
    }

    /// Enters the queue of a submission, if there is room. Where it is counted what waits, one
    /// submission comes after the other.
    async fn enter_queue(
        &self,
        change: &mut Change<'_>,
        request: &SubmitBuild,
    ) -> Result<(), QueueError> {
        let name = &request.queue;
        let row = self.store.queue(&mut change.tx, name).await?;
        if row.is_some_and(|row| row.rules.max_waiting.is_some()) {
            self.store.lock_queue(&mut change.tx, name).await?;
        }
        let row = change.used_queue(name).await?;
        let Some(most) = row.rules.max_waiting else { return Ok(()) };
        let waiting = self.store.waiting_in(&mut change.tx, name, most).await?;
        if waiting < u64::from(most) {
            return Ok(());
        }
        Err(QueueError::Full(format!(
            "the queue {name} is full: {waiting} jobs wait in it, which is the most that may; try \
             again when some have run"
        )))
    }

    /// The build that an idempotency key has made before, if it was made by the same request.
    pub async fn replay(
        &self,
        principal: &Principal,
        key: &str,
        request: &SubmitBuild,
    ) -> Result<Option<BuildId>, QueueError> {
        let mut change = self.change().await?;
        let found = self.store.idempotent_build(&mut change.tx, &principal.as_key(), key).await?;
        same_request(found, request)
    }

    /// The project that a build of this source belongs to: the one that is named, else the one whose
    /// repository it is. Only what lies in the scope may be built.
    pub async fn project_for(
        &self,
        scope: &Scope,
        request: &SubmitBuild,
        source: &BuildSource,
    ) -> Result<Option<ProjectId>, QueueError> {
        let found = match (&request.project, source) {
            (Some(name), _) => {
                let row = self.store.project_named(name).await?;
                let row = row.filter(|row| scope.has(Some(row.id)));
                Some(row.ok_or_else(|| QueueError::not_found("project", name))?)
            }
            (None, BuildSource::Git(git)) => self.store.project_of_url(&git.url).await?,
            (None, BuildSource::Upload(_)) => None,
        };
        if let (Some(row), BuildSource::Git(git)) = (&found, source)
            && row.url.as_ref() != Some(&git.url)
        {
            let sentence = match &row.url {
                Some(url) => format!("the project {} is {url}, not {}", row.name, git.url),
                None => format!("the project {} has no repository: it takes uploads", row.name),
            };
            return Err(QueueError::Invalid(sentence));
        }
        let project = found.map(|row| row.id);
        if scope.has(project) {
            return Ok(project);
        }
        Err(QueueError::Forbidden(
            "this token is for some projects only, and this source belongs to none of them: name \
             the project, or ask an administrator to add it"
                .to_owned(),
        ))
    }

    /// Writes a build and its plan; answers the build that is there for the key, if there is one.
    pub async fn submit(&self, submission: Submission) -> Result<BuildId, QueueError> {
        let Submission { principal, request, source, commit, project, resolved_ref, trigger, key } =
            submission;
        self.check(&request)?;
        let mut change = self.change().await?;
        let now = change.now;
        let distrust = distrust(&principal, &request, &source, resolved_ref.as_deref());
        let build = NewBuild {
            id: BuildId::new(now),
            project,
            resolved_ref,
            created_by: principal.as_key(),
            created_at: now,
            trigger,
            source,
            commit,
            submission: request.recipe(),
            distrust,
            queue: request.queue.clone(),
            priority: request.priority,
            labels: request.labels.clone(),
        };
        if let Some(key) = &key {
            let owner = principal.as_key();
            let hash = body_hash(&request);
            let tx = &mut change.tx;
            let is_new =
                self.store.insert_idempotency_key(tx, &owner, key, &hash, build.id, now).await?;
            if !is_new {
                let found = self.store.idempotent_build(tx, &owner, key).await?;
                let found = same_request(found, &request)?;
                // Forgotten in the moment between the two: whoever sends it again makes a new one.
                return found.ok_or_else(|| QueueError::not_found("build of this key", key));
            }
        }
        self.enter_queue(&mut change, &request).await?;
        if let BuildSource::Upload(upload) = &build.source {
            // In the transaction that makes the build refer to it: a sweep comes before or after.
            let tx = &mut change.tx;
            let who = (&upload.upload, &*build.created_by);
            if !self.store.use_upload(tx, who, now.plus(UPLOAD_USED)).await? {
                return Err(QueueError::not_found("upload", &upload.upload));
            }
        }
        let plan = NewJob {
            id: JobId::new(now),
            build: build.id,
            owner: JobOwner::of(build.project, &build.source, &build.created_by),
            kind: JobKind::Plan,
            toolchain: None,
            leg: 0,
            recipe: build.submission.clone(),
            limits: self.settings.limits.clone(),
            own_recipe: false,
            retry_of: None,
            queue: build.queue.clone(),
            priority: build.priority,
            created_at: now,
        };
        self.store.insert_build(&mut change.tx, &build).await?;
        let event =
            EventKind::Build { build: build.id, state: BuildState::Planning, outcome: None };
        change.tell(event);
        change.insert_job(&plan).await?;
        change.commit().await?;
        meters::submitted();
        tracing::info!(build.id = %build.id, build.commit = %build.commit, "build submitted");
        Ok(build.id)
    }
}

fn same_request(
    found: Option<(String, BuildId)>,
    request: &SubmitBuild,
) -> Result<Option<BuildId>, QueueError> {
    match found {
        Some((hash, _)) if hash != body_hash(request) => Err(QueueError::Conflict(
            "this Idempotency-Key was used for another request: use a new one".to_owned(),
        )),
        found => Ok(found.map(|(_, id)| id)),
    }
}

fn body_hash(request: &SubmitBuild) -> String {
    let text = serde_json::to_vec(request).expect("a request that was parsed serializes");
    hex::encode(Sha256::digest(&text))
}

//! One look at one project: its refs as they are against how they were, and what follows.

use std::collections::BTreeMap;

use crate::{
    model::{BuildId, CancelReason, CommitId, Noticed, Principal, WatchDecision},
    protocol::{BuildSource, GitSource, GitSubmission, SourceSubmission, SubmitBuild, Trigger},
    queue::{QueueError, Submission},
    source::{GitUrl, SourceError},
    store::{HeadRow, ProjectRow, StoreError, WatchRow},
};

/// A look could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The repository did not answer.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The queue did not take a build.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is nothing to look at.
    #[error("the project has no repository: it takes uploads")]
    NoRepository,
    /// It is the end.
    #[error("the server stops")]
    Stopping(#[from] tokio::sync::AcquireError),
}

impl super::Rebuilder {
    /// Submits what the rules say of the refs that are not where they were.
    pub(super) async fn look(
        &self,
        row: &WatchRow,
        project: &ProjectRow,
        url: &GitUrl,
    ) -> Result<(), RebuildError> {
        let listed = self.sources.refs(url).await?;
        let known: BTreeMap<String, HeadRow> = self
            .store
            .heads(project.id)
            .await?
            .into_iter()
            .map(|head| (head.name.clone(), head))
            .collect();
        let is_first_look = row.seen_at.is_none() && known.is_empty();
        let now: BTreeMap<&str, &CommitId> = listed
            .refs
            .iter()
            .filter(|(name, _)| row.rules.watches(name))
            .map(|(name, commit)| (name.as_str(), commit))
            .collect();
        let gone = known.values().filter(|head| head.commit.is_some());
        let gone = gone.map(|head| head.name.as_str()).filter(|name| !now.contains_key(name));
        let gone: Vec<(&str, Option<&CommitId>)> = gone.map(|name| (name, None)).collect();
        let there = now.iter().map(|(name, commit)| (*name, Some(*commit)));
        for (name, commit) in there.chain(gone) {
            let before = known.get(name).and_then(|head| head.commit.as_ref());
            if known.contains_key(name) && before == commit {
                continue;
            }
            let is_default = listed.default.as_deref() == Some(name);
            let noticed = (name, commit, is_first_look, is_default);
            self.notice(row, project, url, noticed).await?;
        }
        Ok(())
    }

    /// One ref that is not where it was.
    async fn notice(
        &self,
        row: &WatchRow,
        project: &ProjectRow,
        url: &GitUrl,
        (name, commit, is_first_look, is_default): (&str, Option<&CommitId>, bool, bool),
    ) -> Result<(), RebuildError> {
        let key = commit.map(|commit| format!("watch:{}:{name}:{commit}", project.id));
        let built = match commit {
            Some(commit) => self.store.build_of_commit(project.id, commit).await?,
            None => None,
        };
        // What was submitted for it before a crash is its own build, and not one of before.
        let own = match &key {
            Some(key) if built.is_some() => self.submitted(key).await?,
            _ => None,
        };
        let noticed = Noticed { name, commit, is_first_look, is_default, built };
        let (build, skipped) = match (row.rules.decide(&noticed), commit) {
            _ if own.is_some() => (own, None),
            (WatchDecision::Skip(why), _) => (None, Some(why)),
            (WatchDecision::Built(build), _) => {
                (Some(build), Some("its commit was built before".to_owned()))
            }
            (WatchDecision::Build, None) => (None, None),
            (WatchDecision::Build, Some(commit)) => {
                match self.submit(row, project, url, (name, commit, key)).await {
                    Ok(build) => (Some(build), None),
                    // It will not be better the next time; the ref is known, and the reason shown.
                    Err(QueueError::Invalid(sentence)) => (None, Some(sentence)),
                    Err(error) => return Err(error.into()),
                }
            }
        };
        let seen_at = self.queue.time().await?;
        let head =
            HeadRow { name: name.to_owned(), commit: commit.cloned(), seen_at, build, skipped };
        let mut tx = self.store.begin().await?;
        self.store.put_head(&mut tx, project.id, &head).await?;
        tx.commit().await?;
        tracing::info!(
            project.id = %project.id, git.reference = name, build.id = build.map(|id| id.to_string()),
            skipped = head.skipped, "a watched ref has moved"
        );
        if let (Some(build), None, true) = (build, &head.skipped, row.rules.supersede) {
            for older in self.store.unfinished_before(project.id, (name, build)).await? {
                self.queue.cancel_build(older, CancelReason::Superseded).await?;
            }
        }
        Ok(())
    }

    /// The build that a key has made.
    async fn submitted(&self, key: &str) -> Result<Option<BuildId>, StoreError> {
        let mut tx = self.store.snapshot().await?;
        let who = Principal::LocalAdministrator.as_key();
        let found = self.store.idempotent_build(&mut tx, &who, key).await?;
        Ok(found.map(|(_, id)| id))
    }

    async fn submit(
        &self,
        row: &WatchRow,
        project: &ProjectRow,
        url: &GitUrl,
        (name, commit, key): (&str, &CommitId, Option<String>),
    ) -> Result<BuildId, QueueError> {
        let rules = &row.rules;
        let short = name.strip_prefix("refs/heads/").or_else(|| name.strip_prefix("refs/tags/"));
        let reference = short.unwrap_or(name).parse().ok();
        let request = SubmitBuild {
            toolchains: rules.toolchains.clone(),
            queue: rules.queue.clone(),
            priority: rules.priority,
            project: Some(project.name.clone()),
            ..SubmitBuild::of(SourceSubmission::Git(GitSubmission {
                url: url.to_string(),
                reference: reference.clone(),
                commit: None,
            }))
        };
        let submission = Submission {
            principal: Principal::LocalAdministrator,
            request,
            source: BuildSource::Git(GitSource { url: url.to_string(), reference }),
            commit: commit.clone().into(),
            project: Some(project.id),
            resolved_ref: Some(name.to_owned()),
            trigger: Trigger::Push,
            key,
        };
        self.queue.submit(submission).await
    }
}

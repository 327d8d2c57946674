//! One look at one project: its refs as they are against how they were, and what follows.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use super::{RebuildError, submit::Wanted};
use crate::{
    model::{
        BuildId, CancelReason, CommitId, MergeRequest, News, Noticed, Principal, WatchDecision,
    },
    protocol::Trigger,
    queue::QueueError,
    source::{Comparison, FetchSpec, GitUrl, Submodules},
    store::{HeadRow, ProjectRow, StoreError, WatchRow},
};

/// Refs that are written down in one go.
const NOTED: usize = 500;

/// A watched project.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    pub(super) project: ProjectRow,
    pub(super) row: WatchRow,
    pub(super) url: GitUrl,
}

/// A ref as it was just seen.
#[derive(Clone, Debug)]
pub(super) struct Sighting {
    /// Its full name.
    pub(super) name: String,
    /// Where it is; nothing if it is gone.
    pub(super) commit: Option<CommitId>,
    /// Where it was before.
    pub(super) before: Option<CommitId>,
    pub(super) is_first_look: bool,
    pub(super) is_default: bool,
    /// The branch it is to go into and whether it comes from a fork, if it is a pull request.
    pub(super) request: Option<(String, bool)>,
}

impl super::Rebuilder {
    /// Submits what the rules say of the refs that are not where they were.
    pub(super) async fn look(
        &self,
        watched: &Watched,
        stop: &CancellationToken,
    ) -> Result<(), RebuildError> {
        let (row, project) = (&watched.row, watched.project.id);
        let listed = self.sources.refs(&watched.url).await?;
        if listed.default != row.default_ref {
            let mut tx = self.store.begin().await?;
            self.store.set_default_ref(&mut tx, project, listed.default.as_deref()).await?;
            tx.commit().await?;
        }
        let known: BTreeMap<String, HeadRow> = self
            .store
            .heads(project)
            .await?
            .into_iter()
            .map(|head| (head.name.clone(), head))
            .collect();
        // One that was cut off in the middle was none.
        let is_first_look = row.seen_at.is_none();
        let now: BTreeMap<&str, &CommitId> = listed
            .refs
            .iter()
            .filter(|(name, _)| row.rules.watches(name))
            .map(|(name, commit)| (name.as_str(), commit))
            .collect();
        // Other names than those of branches and tags are never listed: webhooks tell of them.
        let is_listed =
            |name: &str| name.starts_with("refs/heads/") || name.starts_with("refs/tags/");
        let gone = known.values().filter(|head| head.commit.is_some());
        let gone = gone.map(|head| head.name.as_str());
        let gone = gone.filter(|name| is_listed(name) && !now.contains_key(name));
        let gone: Vec<(&str, Option<&CommitId>)> = gone.map(|name| (name, None)).collect();
        let there = now.iter().map(|(name, commit)| (*name, Some(*commit)));
        let mut noted = Vec::new();
        let mut ended = Ok(());
        for (name, commit) in there.chain(gone) {
            let before = known.get(name).and_then(|head| head.commit.as_ref());
            if known.contains_key(name) && before == commit {
                continue;
            }
            let sighting = Sighting {
                name: name.to_owned(),
                commit: commit.cloned(),
                before: before.cloned(),
                is_first_look,
                is_default: listed.default.as_deref() == Some(name),
                request: None,
            };
            let head = match self.judged(watched, &sighting, stop).await {
                Ok(head) => head,
                Err(error) => {
                    ended = Err(error);
                    break;
                }
            };
            let is_new = head.is_new();
            noted.push(head);
            // What was submitted is noted at once, all else a few hundred at a time.
            if is_new || noted.len() >= NOTED {
                self.note(watched, &noted).await?;
                noted.clear();
            }
        }
        self.note(watched, &noted).await?;
        ended
    }

    /// What follows from one ref that is not where it was; it is written down.
    pub(super) async fn notice(
        &self,
        watched: &Watched,
        sighting: &Sighting,
        stop: &CancellationToken,
    ) -> Result<HeadRow, RebuildError> {
        let head = self.judged(watched, sighting, stop).await?;
        self.note(watched, std::slice::from_ref(&head)).await?;
        Ok(head)
    }

    /// Writes down where refs are now and what follows; builds that newer ones replace are ended.
    async fn note(&self, watched: &Watched, heads: &[HeadRow]) -> Result<(), RebuildError> {
        let project = watched.project.id;
        if heads.is_empty() {
            return Ok(());
        }
        // First: what is noted is not looked at once more if this is cut off.
        let new = heads.iter().filter(|head| head.is_new() && watched.row.rules.supersede);
        for (head, build) in new.filter_map(|head| Some((head, head.build?))) {
            for older in self.store.unfinished_before(project, (&head.name, build)).await? {
                self.queue.cancel_build(older, CancelReason::Superseded).await?;
            }
        }
        let now = self.queue.time().await?;
        let mut tx = self.store.begin().await?;
        if !self.is_still_at(&mut tx, &watched.project).await? {
            return Err(RebuildError::Moved);
        }
        for head in heads {
            self.store.put_head(&mut tx, project, head).await?;
        }
        self.store.tell_of_project(&mut tx, now, project).await?;
        tx.commit().await?;
        for head in heads {
            tracing::info!(
                project.id = %project, git.reference = head.name,
                build.id = head.build.map(|id| id.to_string()), skipped = head.skipped,
                "a watched ref has moved"
            );
        }
        Ok(())
    }

    /// What follows from one ref that is not where it was; if that is a build, it is submitted.
    async fn judged(
        &self,
        watched: &Watched,
        sighting: &Sighting,
        stop: &CancellationToken,
    ) -> Result<HeadRow, RebuildError> {
        let project = watched.project.id;
        let name = sighting.name.as_str();
        let key = sighting.commit.as_ref().map(|commit| format!("watch:{project}:{name}:{commit}"));
        let built = match &sighting.commit {
            Some(commit) => self.store.build_of_commit(project, commit).await?,
            None => None,
        };
        // What was submitted for it before a crash is its own build, and not one of before.
        let own = match &key {
            Some(key) if built.is_some() => self.submitted(key).await?,
            _ => None,
        };
        let (build, skipped) = match (own, &sighting.commit) {
            (Some(own), _) => (Some(own), None),
            (None, commit) => match (self.decide(watched, sighting, built, stop).await?, commit) {
                (WatchDecision::Skip(why), _) => (None, Some(why)),
                (WatchDecision::Built(build), _) => {
                    (Some(build), Some("its commit was built before".to_owned()))
                }
                (WatchDecision::Build, None) => (None, None),
                (WatchDecision::Build, Some(commit)) => {
                    let is_request = sighting.request.is_some();
                    let wanted = Wanted {
                        project: &watched.project,
                        rules: &watched.row.rules,
                        url: watched.url.to_string(),
                        name,
                        commit,
                        toolchain: None,
                        priority: watched.row.rules.priority,
                        trigger: if is_request { Trigger::PullRequest } else { Trigger::Push },
                        key,
                    };
                    match self.submit(wanted).await {
                        Ok(build) => (Some(build), None),
                        // It will not be better the next time; the ref is known, and the reason shown.
                        Err(QueueError::Invalid(sentence)) => (None, Some(sentence)),
                        Err(error) => return Err(error.into()),
                    }
                }
            },
        };
        let seen_at = self.queue.time().await?;
        Ok(HeadRow {
            name: sighting.name.clone(),
            commit: sighting.commit.clone(),
            seen_at,
            build,
            skipped,
        })
    }

    /// What the rules say. The commit is fetched only if nothing else speaks against building it.
    async fn decide(
        &self,
        watched: &Watched,
        sighting: &Sighting,
        built: Option<BuildId>,
        stop: &CancellationToken,
    ) -> Result<WatchDecision, RebuildError> {
        let rules = &watched.row.rules;
        let request = sighting.request.as_ref();
        let noticed = Noticed {
            name: &sighting.name,
            commit: sighting.commit.as_ref(),
            is_first_look: sighting.is_first_look,
            is_default: sighting.is_default,
            built,
            request: request.map(|(target, is_fork)| MergeRequest { target, is_fork: *is_fork }),
            news: None,
        };
        let (decision, Some(commit)) = (rules.decide(&noticed), &sighting.commit) else {
            return Ok(rules.decide(&noticed));
        };
        if decision != WatchDecision::Build {
            return Ok(decision);
        }
        let spec = FetchSpec {
            url: watched.url.clone(),
            commit: commit.clone(),
            refname: Some(sighting.name.clone()),
            submodules: Submodules::LeftOut,
        };
        let since = sighting.before.as_ref().filter(|_| rules.minds_paths());
        let Comparison { message, paths } = match self.sources.compare(&spec, since, stop).await {
            Ok(compared) => compared,
            // What is wrong with the commit itself, its build says in full.
            Err(error) if error.cause().is_some() => return Ok(WatchDecision::Build),
            Err(error) => return Err(error.into()),
        };
        let news = Some(News { message: &message, paths: paths.as_deref() });
        Ok(rules.decide(&Noticed { news, ..noticed }))
    }

    /// The build that a key has made.
    async fn submitted(&self, key: &str) -> Result<Option<BuildId>, StoreError> {
        let mut tx = self.store.snapshot().await?;
        let who = Principal::LocalAdministrator.as_key();
        let found = self.store.idempotent_build(&mut tx, &who, key).await?;
        Ok(found.map(|(_, id)| id))
    }
}

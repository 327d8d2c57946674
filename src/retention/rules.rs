//! The rules that count for each build, and the facts that they look at, with as few questions to the
//! database as branches.

use std::collections::HashMap;

use crate::{
    model::{BuildFacts, BuildId, Fate, ProjectId, RetentionPolicy, Timestamp},
    store::{FinishedBuild, Store, StoreError},
};

/// What is remembered of branches during a sweep; more are asked again.
const BRANCHES: usize = 10_000;

/// Knows what becomes of builds during one sweep.
pub(super) struct Judge<'a> {
    store: &'a Store,
    defaults: RetentionPolicy,
    projects: HashMap<ProjectId, RetentionPolicy>,
    now: Timestamp,
    /// Of a branch of which so many are kept: its newest success, and the newest build that is one too
    /// many. Builds of one branch may have different rules.
    branches: HashMap<(String, String, u32), Branch>,
}

/// The newest success, and the newest build that is one too many.
type Branch = (Option<BuildId>, Option<BuildId>);

impl<'a> Judge<'a> {
    pub(super) async fn new(
        store: &'a Store,
        defaults: RetentionPolicy,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let rules = store.retention_rules().await?;
        let projects = rules.into_iter().map(|(id, rules)| (id, rules.over(&defaults))).collect();
        Ok(Self { store, defaults, projects, now, branches: HashMap::new() })
    }

    /// What becomes of a build now.
    pub(super) async fn fate(&mut self, build: &FinishedBuild) -> Result<Fate, StoreError> {
        let own = build.project.and_then(|id| self.projects.get(&id));
        let policy = *own.unwrap_or(&self.defaults);
        let mut facts = BuildFacts {
            finished_at: build.finished_at,
            is_pinned: build.is_pinned,
            is_tag: build.branch.as_ref().is_some_and(|(_, name)| name.starts_with("refs/tags/")),
            is_last_success: false,
            is_beyond_count: false,
            gone: build.gone,
        };
        // Most builds are young: nothing is asked about them.
        let beyond = BuildFacts { is_beyond_count: true, ..facts };
        if policy.fate(&beyond, self.now) == Fate::Stays {
            return Ok(Fate::Stays);
        }
        if let Some(branch) = &build.branch {
            let (success, beyond) = self.branch(branch, policy.builds_per_branch).await?;
            facts.is_last_success = success == Some(build.id);
            facts.is_beyond_count = beyond.is_some_and(|newest| build.id <= newest);
        }
        Ok(policy.fate(&facts, self.now))
    }

    async fn branch(&mut self, branch: &(String, String), kept: u32) -> Result<Branch, StoreError> {
        let (url, name) = (&*branch.0, &*branch.1);
        let key = (url.to_owned(), name.to_owned(), kept);
        if let Some(known) = self.branches.get(&key) {
            return Ok(*known);
        }
        let success = self.store.last_success(url, name).await?;
        let beyond = match kept {
            0 => None,
            kept => self.store.build_of_rank((url, name), kept).await?,
        };
        if self.branches.len() >= BRANCHES {
            self.branches.clear();
        }
        self.branches.insert(key, (success, beyond));
        Ok((success, beyond))
    }
}

//! Watching by itself what was built by branch (`watch.all`).

use std::time::Duration;

use super::{RebuildError, Rebuilder};
use crate::{
    model::{ProjectId, ProjectName, WatchRules},
    store::ProjectRow,
};

/// When a repository is looked at for the first time.
const SOON: Duration = Duration::from_secs(10);

/// Names that are tried for a new project.
const TRIES: u32 = 100;

impl Rebuilder {
    /// Has a branch of a repository watched, if the settings want that and it is not. Who built it is
    /// noted as who made the project.
    pub async fn adopt(
        &self,
        url: &str,
        resolved_ref: Option<&str>,
        by: &str,
    ) -> Result<(), RebuildError> {
        let branch = resolved_ref.and_then(|name| name.strip_prefix("refs/heads/"));
        let (true, Some(branch)) = (self.settings.all, branch) else { return Ok(()) };
        let now = self.queue.time().await?;
        let project = self.project_of(url, by).await?;
        let mut tx = self.store.begin().await?;
        let watch = self.store.watch_in(&mut tx, project.id).await?;
        let mut rules = match &watch {
            Some(row) if row.rules.watches(&format!("refs/heads/{branch}")) => return Ok(()),
            Some(row) => row.rules.clone(),
            None => WatchRules { branches: Vec::new(), ..WatchRules::default() },
        };
        // A name is a pattern of itself unless it has signs that patterns have.
        rules.branches.push(globset::escape(branch));
        if rules.check().is_err() {
            return Ok(());
        }
        // The build that is the reason for it comes first.
        self.store.put_watch(&mut tx, project.id, &rules, now.plus(SOON)).await?;
        self.store.tell_of_project(&mut tx, now, project.id).await?;
        tx.commit().await?;
        tracing::info!(project.id = %project.id, git.reference = branch, "a branch that was built is watched");
        Ok(())
    }

    /// The project of a repository; a new one, named after it, if there is none.
    pub async fn project_of(&self, url: &str, by: &str) -> Result<ProjectRow, RebuildError> {
        let base = ProjectName::of_url(url);
        for number in 1..=TRIES {
            if let Some(row) = self.store.project_of_url(url).await? {
                return Ok(row);
            }
            let now = self.queue.time().await?;
            let row = ProjectRow {
                id: ProjectId::new(now),
                name: base.numbered(number),
                url: Some(url.to_owned()),
                created_by: by.to_owned(),
                created_at: now,
            };
            let mut tx = self.store.begin().await?;
            match self.store.insert_project(&mut tx, &row).await {
                Ok(()) => {
                    self.store.tell_of_project(&mut tx, now, row.id).await?;
                    tx.commit().await?;
                    tracing::info!(project.id = %row.id, project.name = %row.name, "project added");
                    return Ok(row);
                }
                // Its name is taken, or somebody else was first.
                Err(error) if error.is_duplicate() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(RebuildError::NoName(base))
    }
}

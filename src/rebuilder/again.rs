//! Everything once more, such as after a toolchain's image changed.

use super::{RebuildError, Rebuilder, submit::Wanted};
use crate::{
    model::{BuildId, CommitId, ProjectName, ToolchainName, WatchRules},
    protocol::Trigger,
    queue::QueueError,
    store::{ProjectRow, WatchRow},
};

/// The priority of what nobody waits for.
const PRIORITY: i32 = -100;

/// What became of one branch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Again {
    /// Its project.
    pub project: ProjectName,
    /// Its full name.
    pub reference: String,
    /// Where it is.
    pub commit: CommitId,
    /// The build, or why there is none.
    pub build: Result<BuildId, String>,
}

impl Rebuilder {
    /// Builds the newest commit of every watched branch that was built once more, behind
    /// everything else; of these projects if some are named, with this toolchain alone if one is and
    /// only where it was built with that.
    pub async fn again(
        &self,
        projects: &[ProjectName],
        toolchain: Option<&ToolchainName>,
    ) -> Result<Vec<Again>, RebuildError> {
        let known = self.store.projects().await?;
        let unknown = projects.iter().find(|name| !known.iter().any(|row| row.name == **name));
        if let Some(name) = unknown {
            return Err(QueueError::not_found("project", name).into());
        }
        let mut all = Vec::new();
        for project in known {
            if !projects.is_empty() && !projects.contains(&project.name) {
                continue;
            }
            let Some(WatchRow { rules, .. }) = self.store.watch(project.id).await? else {
                continue;
            };
            for head in self.store.heads(project.id).await? {
                if head.commit.is_none() || !head.name.starts_with("refs/heads/") {
                    continue;
                }
                // What was not built, such as for its message, is not built now either.
                let built = self.store.newest_built(project.id, &head.name).await?;
                let Some((before, commit)) = built else { continue };
                if !self.was_with(before, toolchain).await? {
                    continue;
                }
                let wanted = (&*head.name, &commit, toolchain);
                let build = self.head_again(&project, &rules, wanted).await?;
                let reference = head.name;
                all.push(Again { project: project.name.clone(), reference, commit, build });
            }
        }
        Ok(all)
    }

    async fn was_with(
        &self,
        build: BuildId,
        toolchain: Option<&ToolchainName>,
    ) -> Result<bool, RebuildError> {
        let Some(toolchain) = toolchain else { return Ok(true) };
        let build = self.queue.build(build).await?;
        let jobs = build.into_iter().flat_map(|build| build.jobs);
        Ok(jobs.into_iter().any(|job| job.toolchain.as_ref() == Some(toolchain)))
    }

    async fn head_again(
        &self,
        project: &ProjectRow,
        rules: &WatchRules,
        (name, commit, toolchain): (&str, &CommitId, Option<&ToolchainName>),
    ) -> Result<Result<BuildId, String>, RebuildError> {
        let Some(url) = project.url.clone() else { return Err(RebuildError::NoRepository) };
        if let Some(build) = self.store.unfinished_of_commit(project.id, commit).await? {
            return Ok(Err(format!("{build} is building it")));
        }
        let trigger = Trigger::Rebuild;
        let (priority, key) = (PRIORITY, None);
        let wanted =
            Wanted { project, rules, url, name, commit, toolchain, priority, trigger, key };
        match self.submit(wanted).await {
            Ok(build) => Ok(Ok(build)),
            Err(QueueError::Invalid(sentence) | QueueError::Conflict(sentence)) => {
                Ok(Err(sentence))
            }
            Err(error) => Err(error.into()),
        }
    }
}

//! Everything once more, such as after a toolchain's image changed.

use super::{RebuildError, Rebuilder};
use crate::{
    model::{BuildId, CommitId, Principal, ProjectName, ToolchainName},
    protocol::{BuildSource, GitSource, GitSubmission, SourceSubmission, SubmitBuild, Trigger},
    queue::{QueueError, Submission},
    store::{HeadRow, ProjectRow},
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
        let mut all = Vec::new();
        let mut unknown: Vec<&ProjectName> = projects.iter().collect();
        for project in self.store.projects().await? {
            unknown.retain(|name| **name != project.name);
            if !projects.is_empty() && !projects.contains(&project.name) {
                continue;
            }
            if self.store.watch(project.id).await?.is_none() {
                continue;
            }
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
                let build = self.head_again(&project, &head, (&commit, toolchain)).await?;
                let reference = head.name;
                all.push(Again { project: project.name.clone(), reference, commit, build });
            }
        }
        match unknown.first() {
            Some(name) => Err(QueueError::not_found("project", name).into()),
            None => Ok(all),
        }
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
        head: &HeadRow,
        (commit, toolchain): (&CommitId, Option<&ToolchainName>),
    ) -> Result<Result<BuildId, String>, RebuildError> {
        let Some(url) = &project.url else { return Ok(Err("it has no repository".to_owned())) };
        if let Some(build) = self.store.unfinished_of_commit(project.id, commit).await? {
            return Ok(Err(format!("{build} is building it")));
        }
        let reference = head.name.strip_prefix("refs/heads/").and_then(|name| name.parse().ok());
        let watch = self.store.watch(project.id).await?;
        let request = SubmitBuild {
            project: Some(project.name.clone()),
            toolchains: toolchain.cloned().into_iter().collect(),
            queue: watch.map(|row| row.rules.queue).unwrap_or_default(),
            priority: PRIORITY,
            ..SubmitBuild::of(SourceSubmission::Git(GitSubmission {
                url: url.clone(),
                reference: reference.clone(),
                commit: None,
            }))
        };
        let submission = Submission {
            principal: Principal::LocalAdministrator,
            request,
            source: BuildSource::Git(GitSource { url: url.clone(), reference }),
            commit: commit.clone().into(),
            project: Some(project.id),
            resolved_ref: Some(head.name.clone()),
            trigger: Trigger::Rebuild,
            key: None,
        };
        match self.queue.submit(submission).await {
            Ok(build) => Ok(Ok(build)),
            Err(QueueError::Invalid(sentence) | QueueError::Conflict(sentence)) => {
                Ok(Err(sentence))
            }
            Err(error) => Err(error.into()),
        }
    }
}

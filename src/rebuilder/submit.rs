//! A build that nobody asked for by hand.

use super::Rebuilder;
use crate::{
    model::{BuildId, CommitId, Principal, ToolchainName, WatchRules},
    protocol::{BuildSource, GitSource, GitSubmission, SourceSubmission, SubmitBuild, Trigger},
    queue::{QueueError, Submission},
    store::ProjectRow,
};

/// What is built, and why.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) project: &'a ProjectRow,
    pub(super) rules: &'a WatchRules,
    /// The repository, as it is normalized.
    pub(super) url: String,
    /// The full name of the ref.
    pub(super) name: &'a str,
    pub(super) commit: &'a CommitId,
    /// This alone, or all that the commit, the project or the server says.
    pub(super) toolchain: Option<&'a ToolchainName>,
    pub(super) priority: i32,
    pub(super) trigger: Trigger,
    /// The same key makes one build.
    pub(super) key: Option<String>,
}

impl Rebuilder {
    pub(super) async fn submit(&self, wanted: Wanted<'_>) -> Result<BuildId, QueueError> {
        let Wanted { project, rules, url, name, .. } = wanted;
        let short = name.strip_prefix("refs/heads/").or_else(|| name.strip_prefix("refs/tags/"));
        let reference = short.unwrap_or(name).parse().ok();
        let request = SubmitBuild {
            project: Some(project.name.clone()),
            toolchains: wanted.toolchain.cloned().into_iter().collect(),
            queue: rules.queue.clone(),
            priority: wanted.priority,
            ..SubmitBuild::of(SourceSubmission::Git(GitSubmission {
                url: url.clone(),
                reference: reference.clone(),
                commit: None,
            }))
        };
        let submission = Submission {
            principal: Principal::LocalAdministrator,
            request,
            source: BuildSource::Git(GitSource { url, reference }),
            commit: wanted.commit.clone().into(),
            project: Some(project.id),
            resolved_ref: Some(name.to_owned()),
            trigger: wanted.trigger,
            key: wanted.key,
        };
        self.queue.submit(submission).await
    }
}

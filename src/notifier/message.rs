//! What is said, as things are now.

use serde_json::json;

use super::{Notifier, NotifyError, subject::Subject};
use crate::{
    forge::{CommitState, CommitStatus, SharedSecret},
    model::{BuildId, CommitId, ForgeKind, JobState, Outcome, ProjectId, ToolchainName},
    source::Post,
    store::{JobRow, NoticeRow, TargetRow},
};

/// A request, and what it says in a word or two.
pub(super) struct Message {
    pub(super) post: Post,
    pub(super) said: String,
    /// The forge it goes to; nobody's in particular for a webhook.
    pub(super) forge: Option<ForgeKind>,
}

impl Notifier {
    /// What a target is told now; nothing if what it is about is gone.
    pub(super) async fn message(
        &self,
        target: &TargetRow,
        notice: &NoticeRow,
    ) -> Result<Option<Message>, NotifyError> {
        let secret = self.secrets.target_secret(target)?;
        match (target.kind.forge(), notice.subject.parse()) {
            (Some(forge), Ok(Subject::Commit(commit, toolchain))) => {
                let about = (commit, toolchain);
                let Some(status) = self.status(notice.project, about).await? else {
                    return Ok(None);
                };
                Ok(Some(Message {
                    post: forge.status(
                        &target.url,
                        &String::from_utf8_lossy(secret.reveal()),
                        &status,
                    ),
                    said: status.state.as_str().to_owned(),
                    forge: Some(forge),
                }))
            }
            (None, Ok(Subject::Build(build))) => {
                let Some(key) = SharedSecret::from_bytes(secret.reveal()) else { return Ok(None) };
                self.webhook((target, notice), build, &key).await
            }
            _ => Ok(None),
        }
    }

    async fn status(
        &self,
        project: ProjectId,
        (commit, toolchain): (CommitId, Option<ToolchainName>),
    ) -> Result<Option<CommitStatus>, NotifyError> {
        let job = self.store.newest_job(project, &commit, toolchain.as_ref()).await?;
        let Some(job) = job else { return Ok(None) };
        let (state, description) = told(&job);
        let link = self.public(&format!("jobs/{}", job.job.id));
        let context = toolchain.map_or_else(|| "kiln".to_owned(), |name| format!("kiln/{name}"));
        Ok(Some(CommitStatus { commit, state, context, description, link }))
    }

    async fn webhook(
        &self,
        (target, notice): (&TargetRow, &NoticeRow),
        build: BuildId,
        key: &SharedSecret,
    ) -> Result<Option<Message>, NotifyError> {
        let Some(build) = self.queue.build(build).await? else { return Ok(None) };
        let outcome = build.outcome.map_or("unfinished", Outcome::as_str);
        let body = json!({"event": notice.event, "delivery": notice.id, "build": build});
        let body = body.to_string().into_bytes();
        let headers = vec![
            ("x-kiln-event", notice.event.clone()),
            ("x-kiln-delivery", notice.id.to_string()),
            ("x-kiln-signature-256", format!("sha256={}", key.sign(&body))),
        ];
        let said = format!("{}: {outcome}", notice.event);
        Ok(Some(Message {
            post: Post { url: target.url.clone(), headers, body },
            said,
            forge: None,
        }))
    }
}

/// How a job is, for people who see a commit.
fn told(job: &JobRow) -> (CommitState, String) {
    let finished = match &job.state {
        JobState::Queued(_) => return (CommitState::Pending, "waits".to_owned()),
        JobState::Running(_) => return (CommitState::Pending, "is being built".to_owned()),
        JobState::Finished(finished) => finished,
    };
    let state = match finished.verdict.outcome() {
        Outcome::Success => CommitState::Success,
        Outcome::Failure | Outcome::Timeout => CommitState::Failure,
        Outcome::Cancelled => CommitState::Cancelled,
        Outcome::Error => CommitState::Error,
    };
    let took = finished.started_at.map(|began| finished.finished_at.since(began).as_secs());
    let description = match (finished.message.as_str(), took) {
        ("", Some(seconds)) => format!("builds, in {seconds} s"),
        ("", None) => "builds".to_owned(),
        (sentence, _) => sentence.to_owned(),
    };
    (state, description)
}

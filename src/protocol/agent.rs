//! The agent API: what agents and servers say to each other under `/agent/v1`.
//!
//! Every message about a job names job and attempt in its path, and the token names the agent: that
//! is the fence. Answer 409 with the code `stale_attempt` means: drop the work, say nothing more.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use super::{
    AgentHold, ArtifactsSummary, ClaimedSecrets, DiagnosticsView, SandboxView, TreeBase, UsageView,
};
use crate::model::{
    AgentId, BuildId, ClaimId, CommitId, CommitInfo, JobId, Label, Limits, Login, ProjectId,
    Recipe, RefName, Revision, Timestamp, ToolchainName, TreeDigest, Verdict,
};

/// The version of this protocol.
pub const PROTOCOL_VERSION: u32 = 3;

/// The header that has the version, in every request of an agent and in every answer. Where an
/// answer has none, the server speaks protocol 2.
pub const PROTOCOL_HEADER: &str = "kiln-agent-protocol";

/// The oldest that a server takes from an agent: servers are upgraded first, agents after them.
/// What is added to a message has a default, and what is not known is passed over, so that an agent
/// may be a release ahead, too.
pub const OLDEST_PROTOCOL: u32 = 2;

/// Why a server does not speak with an agent of this protocol, and what to do; nothing if it does.
pub fn unsupported_protocol(theirs: u32) -> Option<String> {
    let release = env!("CARGO_PKG_VERSION");
    if theirs < OLDEST_PROTOCOL {
        return Some(format!(
            "the agent speaks protocol {theirs}, this server needs {OLDEST_PROTOCOL} or later: \
             upgrade the agent to kiln {release}"
        ));
    }
    (theirs > PROTOCOL_VERSION + 1).then(|| {
        format!(
            "the agent speaks protocol {theirs}, this server {PROTOCOL_VERSION}: upgrade the \
             server, which is kiln {release}, first"
        )
    })
}

/// Why an agent does not speak with a server of this protocol, and what to do; nothing if it does.
pub fn unsupported_server(theirs: u32) -> Option<String> {
    (theirs + 1 < PROTOCOL_VERSION).then(|| {
        format!(
            "the server speaks agent protocol {theirs}, this agent {PROTOCOL_VERSION}: upgrade the \
             server to kiln {} first",
            env!("CARGO_PKG_VERSION")
        )
    })
}

/// What agents and servers spoke that did not say it in every message.
pub const UNSAID_PROTOCOL: u32 = 2;

const fn unsaid() -> u32 {
    UNSAID_PROTOCOL
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
const fn is_unsaid(protocol: &u32) -> bool {
    *protocol == UNSAID_PROTOCOL
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
const fn is_nought(count: &u64) -> bool {
    *count == 0
}

/// `POST /agent/v1/register`, with the enrollment token: an agent makes itself known.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RegisterRequest {
    /// A name for people; registering again under a name replaces the token.
    pub name: String,
    /// The protocol it speaks.
    pub protocol: u32,
    /// The agent's release.
    pub version: String,
    /// A random number of the agent's process: the same registration, sent again, is not another.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub process: String,
}

impl RegisterRequest {
    /// What a server of this protocol understands of it: protocol 2 refuses what it does not know.
    #[must_use]
    pub fn as_of(&self, protocol: u32) -> Self {
        if protocol > UNSAID_PROTOCOL {
            return self.clone();
        }
        Self { protocol, process: String::new(), ..self.clone() }
    }
}

/// The agent's identity.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RegisterAnswer {
    /// Its id.
    pub agent: AgentId,
    /// Its own token, shown once.
    pub token: String,
}

/// What an agent is and has, told with every claim.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AgentStatus {
    /// Workers it may run at one time.
    pub workers: u32,
    /// Workers that run a job now.
    pub busy: u32,
    /// Its processor architecture, such as `x86_64`.
    pub arch: String,
    /// Cores of its engine.
    pub cpus: u32,
    /// Memory of its engine in bytes.
    pub memory_bytes: u64,
    /// Its container engine and version.
    pub engine: String,
    /// The toolchains whose images it has.
    pub toolchains: Vec<PresentToolchain>,
    /// The agent's release.
    pub version: String,
    /// How far its machine's clock is ahead of the server's, in seconds, where that is more than a
    /// minute; behind if negative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_skew_seconds: Option<i64>,
    /// Memory that its running jobs leave, in bytes, where some run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_memory_bytes: Option<u64>,
    /// Why it takes no jobs by itself: its disk is full, its memory short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
    /// Containers and volumes that crashed attempts had left and that it removed, since it started.
    #[serde(default, skip_serializing_if = "is_nought")]
    pub residue_swept: u64,
    /// What it says of itself, beside what kiln knows.
    #[serde(default)]
    pub labels: BTreeSet<Label>,
}

/// A toolchain image that an agent has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PresentToolchain {
    /// The toolchain.
    pub name: ToolchainName,
    /// The image's id.
    pub image: String,
    /// Digest of what it was made from; empty for an image kiln did not make.
    pub recipe_digest: String,
    /// The compiler's full version.
    pub compiler: String,
}

/// An agent as the REST API shows it.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AgentView {
    /// Its id.
    pub id: AgentId,
    /// Its name.
    pub name: String,
    /// When it was last heard of.
    pub seen_at: Timestamp,
    /// Whether it was heard of lately.
    pub online: bool,
    /// Its labels: what it says, and what its enrollment gave it.
    pub labels: BTreeSet<Label>,
    /// Why it takes no jobs; nothing if it does.
    pub hold: Option<AgentHold>,
    /// What it said it is and has.
    pub status: AgentStatus,
    /// The jobs it has now.
    pub jobs: Vec<JobId>,
}

/// `POST /agent/v1/claim`: answer 200 with a job, or 204 if none came within `wait_ms`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClaimRequest {
    /// The claim's id: repeating a claim whose answer was lost gives the same job.
    pub claim: ClaimId,
    /// How long to wait for a job, in milliseconds; the server caps it.
    pub wait_ms: u64,
    /// What the agent is and has: it gets only jobs that it fits.
    pub status: AgentStatus,
    /// The protocol it speaks.
    #[serde(default = "unsaid", skip_serializing_if = "is_unsaid")]
    pub protocol: u32,
    /// A random number of the agent's process.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub process: String,
    /// Whether this process has not claimed before: then it takes the place of an earlier one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub begins: bool,
    /// Whether it knows secrets: who does not gets no job that has some.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takes_secrets: bool,
}

impl ClaimRequest {
    /// What a server of this protocol understands of it: protocol 2 refuses what it does not know.
    #[must_use]
    pub fn as_of(&self, protocol: u32) -> Self {
        if protocol > UNSAID_PROTOCOL {
            return self.clone();
        }
        let (begins, takes_secrets) = (false, false);
        Self { protocol, process: String::new(), begins, takes_secrets, ..self.clone() }
    }
}

/// A job that an agent got.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claimed {
    /// The job.
    pub job: JobId,
    /// Its build.
    pub build: BuildId,
    /// The attempt's number.
    pub attempt: u32,
    /// The lease, in milliseconds from now: renew well before it is over.
    pub lease_ms: u64,
    /// What to build.
    pub source: ClaimedSource,
    /// What to do.
    pub work: Work,
    /// The compiler cache that it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<ClaimedCache>,
    /// What it gets of its project's secrets.
    #[serde(default, skip_serializing_if = "ClaimedSecrets::is_empty")]
    pub secrets: ClaimedSecrets,
}

/// A compiler cache that a job may use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClaimedCache {
    /// Whose it is: caches of different projects have nothing to do with each other.
    pub project: ProjectId,
    /// Whether what becomes of it is kept for later jobs.
    #[serde(default)]
    pub writes: bool,
}

/// The source of a job.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimedSource {
    /// A commit of a git repository, which the agent fetches by itself.
    Git(ClaimedGit),
    /// An uploaded tree, which the server has: `GET …/source`.
    Upload(ClaimedUpload),
}

/// An uploaded tree.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClaimedUpload {
    /// Its digest.
    pub digest: TreeDigest,
    /// What it was made from, if that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<TreeBase>,
}

/// A commit and where it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClaimedGit {
    /// The repository's URL, as the server normalized it.
    pub url: String,
    /// The ref it was resolved from: where to look if the remote gives out no bare commits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<RefName>,
    /// The commit.
    pub commit: CommitId,
    /// Who asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<ClaimedLogin>,
}

/// The login of a project.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClaimedLogin {
    /// It.
    pub login: Login,
    /// Whether submodules on the same server are asked with it, too: where the commit is trusted.
    pub submodules: bool,
}

impl fmt::Display for ClaimedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Git(git) => write!(f, "{} at {}", git.url, git.commit.short()),
            Self::Upload(upload) => write!(f, "the uploaded tree {}", upload.digest.short()),
        }
    }
}

impl ClaimedSource {
    /// What is built.
    pub fn revision(&self) -> Revision {
        match self {
            Self::Git(git) => Revision::Commit(git.commit.clone()),
            Self::Upload(upload) => Revision::Tree(upload.digest.clone()),
        }
    }
}

/// What to do with the source.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Work {
    /// Read the commit and report; no sandbox.
    Plan {
        /// What the submission said; the server merges it with what the plan reports.
        submission: Box<Recipe>,
    },
    /// Build it.
    Leg {
        /// The toolchain.
        toolchain: ToolchainName,
        /// The recipe, repository and submission merged.
        recipe: Box<Recipe>,
        /// The bounds.
        limits: Limits,
    },
}

/// `POST …/renew`: answered when the job is to be cancelled, or after `wait_ms`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RenewRequest {
    /// How long to wait for a cancel request, in milliseconds; the server caps it well below the
    /// lease.
    pub wait_ms: u64,
}

/// The lease is extended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RenewAnswer {
    /// The lease, in milliseconds from now.
    pub lease_ms: u64,
    /// Whether the job is to be ended now, as cancelled.
    pub cancel: bool,
}

/// `POST …/start`: what the attempt runs in. Said when the image is known, and again with
/// environment and steps when these are; the last one counts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StartReport {
    /// The sandbox.
    pub sandbox: SandboxView,
}

/// `POST …/log` takes frames in their wire form; this is the answer: how far the log reaches now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LogEnd {
    /// The number of the next frame.
    pub seq: u64,
    /// The next byte offset.
    pub offset: u64,
}

/// The answer to an append.
pub type AppendAnswer = LogEnd;

/// `PUT …/artifacts/{part}` takes the archive, then its manifest; and what was said, at any time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactPart {
    /// `artifacts.tar.gz`.
    Archive,
    /// `manifest.json`.
    Manifest,
    /// `diagnostics.json.gz`.
    Diagnostics,
}

/// Part of finishing a plan: what the commit says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlanReport {
    /// What the commit says of itself.
    pub info: CommitInfo,
    /// The text of `.kiln.toml`, if there is one.
    pub recipe_file: Option<String>,
    /// Whether something in the tree says how to build it, as the builder sees it; the sentence
    /// for people if not. Irrelevant where steps are given.
    pub no_choice: Option<String>,
}

/// `POST …/finish`: the attempt is over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FinishReport {
    /// How it ended.
    pub verdict: Verdict,
    /// One sentence for people; empty for a plain success.
    pub message: String,
    /// Where the log ends; answered with 409 `log_incomplete` and a `LogEnd` while something is
    /// missing.
    pub log_end: LogEnd,
    /// What it used.
    pub usage: UsageView,
    /// What the compiler said.
    pub diagnostics: Option<DiagnosticsView>,
    /// What was kept: refused unless both parts were stored before.
    pub artifacts: Option<ArtifactsSummary>,
    /// What a plan found out; a plan's success needs it, a leg has none.
    pub plan: Option<Box<PlanReport>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_release_apart_is_spoken_with_and_the_sentence_says_who_is_to_be_upgraded() {
        for (agent, expected) in [
            (OLDEST_PROTOCOL - 1, Some("upgrade the agent")),
            (OLDEST_PROTOCOL, None),
            (PROTOCOL_VERSION, None),
            (PROTOCOL_VERSION + 1, None),
            (PROTOCOL_VERSION + 2, Some("upgrade the server")),
        ] {
            let said = unsupported_protocol(agent);
            assert_eq!(said.is_some(), expected.is_some(), "{agent}: {said:?}");
            assert!(said.unwrap_or_default().contains(expected.unwrap_or_default()));
        }
        for (server, is_fine) in
            [(PROTOCOL_VERSION - 2, false), (PROTOCOL_VERSION - 1, true), (PROTOCOL_VERSION, true)]
        {
            assert_eq!(unsupported_server(server).is_none(), is_fine, "{server}");
        }
    }
}

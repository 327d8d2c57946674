//! The words of kiln as types: ids, revisions, builds, jobs and their transitions, recipes, limits.
//!
//! No I/O, no wall clock, no runtime: everything here can be tested by calling it. Values are
//! parsed once, into these types, at the edge; the rest of the program does not validate again.

mod clock;
mod diagnostic;
mod forge;
mod id;
mod job;
mod label;
mod limits;
mod log;
mod login;
mod name;
mod nearest;
mod outcome;
mod package;
mod principal;
mod recipe;
mod retention;
mod revision;
mod secret;
mod source;
mod target;
mod watch;

pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use diagnostic::{DiagnosticKind, FileOrigin, Severity};
pub use forge::ForgeKind;
pub use id::{
    AgentId, AuditId, BuildId, ClaimId, DeliveryId, EnrollmentId, IdError, JobId, NoticeId,
    ProjectId, TargetId, TokenId,
};
pub use job::{
    Attempt, CancelReason, Finished, JobState, MAX_ATTEMPTS, Queued, Running, StateName,
    TransitionError, Verdict,
};
pub use label::{Label, LabelError};
pub use limits::{LimitError, Limits, LimitsRequest};
pub use log::{Frame, FrameError, FrameKind, LogPosition, MAX_FRAME_BYTES, Stream};
pub use login::{Login, LoginError, LoginKind, SshLogin, TokenLogin};
pub use name::{AccountName, NameError, ProjectName, QueueName, StepName, ToolchainName};
pub use nearest::nearest;
pub use outcome::{Cause, Outcome};
pub use package::{PackageName, PackageNameError};
pub use principal::{Account, Permission, Principal, Role, Scope};
pub use recipe::{ArtifactRules, ArtifactWhen, Environment, Recipe, RecipeError, Step, StepKind};
pub use retention::{BuildFacts, Fate, Parts, RetentionPolicy, RetentionRules};
pub use revision::{Revision, RevisionError, TreeDigest, TreeDigestError};
pub use secret::{
    MAX_SECRET_BYTES, RefPattern, RefPatternError, SHORTEST_MASKED, SecretForm, SecretName,
    SecretNameError, SecretValue, SecretValueError,
};
pub use source::{CommitId, CommitIdError, CommitInfo, RefName, RefNameError};
pub use target::TargetKind;
pub use watch::{
    MergeRequest, News, Noticed, POLL_SECONDS, PullRequests, WatchDecision, WatchError, WatchRules,
    WatchStep,
};

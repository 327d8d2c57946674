//! The shapes that cross the wire: the REST API for people and the agent API.
//!
//! Wire types are not domain types: they may gain fields without touching the model, unknown fields
//! in requests are refused, and what a client sees is decided here and nowhere else.

mod agent;
mod artifacts;
mod build;
mod diagnostics;
mod enrollment;
mod error;
mod event;
mod history;
mod hook;
mod job;
mod log;
mod page;
mod project;
mod queue;
mod retention;
mod schema;
mod secret;
mod submit;
mod token;
mod toolchain;
mod upload;
mod watch;

pub use agent::{
    AgentStatus, AgentView, AppendAnswer, ArtifactPart, ClaimRequest, Claimed, ClaimedCache,
    ClaimedGit, ClaimedLogin, ClaimedSource, ClaimedUpload, FinishReport, LogEnd, OLDEST_PROTOCOL,
    PROTOCOL_HEADER, PROTOCOL_VERSION, PlanReport, PresentToolchain, RegisterAnswer,
    RegisterRequest, RenewAnswer, RenewRequest, StartReport, UNSAID_PROTOCOL, Work,
    unsupported_protocol, unsupported_server,
};
pub use artifacts::{ArtifactsSummary, CommitArtifacts, CommitJob};
pub use build::{
    Build, BuildFilter, BuildSource, BuildState, CommitView, GitSource, Retry, Trigger,
    UploadSource,
};
pub use diagnostics::{
    DiagnosticEntry, DiagnosticPlace, DiagnosticView, DiagnosticsFormat, DiagnosticsQuery,
    DiagnosticsReport, DiagnosticsView, JobDiagnostics, RelatedPlace, SeverityFilter, SourceLine,
};
pub use enrollment::{
    AgentHold, EnrollmentView, HoldKind, HoldRequest, MadeEnrollment, NewEnrollment,
};
pub use error::{ErrorBody, ErrorEnvelope};
pub use event::{Event, EventKind};
pub use history::{HistoryQuery, HistoryView, PastBuild, PastJob};
pub use hook::{
    DeliveryReceipt, DeliveryView, HookView, LoginView, NewTarget, NoticeView, PutHook, PutLogin,
    TargetView,
};
pub use job::{AttemptView, Job, JobKind, JobSummary, SandboxView, StepView, UsageView};
pub use log::{LogEvent, LogQuery, LogStreamEnd};
pub use page::{DEFAULT_PAGE, MAX_PAGE, Page, page_limit};
pub use project::{ChangeProject, NewProject, ProjectView};
pub use queue::{PauseRequest, QueuePause, QueueRules, QueueView};
pub use retention::{
    Pin, PinRequest, ProjectRetention, ProjectUsage, RetentionEntry, RetentionReport, Usage,
};
pub use secret::{ClaimedSecret, ClaimedSecrets, PutSecret, SecretView, TrustedRefs};
pub use submit::{GitSubmission, SourceSubmission, StepSubmission, SubmitBuild};
pub use token::{AuditEntry, AuditFilter, MadeToken, NewSession, NewToken, TokenView, WhoView};
pub use toolchain::{AgentToolchain, ToolchainView};
pub use upload::{TreeBase, Upload, UploadSubmission};
pub use watch::{HeadView, Rebuild, RebuiltView, WatchView};

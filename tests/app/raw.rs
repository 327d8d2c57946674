//! An agent played by hand: every message of the agent API, in any order.

use std::time::Duration;

use kiln::{
    client::{AgentClient, AttemptClient, ClientError},
    model::{
        AgentId, Cause, ClaimId, Clock, CommitInfo, Frame, FrameKind, Stream, SystemClock,
        Timestamp, ToolchainName, Verdict,
    },
    protocol::{
        AgentStatus, Build, ClaimRequest, Claimed, FinishReport, LogEnd, PROTOCOL_VERSION,
        PlanReport, RegisterRequest, UsageView, Work,
    },
};
use serde_json::Value;

use crate::{
    farm::{Farm, clang, gcc},
    script,
};

/// An agent that does only what it is told.
pub(crate) struct Raw {
    pub(crate) id: AgentId,
    pub(crate) token: String,
    pub(crate) client: AgentClient,
    pub(crate) toolchains: Vec<ToolchainName>,
}

impl Raw {
    /// Registers.
    pub(crate) async fn new(farm: &Farm, name: &str) -> Self {
        Self::at(&farm.url(), &farm.enrollment, name).await
    }

    /// Registers with a server.
    pub(crate) async fn at(url: &str, enrollment: &str, name: &str) -> Self {
        let enrolling = AgentClient::new(url, Some(enrollment.to_owned())).unwrap();
        let request = RegisterRequest {
            name: name.to_owned(),
            protocol: PROTOCOL_VERSION,
            version: "1".to_owned(),
            process: String::new(),
        };
        let answer = enrolling.register(&request).await.unwrap();
        let client = AgentClient::new(url, Some(answer.token.clone())).unwrap();
        let toolchains = vec![gcc(), clang()];
        Self { id: answer.agent, token: answer.token, client, toolchains }
    }

    pub(crate) fn request(&self, wait: Duration) -> ClaimRequest {
        let status = AgentStatus {
            workers: 1,
            toolchains: self.toolchains.iter().map(script::present).collect(),
            ..AgentStatus::default()
        };
        let wait_ms = u64::try_from(wait.as_millis()).unwrap();
        ClaimRequest {
            claim: ClaimId::new(SystemClock.now()),
            wait_ms,
            status,
            protocol: PROTOCOL_VERSION,
            process: String::new(),
            begins: false,
            takes_secrets: true,
        }
    }

    /// A job, if there is one now.
    pub(crate) async fn claim(&self) -> Option<Claimed> {
        self.client.claim(&self.request(Duration::ZERO)).await.unwrap()
    }

    pub(crate) fn attempt(&self, claimed: &Claimed) -> AttemptClient {
        self.client.attempt(claimed.job, claimed.attempt)
    }

    /// Submits a build, plans it, and claims its first leg.
    pub(crate) async fn leg(&self, farm: &Farm, more: Value) -> (Build, Claimed) {
        let build = farm.submit_raw(more).await;
        self.plan().await;
        let leg = self.claim().await.expect("a leg waits");
        assert!(matches!(leg.work, Work::Leg { .. }) && leg.build == build.id);
        (farm.build(build.id).await, leg)
    }

    /// Claims a plan and reports that there is a project.
    pub(crate) async fn plan(&self) -> Claimed {
        let plan = self.claim().await.expect("a plan waits");
        assert!(matches!(plan.work, Work::Plan { .. }), "{plan:?}");
        self.attempt(&plan).finish(&planned()).await.unwrap();
        plan
    }

    /// Ends an attempt that has no log.
    pub(crate) async fn end(&self, claimed: &Claimed, verdict: Verdict) {
        self.attempt(claimed).finish(&report(verdict, LogEnd::default())).await.unwrap();
    }
}

/// The report of a plan that found a project without a recipe of its own.
pub(crate) fn planned() -> FinishReport {
    let info = CommitInfo {
        author: "A. Author".to_owned(),
        email: "a@example.org".to_owned(),
        message: "first\n\nmore".to_owned(),
        committed_at: Timestamp::from_millis(1_700_000_000_000),
        changed_paths: Vec::new(),
    };
    let plan = PlanReport { info, recipe_file: None, no_choice: None };
    FinishReport { plan: Some(Box::new(plan)), ..report(Verdict::Success, LogEnd::default()) }
}

/// The report of an attempt that kept nothing.
pub(crate) fn report(verdict: Verdict, log_end: LogEnd) -> FinishReport {
    let message = match verdict {
        Verdict::Success => String::new(),
        Verdict::Failed(cause) => format!("it was {cause}"),
    };
    FinishReport {
        verdict,
        message,
        log_end,
        usage: UsageView::default(),
        diagnostics: None,
        artifacts: None,
        plan: None,
    }
}

pub(crate) const COMPILE_FAILED: Verdict = Verdict::Failed(Cause::Compile);

/// Frames on the wire, one for each piece, from `end` on; `end` moves behind them.
pub(crate) fn frames(end: &mut LogEnd, pieces: &[(Stream, &[u8])]) -> Vec<u8> {
    let mut wire = Vec::new();
    for (stream, bytes) in pieces {
        let frame = Frame {
            seq: end.seq,
            offset: end.offset,
            at: SystemClock.now(),
            step: Some(0),
            kind: FrameKind::Data(*stream, bytes.to_vec()),
        };
        *end = LogEnd { seq: frame.seq + 1, offset: frame.end() };
        frame.encode(&mut wire);
    }
    wire
}

/// The code of a refusal.
#[track_caller]
pub(crate) fn code<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> (u16, String) {
    match answer {
        Err(ClientError::Refused { status, body }) => (status, body.code),
        other => panic!("it is not refused: {other:?}"),
    }
}

/// What a message of an attempt that has lost its job is answered with.
pub(crate) fn stale() -> (u16, String) {
    (409, "stale_attempt".to_owned())
}

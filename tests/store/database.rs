//! Either database, empty, with what the store's tests write into it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use kiln::{
    config::Database,
    model::{
        AgentId, BuildId, ClaimId, Clock, CommitInfo, Limits, ManualClock, Principal, SystemClock,
        Timestamp, ToolchainName, Verdict,
    },
    protocol::{
        AgentStatus, BuildSource, ClaimRequest, Claimed, FinishReport, GitSource, LogEnd,
        PROTOCOL_VERSION, PlanReport, PresentToolchain, SubmitBuild, UsageView, Work,
    },
    queue::{Queue, QueueError, QueueSettings, Submission},
    secrets::{SealingKey, Secrets},
    store::{NewAgent, Store},
};

use crate::support::postgres::Postgres;

pub(crate) struct Place {
    pub(crate) store: Store,
    pub(crate) database: Database,
    pub(crate) postgres: Option<Postgres>,
    _folder: tempfile::TempDir,
}

impl Place {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(folder.path().join("kiln.db"));
        Self::open(database, None, folder).await
    }

    pub(crate) async fn postgres() -> Self {
        let postgres = Postgres::start();
        let database = Database::parse(&postgres.url()).unwrap();
        Self::open(database, Some(postgres), tempfile::tempdir().unwrap()).await
    }

    async fn open(
        database: Database,
        postgres: Option<Postgres>,
        folder: tempfile::TempDir,
    ) -> Self {
        let store = Store::open(&database).await.unwrap();
        Self { store, database, postgres, _folder: folder }
    }

    /// The queue of one more server. On SQLite there is only one, which this is another handle of.
    pub(crate) async fn queue(&self) -> Queue {
        let store = match self.database {
            Database::Sqlite(_) => self.store.clone(),
            Database::Postgres { .. } => Store::open(&self.database).await.unwrap(),
        };
        queue(store, Arc::new(SystemClock), Duration::from_secs(30)).await
    }
}

pub(crate) fn gcc() -> ToolchainName {
    "gcc:14".parse().unwrap()
}

/// The secrets of a store, of which all servers of a test have the key.
pub(crate) async fn secrets(store: Store) -> Secrets {
    Secrets::open(store, SealingKey::from_text("the key of these tests")).await.unwrap()
}

pub(crate) async fn queue(store: Store, clock: Arc<dyn Clock>, lease: Duration) -> Queue {
    let limits = Limits::default();
    let settings = QueueSettings::new([gcc()].into(), vec![gcc()], limits.clone(), limits);
    Queue::new((store.clone(), secrets(store).await), clock, QueueSettings { lease, ..settings })
}

/// Agents of a test: any id will do, the queue does not ask who they are.
pub(crate) async fn agent(store: &Store, name: &str) -> AgentId {
    let now = SystemClock.now();
    let mut tx = store.begin().await.unwrap();
    let hash = format!("hash of {name}");
    let labels = BTreeSet::new();
    let new = NewAgent { name, token_hash: &hash, labels: &labels, process: "" };
    let id = store.register_agent(&mut tx, AgentId::new(now), &new, now).await.unwrap();
    tx.commit().await.unwrap();
    id
}

pub(crate) fn request(key: Option<&str>) -> Submission {
    let url = "https://example.com/x.git".to_owned();
    let request: SubmitBuild =
        serde_json::from_value(serde_json::json!({"source": {"git": {"url": url}}})).unwrap();
    Submission {
        principal: Principal::LocalAdministrator,
        request,
        source: BuildSource::Git(GitSource { url, reference: None }),
        commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
        project: None,
        resolved_ref: None,
        trigger: kiln::protocol::Trigger::Manual,
        key: key.map(str::to_owned),
    }
}

pub(crate) fn status() -> AgentStatus {
    let toolchain = PresentToolchain {
        name: gcc(),
        image: "sha256:0".to_owned(),
        recipe_digest: String::new(),
        compiler: "gcc 14".to_owned(),
    };
    AgentStatus { workers: 1, toolchains: vec![toolchain], ..AgentStatus::default() }
}

pub(crate) fn claim() -> ClaimRequest {
    ClaimRequest {
        claim: ClaimId::new(SystemClock.now()),
        wait_ms: 0,
        status: status(),
        protocol: PROTOCOL_VERSION,
        process: String::new(),
        begins: false,
        takes_secrets: true,
    }
}

/// Ends a job as an agent does that has nothing to say.
pub(crate) async fn finish(
    queue: &Queue,
    agent: AgentId,
    claimed: &Claimed,
) -> Result<(), QueueError> {
    finish_with(queue, agent, claimed, (Verdict::Success, LogEnd::default())).await
}

/// The same after a log that reaches to `log_end`.
pub(crate) async fn finish_with(
    queue: &Queue,
    agent: AgentId,
    claimed: &Claimed,
    (verdict, log_end): (Verdict, LogEnd),
) -> Result<(), QueueError> {
    let report = FinishReport { log_end, ..report(claimed, verdict) };
    finish_reported(queue, agent, claimed, report).await
}

/// What an agent says of an attempt that has nothing to say.
pub(crate) fn report(claimed: &Claimed, verdict: Verdict) -> FinishReport {
    let is_planned = matches!(claimed.work, Work::Plan { .. }) && verdict == Verdict::Success;
    let plan = is_planned.then(|| {
        Box::new(PlanReport {
            info: CommitInfo {
                author: "A".to_owned(),
                email: String::new(),
                message: "M".to_owned(),
                committed_at: Timestamp::from_millis(0),
                changed_paths: Vec::new(),
            },
            recipe_file: None,
            no_choice: None,
        })
    });
    FinishReport {
        verdict,
        message: String::new(),
        log_end: LogEnd::default(),
        usage: UsageView::default(),
        diagnostics: None,
        artifacts: None,
        plan,
    }
}

/// The same with a report of its own.
pub(crate) async fn finish_reported(
    queue: &Queue,
    agent: AgentId,
    claimed: &Claimed,
    report: FinishReport,
) -> Result<(), QueueError> {
    queue.finish(agent, claimed.job, claimed.attempt, report).await
}

/// Submits builds and answers their ids.
pub(crate) async fn submit(queue: &Queue, count: usize) -> Vec<BuildId> {
    let mut builds = Vec::new();
    for _ in 0..count {
        builds.push(queue.submit(request(None)).await.unwrap());
    }
    builds
}

pub(crate) fn manual() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(SystemClock.now()))
}

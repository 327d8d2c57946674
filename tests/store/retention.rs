//! A year of builds, swept every few days, against rules that are written down once more here, in the
//! plainest way.

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use kiln::{
    artifact::{ArtifactStore, AttemptKey, ObjectName},
    model::{
        BuildId, Cause, Clock as _, ManualClock, ProjectId, RetentionPolicy, RetentionRules,
        Revision, Timestamp, Verdict,
    },
    protocol::{ArtifactsSummary, BuildSource, GitSource, Pin, Work},
    queue::{Queue, Submission},
    retention::Retention,
    store::{ProjectRow, Store},
};
use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::database::{Place, agent, claim, finish_reported, gcc, queue, report, request};

const DAY: Duration = Duration::from_hours(24);
const BRANCHES: [&str; 5] = ["main", "dev", "old", "feature/a", "feature/b"];

/// What is known of a build, and what is to be left of it.
#[derive(Clone, Debug)]
struct Known {
    id: BuildId,
    url: String,
    reference: Option<String>,
    policy: RetentionPolicy,
    success: bool,
    finished_at: Timestamp,
    pinned: bool,
    /// Where the objects of its attempts are.
    folders: Vec<String>,
    is_there: bool,
    artifacts: bool,
    log: bool,
}

/// The rules of the documentation, build by build.
fn expect(builds: &mut [Known], now: Timestamp) {
    let before = builds.to_vec();
    for build in builds.iter_mut().filter(|build| build.is_there) {
        let same = |other: &&Known| {
            other.is_there
                && other.url == build.url
                && build.reference.is_some()
                && other.reference == build.reference
        };
        let newest_success =
            before.iter().filter(same).filter(|other| other.success).map(|other| other.id).max();
        let newer = before.iter().filter(same).filter(|other| other.id > build.id).count();
        let policy = &build.policy;
        let is_tag = build.reference.as_ref().is_some_and(|name| name.starts_with("refs/tags/"));
        if build.pinned
            || (policy.keep_tags && is_tag)
            || (policy.keep_last_success && newest_success == Some(build.id))
        {
            continue;
        }
        let days = now.since(build.finished_at).as_secs() / 86_400;
        let is_over = |limit: u32| limit > 0 && days >= limit.into();
        let most = policy.builds_per_branch as usize;
        if is_over(policy.build_days) || (most > 0 && build.reference.is_some() && newer >= most) {
            (build.is_there, build.artifacts, build.log) = (false, false, false);
            continue;
        }
        build.artifacts &= !is_over(policy.artifact_days);
        build.log &= !is_over(policy.log_days);
    }
}

/// An installation whose time this test has in its hands.
struct History {
    place: Place,
    clock: Arc<ManualClock>,
    queue: Queue,
    artifacts: ArtifactStore,
    retention: Retention,
    folder: tempfile::TempDir,
    random: StdRng,
    agent: kiln::model::AgentId,
    projects: Vec<(Option<ProjectId>, RetentionPolicy)>,
    builds: Vec<Known>,
}

impl History {
    async fn new(seed: u64) -> Self {
        let place = Place::sqlite().await;
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_750_000_000_000)));
        let folder = tempfile::tempdir().unwrap();
        let artifacts = ArtifactStore::local(folder.path()).unwrap();
        let store = place.store.clone();
        let defaults = RetentionPolicy {
            build_days: 200,
            artifact_days: 30,
            log_days: 60,
            ..RetentionPolicy::default()
        };
        let retention = Retention::new(
            (store.clone(), artifacts.clone()),
            Arc::<ManualClock>::clone(&clock),
            defaults,
        );
        let queue =
            queue(store.clone(), Arc::<ManualClock>::clone(&clock), Duration::from_hours(1)).await;
        let rules = [
            RetentionRules::default(),
            RetentionRules {
                builds_per_branch: Some(4),
                artifact_days: Some(5),
                log_days: Some(0),
                ..RetentionRules::default()
            },
            RetentionRules {
                build_days: Some(40),
                keep_last_success: Some(false),
                keep_tags: Some(false),
                ..RetentionRules::default()
            },
        ];
        let mut projects = vec![(None, defaults)];
        for (number, rules) in rules.iter().enumerate() {
            let id = add_project(&store, number, rules, clock.now()).await;
            projects.push((Some(id), rules.over(&defaults)));
            clock.advance(Duration::from_millis(1));
        }
        let agent = agent(&store, "a").await;
        let random = StdRng::seed_from_u64(seed);
        let builds = Vec::new();
        Self { place, clock, queue, artifacts, retention, folder, random, agent, projects, builds }
    }

    fn one_in(&mut self, many: u32) -> bool {
        self.random.random_range(0..many) == 0
    }

    /// One build of somebody's, that ends somehow.
    async fn build(&mut self, day: u32) {
        self.clock.advance(Duration::from_millis(7));
        let which = self.random.random_range(0..self.projects.len());
        let (project, policy) = self.projects[which];
        let url = format!("https://example.com/{which}.git");
        let branch = self.random.random_range(0..BRANCHES.len());
        let reference = match self.random.random_range(0..10_u32) {
            0 => None,
            1 => Some(format!("refs/tags/v{day}")),
            // A branch that nobody builds any more still has its newest success.
            _ if BRANCHES[branch] == "old" && day > 60 => Some("refs/heads/main".to_owned()),
            _ => Some(format!("refs/heads/{}", BRANCHES[branch])),
        };
        let mut commit = [0; 20];
        self.random.fill_bytes(&mut commit);
        let commit: Revision = hex::encode(commit).parse().unwrap();
        let id = self
            .queue
            .submit(Submission {
                source: BuildSource::Git(GitSource { url: url.clone(), reference: None }),
                commit: commit.clone(),
                project,
                resolved_ref: reference.clone(),
                ..request(None)
            })
            .await
            .unwrap();
        let success = !self.one_in(3);
        let mut folders = self.run(&commit, success).await;
        if self.one_in(12) {
            // Tried again, with the same end.
            let job = self.queue.build(id).await.unwrap().unwrap().jobs[0].id;
            self.clock.advance(Duration::from_mins(1));
            self.queue.retry_job(job).await.unwrap();
            folders.extend(self.run(&commit, success).await);
        }
        let pinned = self.one_in(25);
        if pinned {
            let pin =
                Pin { reason: "shipped".to_owned(), by: "a".to_owned(), since: self.clock.now() };
            let mut tx = self.place.store.begin().await.unwrap();
            self.place.store.set_pin(&mut tx, id, Some(&pin)).await.unwrap();
            tx.commit().await.unwrap();
        }
        let finished_at = self.place.store.build(id).await.unwrap().unwrap().finished_at.unwrap();
        self.builds.push(Known {
            id,
            url,
            reference,
            policy,
            success,
            finished_at,
            pinned,
            folders,
            is_there: true,
            artifacts: true,
            log: true,
        });
    }

    /// Runs what waits to its end, and gives the folders of what it left.
    async fn run(&mut self, commit: &Revision, success: bool) -> Vec<String> {
        let mut folders = Vec::new();
        while let Some(claimed) = self.queue.claim(self.agent, &claim()).await.unwrap() {
            let is_plan = matches!(claimed.work, Work::Plan { .. });
            let toolchain = if is_plan { "plan".parse().unwrap() } else { gcc() };
            let key = AttemptKey::new(commit.clone(), &toolchain, claimed.job, claimed.attempt);
            let verdict =
                if is_plan || success { Verdict::Success } else { Verdict::Failed(Cause::Compile) };
            let names: &[ObjectName] = if is_plan { &[ObjectName::Log] } else { &ObjectName::ALL };
            for name in names {
                self.artifacts.put_bytes(&key.object(*name), "0123456789".into()).await.unwrap();
            }
            let summary = ArtifactsSummary {
                files: 1,
                bytes: 10,
                archive_bytes: 10,
                tar_sha256: "0".repeat(64),
            };
            let mut report = report(&claimed, verdict);
            report.artifacts = (!is_plan).then_some(summary);
            self.clock.advance(Duration::from_secs(30));
            finish_reported(&self.queue, self.agent, &claimed, report).await.unwrap();
            let mut tx = self.place.store.begin().await.unwrap();
            self.place.store.mark_sealed(&mut tx, claimed.job, claimed.attempt).await.unwrap();
            tx.commit().await.unwrap();
            let (job, attempt) = (claimed.job, claimed.attempt);
            folders.push(format!("{commit}/{}/{job}/{attempt}", toolchain.as_key()));
        }
        folders
    }

    /// What is there, row by row and object by object, is what is expected.
    async fn check(&self, when: &str, may_have_more: bool) {
        let mut wanted = BTreeSet::new();
        for build in &self.builds {
            let row = self.place.store.build(build.id).await.unwrap();
            assert_eq!(row.is_some(), build.is_there, "{when}: {build:?}");
            for folder in &build.folders {
                for name in ObjectName::ALL {
                    let is_plan = folder.contains("/plan/");
                    let is_kept = match name {
                        ObjectName::Log => build.log,
                        ObjectName::Archive | ObjectName::Manifest => build.artifacts && !is_plan,
                        ObjectName::Diagnostics => build.is_there && !is_plan,
                    };
                    if is_kept {
                        wanted.insert(format!("{folder}/{}", name.as_str()));
                    }
                }
            }
        }
        let there = objects(self.folder.path());
        let lost: Vec<_> = wanted.difference(&there).collect();
        assert!(lost.is_empty(), "{when}: {lost:?} are gone");
        let more: Vec<_> = there.difference(&wanted).collect();
        assert!(may_have_more || more.is_empty(), "{when}: {more:?} stayed");
    }
}

async fn add_project(
    store: &Store,
    number: usize,
    rules: &RetentionRules,
    now: Timestamp,
) -> ProjectId {
    let row = ProjectRow {
        id: ProjectId::new(now),
        name: format!("p{number}").parse().unwrap(),
        url: Some(format!("https://example.com/{}.git", number + 1)),
        created_by: "local".to_owned(),
        created_at: now,
    };
    let mut tx = store.begin().await.unwrap();
    store.insert_project(&mut tx, &row).await.unwrap();
    store.set_retention_rules(&mut tx, row.id, rules).await.unwrap();
    tx.commit().await.unwrap();
    row.id
}

/// The keys of all objects.
fn objects(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let key = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                if ObjectName::ALL.iter().any(|name| key.ends_with(name.as_str())) {
                    found.insert(key);
                }
            }
        }
    }
    found
}

#[tokio::test]
async fn of_a_year_exactly_that_is_kept_which_the_rules_keep() {
    for seed in [1, 2] {
        let mut history = History::new(seed).await;
        for day in 0..365 {
            history.clock.advance(DAY);
            for _ in 0..history.random.random_range(0..3_u32) {
                history.build(day).await;
            }
            if history.one_in(9) {
                let now = history.clock.now();
                let planned = history.retention.plan().await.unwrap();
                expect(&mut history.builds, now);
                let done = history.retention.sweep().await.unwrap().unwrap();
                assert_eq!(planned, done, "day {day}: a plan is what is done then");
                history.check(&format!("seed {seed}, day {day}"), false).await;
            }
        }
        let kept = history.builds.iter().filter(|build| build.is_there).count();
        assert!(kept > 30 && kept * 3 < history.builds.len() * 2, "{kept}");
    }
}

/// A server that dies in the middle of it leaves no row that has lost its objects; what of objects has
/// lost its row is what the sweep of orphans is for.
#[tokio::test]
async fn a_sweep_that_is_cut_off_anywhere_goes_on_the_next_time() {
    let mut history = History::new(3).await;
    for day in 0..120 {
        history.clock.advance(DAY);
        history.build(day).await;
    }
    history.clock.advance(DAY * 80);
    let now = history.clock.now();
    let mut cut = 0;
    for _ in 0..40 {
        let most = Duration::from_micros(history.random.random_range(100..20_000));
        match tokio::time::timeout(most, history.retention.sweep()).await {
            Err(_) => cut += 1,
            Ok(done) => assert!(done.unwrap().is_some()),
        }
        // Whatever is there as a row has its objects.
        for build in &history.builds {
            let Some(row) = history.place.store.build(build.id).await.unwrap() else { continue };
            for kept in history.place.store.objects_of_build(row.id).await.unwrap() {
                let Some(toolchain) = kept.toolchain else { continue };
                let key = AttemptKey::new(kept.commit, &toolchain, kept.job, kept.attempt);
                if kept.archive_bytes.is_some() {
                    let archive = history.artifacts.head(&key.object(ObjectName::Archive)).await;
                    assert!(archive.unwrap().is_some(), "{build:?}");
                }
            }
        }
    }
    assert!(cut > 0, "none was cut off");
    expect(&mut history.builds, now);
    history.retention.sweep().await.unwrap().unwrap();
    history.check("in the end", true).await;
}

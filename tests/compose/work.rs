//! What an installation is given to do, and how to tell that it was done once and whole.

use std::{fs, path::PathBuf, time::Duration};

use kiln::{
    client::Rest,
    model::{BuildId, Cause, JobId, Outcome},
    protocol::{Build, BuildState, Job, LogQuery},
};

use super::{
    engine,
    installation::{Installation, PATIENCE},
    program::eventually,
    support::{catalog, repo::git},
};

/// The lines that the slow project prints, half a second apart.
const TICKS: u32 = 40;

/// Builds a project that somebody else wrote from a working tree, fetches what it made, and runs that.
pub(crate) fn builds_a_real_project(at: &Installation) {
    let project = catalog::project("lua5.4");
    let fetched = project.fetch();
    let (tree, kept) = (at.scratch("lua"), at.scratch("kept"));
    let clone = ["clone", "--quiet", fetched.path.to_str().unwrap(), tree.to_str().unwrap()];
    assert!(git(&at.scratch(""), &clone).status().unwrap().success());
    let (tree, kept_arg) = (tree.to_str().unwrap(), kept.to_str().unwrap());
    let ran = at.kiln(["build", tree, "-t", "gcc:14", "--download", kept_arg]).exits(0);
    let build = the_build(at, build_of(&ran.text())).unwrap();
    let job = the_job(at, build.jobs[0].id).unwrap();
    assert_eq!(job.summary.outcome, Some(Outcome::Success), "{job:?}");
    let image = &job.attempts[0].sandbox.as_ref().expect("the sandbox is known").image;
    let proof = engine::proof(image, &kept.join("gcc-14"), project.proof).exits(0);
    assert_eq!(proof.text(), project.prints, "{}", proof.stderr);
    let log = log_of(at, job.summary.id, 1);
    assert!(log.contains("lua.o"), "the compiler's lines are there: {log}");
}

/// A project that takes its time, in a folder.
pub(crate) fn slow_project(at: &Installation) -> PathBuf {
    let folder = at.scratch("slow");
    fs::create_dir(&folder).unwrap();
    let ticks: Vec<_> = (1..=TICKS).map(|n| n.to_string()).collect();
    let makefile = format!(
        "all: app\n\t@for n in {}; do echo tick $$n; sleep 0.5; done\n\napp: app.o\n\t$(CC) -o $@ app.o\n",
        ticks.join(" ")
    );
    fs::write(folder.join("Makefile"), makefile).unwrap();
    fs::write(folder.join("app.c"), "int main(void) {\n    return 0;\n}\n").unwrap();
    folder
}

/// Asks for builds of a folder without waiting for them.
pub(crate) fn submit(at: &Installation, folder: &str, count: usize) -> Vec<BuildId> {
    let one = || build_of(&at.kiln(["build", folder, "-t", "gcc:14", "--detach"]).exits(0).text());
    (0..count).map(|_| one()).collect()
}

/// The jobs of these builds that have an attempt that has written a tick, with its agent's name.
pub(crate) fn ticking(at: &Installation, builds: &[BuildId]) -> Vec<(JobId, String)> {
    let agents = at.asked(|rest| async move { rest.agents().await }).unwrap();
    let name = |id| {
        let agent = agents.items.iter().find(|agent| agent.id == id);
        agent.map(|agent| agent.name.clone())
    };
    let found = builds.iter().filter_map(|&build| {
        let id = the_build(at, build).ok()?.jobs.first()?.id;
        let job = the_job(at, id).ok()?;
        let attempt = job.attempts.last().filter(|_| job.summary.outcome.is_none())?;
        let ticks = attempt.log_bytes > 0 && log_of(at, id, attempt.number).contains("tick 2\n");
        ticks.then(|| Some((id, name(attempt.agent)?)))?
    });
    found.collect()
}

/// Waits until each of these agents is at a job of these builds that has begun to tick.
#[track_caller]
pub(crate) fn all_tick(at: &Installation, builds: &[BuildId], agents: usize) {
    let busy = || {
        let mut names: Vec<_> = ticking(at, builds).into_iter().map(|(_, name)| name).collect();
        names.sort();
        names.dedup();
        names
    };
    let all = eventually(Duration::from_mins(2), || (busy().len() == agents).then_some(()));
    assert!(all.is_some(), "of {agents} agents only these build: {:?}", busy());
}

/// Waits for the end of these builds: each job succeeded in exactly one attempt, which is its last,
/// is whole, and left its program; what went wrong before was the loss of the agent. Gives the
/// number of attempts that were lost.
#[track_caller]
pub(crate) fn all_end_once(at: &Installation, builds: &[BuildId]) -> usize {
    let mut lost = 0;
    for &build in builds {
        let ended = eventually(PATIENCE, || {
            the_build(at, build).ok().filter(|build| build.state == BuildState::Finished)
        });
        let ended = ended.unwrap_or_else(|| panic!("it does not end: {:?}", the_build(at, build)));
        assert_eq!(ended.outcome, Some(Outcome::Success), "{ended:?}");
        assert_eq!(ended.jobs.len(), 1, "{ended:?}");
        let job = the_job(at, ended.jobs[0].id).unwrap();
        let (last, earlier) = job.attempts.split_last().expect("it ran");
        assert_eq!(last.outcome, Some(Outcome::Success), "{job:?}");
        for attempt in earlier {
            assert_eq!(attempt.cause, Some(Cause::AgentLost), "{job:?}");
        }
        lost += earlier.len();
        is_whole(&log_of(at, job.summary.id, last.number));
        let folder = at.scratch(&format!("kept-{build}"));
        let to = ["--download", folder.to_str().unwrap()];
        // The client compares every file with its digest.
        at.kiln(["artifacts", &build.to_string()].into_iter().chain(to)).exits(0);
        assert!(folder.join("gcc-14/app").is_file(), "{:?}", fs::read_dir(&folder));
    }
    lost
}

/// Every tick is there once and in its place.
#[track_caller]
fn is_whole(log: &str) {
    assert_eq!(ticks(log), (1..=TICKS).collect::<Vec<_>>(), "{log}");
}

/// Of each attempt, one after the other, what there was of it: the last is whole.
#[track_caller]
pub(crate) fn ends_whole(log: &str) {
    let mut ticks = ticks(log);
    let last = ticks.iter().rposition(|&tick| tick == 1).expect("it ticks");
    assert_eq!(ticks.split_off(last), (1..=TICKS).collect::<Vec<_>>(), "{log}");
    for earlier in ticks.chunk_by(|one, next| one < next) {
        assert!((1..).zip(earlier).all(|(wanted, &tick)| wanted == tick), "{log}");
    }
}

fn ticks(log: &str) -> Vec<u32> {
    let ticks = log.lines().filter_map(|line| line.strip_prefix("tick "));
    ticks.map(|number| number.parse().unwrap()).collect()
}

/// The id in `build ID of …`, the first line of `kiln build --detach` and of a build that is followed.
#[track_caller]
pub(crate) fn build_of(stdout: &str) -> BuildId {
    let line = stdout.lines().find_map(|line| line.strip_prefix("build "));
    let id = line.and_then(|rest| rest.split(' ').next()?.parse().ok());
    id.unwrap_or_else(|| panic!("no id of a build in {stdout:?}"))
}

fn the_build(at: &Installation, id: BuildId) -> Result<Build, kiln::client::ClientError> {
    at.asked(|rest: Rest| async move { rest.build(id).await })
}

fn the_job(at: &Installation, id: JobId) -> Result<Job, kiln::client::ClientError> {
    at.asked(|rest: Rest| async move { rest.job(id).await })
}

/// The log of an attempt, as it is now; empty while the server is away.
fn log_of(at: &Installation, job: JobId, attempt: u32) -> String {
    let query = LogQuery { attempt: Some(attempt), ..LogQuery::default() };
    let bytes = at.asked(|rest| async move {
        let mut bytes = Vec::new();
        rest.log(job, &query, &mut bytes).await.map(|_| bytes)
    });
    String::from_utf8(bytes.unwrap_or_default()).unwrap()
}

//! Watched repositories: from a push to the build in the queue, a thousand projects that are asked, and
//! what a commit on a known repository takes to come here.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use kiln::{
    config::{PrivateAddresses, SourceSettings},
    forge::SharedSecret,
    model::{Clock as _, ProjectName, SecretValue, SystemClock, Timestamp, WatchRules},
    protocol::{BuildFilter, NewProject, PutHook},
    source::{FetchSpec, Sources, Submodules},
};
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;
use tokio::{process::Child, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    bare::Bare,
    command, memory,
    report::{self, Report},
    samples::Samples,
};

/// Pushes that are timed.
const PUSHES: usize = 100;
/// Projects that are asked in one go.
const PROJECTS: usize = 1_000;
/// Commits on the large repository, and its files of 5 KiB.
const COMMITS: usize = 5;
const FILES: usize = 20_000;
const FILE_BYTES: usize = 5 << 10;
/// How long any of it may take.
const PATIENCE: Duration = Duration::from_mins(5);
/// What Linux counts processor time in, in a second.
const TICKS: f64 = 100.0;
const SECRET: &str = "a-secret-of-the-bench";

/// Measures all three.
pub(crate) async fn measure(report: &mut Report) -> anyhow::Result<()> {
    pushes(report).await.context("pushes")?;
    polling(report).await.context("a thousand projects")?;
    sources(report).await.context("sources")
}

/// Bare repositories in a folder, served by git's own daemon.
struct Served {
    folder: TempDir,
    daemon: Child,
    port: u16,
}

impl Served {
    async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("kiln-bench-").tempdir()?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let programs = command::output("git", &["--exec-path"]).await?;
        let daemon = command::command(Path::new(&programs).join("git-daemon"))
            .args(["--export-all", "--reuseaddr", "--listen=127.0.0.1"])
            .arg("--max-connections=0")
            .arg(format!("--port={port}"))
            .arg(format!("--base-path={}", folder.path().display()))
            .stderr(Stdio::null())
            .spawn()?;
        let began = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            ensure!(began.elapsed() < PATIENCE, "the git daemon does not start");
            sleep(Duration::from_millis(10)).await;
        }
        Ok(Self { folder, daemon, port })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.git"))
    }

    fn url(&self, name: &str) -> String {
        format!("git://127.0.0.1:{}/{name}.git", self.port)
    }

    /// An empty repository that gives out commits by their ids, as forges do.
    async fn make(&self, name: &str) -> anyhow::Result<()> {
        let path = self.path(name).display().to_string();
        command::output("git", &["init", "--quiet", "--bare", "--initial-branch=main", &path])
            .await?;
        let wanted = ["-C", &path, "config", "uploadpack.allowAnySHA1InWant", "true"];
        command::output("git", &wanted).await.map(drop)
    }

    /// A commit with these files on top of `main`.
    async fn commit(&self, name: &str, files: &[(String, Vec<u8>)]) -> anyhow::Result<String> {
        use tokio::io::AsyncWriteExt as _;
        let path = self.path(name);
        let head = command::command("git")
            .args(["rev-parse", "--quiet", "--verify", "main"])
            .current_dir(&path)
            .output()
            .await?;
        let mut text = Vec::new();
        text.extend_from_slice(
            b"commit refs/heads/main\ncommitter A <a@example.org> now\ndata 1\nx\n",
        );
        if head.status.success() {
            text.extend_from_slice(b"from ");
            text.extend_from_slice(&head.stdout);
        }
        for (path, bytes) in files {
            text.extend_from_slice(
                format!("M 100644 inline {path}\ndata {}\n", bytes.len()).as_bytes(),
            );
            text.extend_from_slice(bytes);
            text.push(b'\n');
        }
        let mut import = command::command("git")
            .args(["fast-import", "--quiet", "--force", "--date-format=now"])
            .current_dir(&path)
            .stdin(Stdio::piped())
            .spawn()?;
        let mut stdin = import.stdin.take().context("its input is piped")?;
        stdin.write_all(&text).await?;
        drop(stdin);
        ensure!(import.wait().await?.success(), "git fast-import failed");
        command::output("git", &["-C", &path.display().to_string(), "rev-parse", "main"]).await
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        self.daemon.kill().await?;
        Ok(())
    }
}

fn name(text: &str) -> anyhow::Result<ProjectName> {
    Ok(text.parse()?)
}

/// Rules that leave it to webhooks and to who asks.
fn rare() -> WatchRules {
    WatchRules { poll_seconds: Some(86_400), ..WatchRules::default() }
}

async fn watch(kiln: &Bare, project: &str, url: String) -> anyhow::Result<ProjectName> {
    let project = name(project)?;
    let new = NewProject { name: Some(project.clone()), url: Some(url) };
    kiln.rest.add_project(&new).await?;
    kiln.rest.watch_project(&project, &rare()).await?;
    Ok(project)
}

async fn pushes(report: &mut Report) -> anyhow::Result<()> {
    let (kiln, served) = (Bare::start(None).await?, Served::start().await?);
    served.make("mine").await?;
    let first = served.commit("mine", &[("a.c".to_owned(), b"int a;\n".to_vec())]).await?;
    let project = watch(&kiln, "mine", served.url("mine")).await?;
    let secret = SecretValue::new(SECRET.as_bytes().to_vec());
    kiln.rest.put_hook(&project, &PutHook { secret: Some(secret) }).await?;
    queued(&kiln, &first).await?;
    let key = SharedSecret::new(SECRET.to_owned()).context("it is long enough")?;
    let [mut hand, mut hook] = <[Samples; 2]>::default();
    let mut all = Vec::new();
    for number in 0..PUSHES {
        let files = [("a.c".to_owned(), format!("int a{number};\n").into_bytes())];
        let commit = served.commit("mine", &files).await?;
        let body = json!({"ref": "refs/heads/main", "before": first, "after": commit,
            "commits": [], "repository": {"clone_url": served.url("mine")}});
        let body = body.to_string();
        let signed = format!("sha256={}", key.sign(body.as_bytes()));
        let sent = SystemClock.now();
        let http = kiln.rest.http();
        let request = http
            .request(Method::POST, "api/v1/projects/mine/hook")
            .header("x-github-event", "push")
            .header("x-github-delivery", commit.as_str())
            .header("x-hub-signature-256", signed)
            .body(body);
        http.send(request).await?;
        let took = queued(&kiln, &commit).await?.since(sent);
        hook.add(took);
        all.push(took);
        let began = Instant::now();
        command::output("git", &["ls-remote", &served.url("mine")]).await?;
        hand.add(began.elapsed());
    }
    kiln.stop().await?;
    served.stop().await?;
    all.sort_unstable();
    let p99 = all[PUSHES * 99 / 100];
    report::title("From a push to its build in the queue, by webhook");
    report::by_hand("git ls-remote alone, by hand", &hand);
    report::beside("webhook, refs, the commit, the queue", &hook, &hand);
    report::row("  the 99th of a hundred", &format!("{} ms", p99.as_millis()), None);
    report.record(
        "watching: push to queued",
        json!({"ls_remote": hand.json(), "webhook": hook.json(), "p99_s": p99.as_secs_f64()}),
    );
    Ok(())
}

/// When the build of a commit came into the queue.
async fn queued(kiln: &Bare, commit: &str) -> anyhow::Result<Timestamp> {
    let began = Instant::now();
    let filter = BuildFilter { limit: Some(5), ..BuildFilter::default() };
    loop {
        let builds = kiln.rest.builds(&filter).await?.items;
        if let Some(build) = builds.iter().find(|build| build.commit.as_str() == commit) {
            return Ok(build.created_at);
        }
        ensure!(began.elapsed() < PATIENCE, "no build of {commit} came");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Processor time of a process and of its children that have ended, in seconds.
fn processor(process: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let rest = stat.rsplit(')').next().context("a line of /proc")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let ticks = fields[11..15].iter().map(|field| field.parse::<f64>().unwrap_or(0.0));
    Ok(ticks.sum::<f64>() / TICKS)
}

async fn polling(report: &mut Report) -> anyhow::Result<()> {
    let (kiln, served) = (Bare::start(None).await?, Served::start().await?);
    served.make("r0").await?;
    served.commit("r0", &[("a.c".to_owned(), b"int a;\n".to_vec())]).await?;
    let mut projects = Vec::new();
    for number in 0..PROJECTS {
        if number > 0 {
            let (from, to) = (served.path("r0"), served.path(&format!("r{number}")));
            let (from, to) = (from.display().to_string(), to.display().to_string());
            command::output("cp", &["-r", &from, &to]).await?;
        }
        let repository = format!("r{number}");
        projects.push(watch(&kiln, &repository, served.url(&repository)).await?);
    }
    all_seen(&kiln, &projects, Timestamp::from_millis(0)).await?;
    let before = processor(kiln.process)?;
    let (began, asked) = (Instant::now(), kiln.rest.project_watch(&projects[0]).await?.seen_at);
    let asked = asked.context("it was seen")?;
    sleep(Duration::from_millis(5)).await;
    for project in &projects {
        kiln.rest.check_project(project).await?;
    }
    all_seen(&kiln, &projects, asked.plus(Duration::from_millis(1))).await?;
    let (wall, used) = (began.elapsed(), processor(kiln.process)? - before);
    let held = memory::now(kiln.process)?;
    let shell = format!(
        "i=0; while [ $i -lt {PROJECTS} ]; do git ls-remote git://127.0.0.1:{}/r$i.git >/dev/null || exit 1; \
         i=$((i+1)); done; times",
        served.port
    );
    let began = Instant::now();
    let times = command::output("sh", &["-c", &shell]).await?;
    let by_hand = began.elapsed();
    let spent = shell_seconds(&times);
    kiln.stop().await?;
    served.stop().await?;
    report::title(&format!(
        "{PROJECTS} projects of one host asked for their refs, where nothing is new"
    ));
    let text = |wall: Duration, used: f64| {
        format!("{:.1} s, {used:.1} s of processor", wall.as_secs_f64())
    };
    report::row("git ls-remote in a loop, by hand", &text(by_hand, spent), None);
    let ratio = wall.as_secs_f64() / by_hand.as_secs_f64();
    report::row("kiln, all of them checked", &text(wall, used), Some(ratio));
    report::row("  its memory afterwards", &format!("{} MiB", held.all >> 10), None);
    report.record(
        "watching: a thousand projects",
        json!({"by_hand_s": by_hand.as_secs_f64(), "by_hand_cpu_s": spent, "kiln_s": wall.as_secs_f64(),
            "kiln_cpu_s": used, "kiln_kib": held.all, "ratio": ratio}),
    );
    Ok(())
}

/// The second line of `times`: user and system time of what a shell ran.
fn shell_seconds(times: &str) -> f64 {
    let line = times.lines().nth(1).unwrap_or_default();
    let one = |text: &str| {
        let (minutes, seconds) = text.trim_end_matches('s').split_once('m')?;
        Some(minutes.parse::<f64>().ok()? * 60.0 + seconds.parse::<f64>().ok()?)
    };
    line.split(' ').filter_map(one).sum()
}

async fn all_seen(kiln: &Bare, projects: &[ProjectName], since: Timestamp) -> anyhow::Result<()> {
    let began = Instant::now();
    for project in projects {
        loop {
            let watch = kiln.rest.project_watch(project).await?;
            if watch.seen_at.is_some_and(|at| at >= since) {
                break;
            }
            ensure!(began.elapsed() < PATIENCE, "{project} was not seen: {:?}", watch.problem);
            sleep(Duration::from_millis(10)).await;
        }
    }
    Ok(())
}

async fn sources(report: &mut Report) -> anyhow::Result<()> {
    let served = Served::start().await?;
    served.make("large").await?;
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33).to_le_bytes()[0]
    };
    let file = |number: usize| format!("d{}/f{number}.c", number % 200);
    let files: Vec<_> = (0..FILES)
        .map(|number| (file(number), (0..FILE_BYTES).map(|_| noise()).collect()))
        .collect();
    let base = served.commit("large", &files).await?;
    let settings = SourceSettings {
        schemes: "git".parse().map_err(anyhow::Error::msg)?,
        private: PrivateAddresses::Allow,
        source_bytes: 1 << 30,
        ..SourceSettings::default()
    };
    let data = tempfile::Builder::new().prefix("kiln-bench-").tempdir()?;
    let program = std::env::var_os("KILN_BENCH_BIN");
    let program = program.map_or_else(|| env!("CARGO_BIN_EXE_kiln").into(), PathBuf::from);
    let sources = Sources::with_helper(settings, data.path(), program)?;
    let url = sources.parse_url(&served.url("large"))?;
    let stop = CancellationToken::new();
    let spec = |commit: &str| -> anyhow::Result<FetchSpec> {
        let commit = commit.parse()?;
        let refname = Some("refs/heads/main".to_owned());
        Ok(FetchSpec { url: url.clone(), commit, refname, submodules: Submodules::LeftOut })
    };
    let [mut first, mut next, mut hand] = <[Samples; 3]>::default();
    let began = Instant::now();
    sources.fetch(&spec(&base)?, &stop).await?;
    first.add(began.elapsed());
    let mut bytes = 0;
    for number in 0..COMMITS {
        let commit = served.commit("large", &[(file(number), b"int changed;\n".to_vec())]).await?;
        let began = Instant::now();
        bytes = sources.fetch(&spec(&commit)?, &stop).await?.bytes;
        next.add(began.elapsed());
        let clone = tempfile::Builder::new().prefix("kiln-bench-").tempdir()?;
        let to = clone.path().join("clone").display().to_string();
        let began = Instant::now();
        let line = ["clone", "--quiet", "--bare", "--depth=1", &served.url("large"), &to];
        command::output("git", &line).await?;
        hand.add(began.elapsed());
    }
    served.stop().await?;
    let size = (FILES * FILE_BYTES) >> 20;
    report::title(&format!("One commit on a repository of {FILES} files, {size} MiB"));
    report::by_hand("git clone --depth=1, by hand", &hand);
    report::beside("the first fetch", &first, &hand);
    report::beside(&format!("a commit on what is known ({bytes} bytes)"), &next, &hand);
    report.record(
        "watching: sources",
        json!({"clone": hand.json(), "first": first.json(), "next": next.json(), "next_bytes": bytes,
            "ratio": next.median() / hand.median()}),
    );
    Ok(())
}

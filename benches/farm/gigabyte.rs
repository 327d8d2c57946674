//! An artifact of 1 GiB: an agent's upload and a client's download, beside plain copies of the same
//! bytes on the same disk, written out as the server does before it says "stored".

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use kiln::{
    archive::{Digest, Manifest, ManifestHeader},
    model::{CommitInfo, Timestamp, Verdict},
    protocol::{
        AgentStatus, ArtifactsSummary, FinishReport, LogEnd, PlanReport, PresentToolchain,
        UsageView,
    },
};
use serde_json::json;

use crate::{
    bare::{Bare, claim_as},
    report::{self, Report},
};

const BYTES: u64 = 1 << 30;
const ROUNDS: usize = 3;

pub(crate) async fn measure(report: &mut Report) -> anyhow::Result<()> {
    report::title(&format!("An artifact of 1 GiB, medians of {ROUNDS}"));
    let folder = tempfile::Builder::new().prefix("kiln-bench-").tempdir()?;
    let source = folder.path().join("source");
    fill(&source)?;
    let server = Bare::start(None).await?;
    let agent = server.agent("by hand").await?;
    let (mut copies, mut ups, mut downs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        copies.push(copied(&source, &folder.path().join("copy"))?);
        server.submit().await?;
        let plan = claim_as(&agent, AgentStatus::default()).await?.context("no plan waits")?;
        agent.attempt(plan.job, plan.attempt).finish(&planned()).await?;
        let status = AgentStatus {
            toolchains: vec![PresentToolchain {
                name: "gcc:14".parse()?,
                image: "sha256:0".to_owned(),
                recipe_digest: String::new(),
                compiler: "gcc 14".to_owned(),
            }],
            ..AgentStatus::default()
        };
        let mut leg = None;
        // The default toolchains are several; one of them is enough.
        while let Some(claimed) = claim_as(&agent, status.clone()).await? {
            leg = Some(claimed);
        }
        let leg = leg.context("no leg waits")?;
        let attempt = agent.attempt(leg.job, leg.attempt);
        let began = Instant::now();
        attempt.put_archive(&File::open(&source)?, BYTES).await?;
        ups.push(began.elapsed());
        let digest = Digest::of(b"");
        let header = ManifestHeader {
            revision: leg.source.revision().to_string(),
            toolchain: "gcc:14".to_owned(),
            image: "sha256:0".to_owned(),
            compiler: None,
            job: leg.job.to_string(),
            attempt: leg.attempt,
            modified: 0,
        };
        let manifest = Manifest {
            version: 1,
            header,
            tar_sha256: digest,
            tar_bytes: BYTES,
            archive_bytes: BYTES,
            files: Vec::new(),
        };
        attempt.put_manifest(serde_json::to_vec(&manifest)?).await?;
        let kept = ArtifactsSummary {
            files: 0,
            bytes: 0,
            archive_bytes: BYTES,
            tar_sha256: digest.to_string(),
        };
        attempt.finish(&FinishReport { artifacts: Some(kept), ..ended() }).await?;
        let mut sink = File::create(folder.path().join("download"))?;
        let began = Instant::now();
        let got = server.rest.archive(leg.job, &mut sink).await?;
        sink.sync_all()?;
        downs.push(began.elapsed());
        ensure!(got == BYTES, "{got} bytes came");
    }
    server.stop().await?;
    let [copy, up, down] = [copies, ups, downs].map(median);
    let ratio = |took: Duration| Some(took.as_secs_f64() / copy.as_secs_f64());
    report::row("a copy, written out", &rate(copy), None);
    report::row("upload, stored and hashed", &rate(up), ratio(up));
    report::row("download, written out", &rate(down), ratio(down));
    let [copy, up, down] = [copy, up, down].map(|took| took.as_secs_f64());
    report.record("gigabyte", json!({"copy_s": copy, "upload_s": up, "download_s": down}));
    Ok(())
}

fn rate(took: Duration) -> String {
    format!("{:.2} s, {:.0} MiB/s", took.as_secs_f64(), 1024.0 / took.as_secs_f64())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Bytes that do not compress, the same in every run.
fn fill(path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut block = vec![0; 1 << 20];
    for _ in 0..BYTES >> 20 {
        for word in block.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        file.write_all(&block)?;
    }
    file.sync_all()
}

fn copied(source: &Path, target: &Path) -> io::Result<Duration> {
    let _ = fs::remove_file(target);
    let began = Instant::now();
    fs::copy(source, target)?;
    File::open(target)?.sync_all()?;
    Ok(began.elapsed())
}

fn ended() -> FinishReport {
    FinishReport {
        verdict: Verdict::Success,
        message: String::new(),
        log_end: LogEnd::default(),
        usage: UsageView::default(),
        diagnostics: None,
        artifacts: None,
        plan: None,
    }
}

/// The report of a plan that found nothing of its own.
pub(crate) fn planned() -> FinishReport {
    let info = CommitInfo {
        author: "A".to_owned(),
        email: String::new(),
        message: "M".to_owned(),
        committed_at: Timestamp::from_millis(0),
        changed_paths: Vec::new(),
    };
    let plan = PlanReport { info, recipe_file: None, no_choice: None };
    FinishReport { plan: Some(Box::new(plan)), ..ended() }
}

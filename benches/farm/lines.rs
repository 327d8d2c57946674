//! A million lines, from the container to a finished download, against `docker logs`.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use kiln::{model::Stream, protocol::LogQuery};
use serde_json::json;

use crate::{
    hand::Hand,
    report::{self, Report},
    repository::Repository,
    samples::Samples,
    server::{Kiln, leg},
};

const TURNS: usize = 10;
/// The scenario and what makes it write.
const LINES: (&str, &str) = ("million-lines", "gcc -O2 -o lines lines.c && ./lines");

/// Measures in turns.
pub(crate) async fn measure(kiln: &Kiln, hand: &Hand, report: &mut Report) -> anyhow::Result<()> {
    let repository = Repository::of(LINES.0).await?;
    let (mut by_hand, mut by_kiln, mut downloads) =
        (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..TURNS {
        let (took, log) = hand.log(LINES).await?;
        check(&log).context("by hand")?;
        by_hand.add(took);
        let began = Instant::now();
        let built = kiln.build(&repository, LINES.1).await?;
        let (mut log, ended) = (Vec::new(), Instant::now());
        let query = LogQuery { stream: Some(Stream::Stdout), ..LogQuery::default() };
        kiln.rest().log(leg(&built.build)?, &query, &mut log).await?;
        by_kiln.add(began.elapsed());
        downloads.add(ended.elapsed());
        check(&log).context("kiln")?;
    }
    report::title("A log of 1 000 000 lines (24 MB), from the container to a finished download");
    report::by_hand("docker run (json-file), docker logs", &by_hand);
    report::beside("kiln build, then its log", &by_kiln, &by_hand);
    report::note(&format!("of which the download: {}", downloads.text()));
    report.record(
        "lines",
        json!({
            "by_hand": by_hand.json(), "kiln": by_kiln.json(), "kiln_download": downloads.json(),
            "ratio": by_kiln.median() / by_hand.median(),
        }),
    );
    Ok(())
}

/// Every line once and in order.
fn check(log: &[u8]) -> anyhow::Result<()> {
    let mut count = 0_u32;
    for line in log.split_inclusive(|&byte| byte == b'\n') {
        count += 1;
        ensure!(line == format!("this is line {count:010}\n").as_bytes(), "line {count} is wrong");
    }
    ensure!(count == 1_000_000, "{count} lines");
    Ok(())
}

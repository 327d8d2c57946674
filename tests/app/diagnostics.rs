//! What compilers said: as the API gives it, as JSON and as SARIF, and what an agent may store.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use kiln::{
    model::{DiagnosticKind, FileOrigin, Outcome, Severity},
    protocol::{DiagnosticsReport, JobDiagnostics},
    sandbox::{Exit, Scenario},
};
use serde_json::{Value, json};

use crate::{
    farm::{Farm, project},
    raw::{Raw, code},
    script::{err, mark, out},
    wire::{Answer, Ask},
};

/// Fails in the folder `lib`, with a warning of a header that two files include.
fn broken() -> Scenario {
    let mut acts = mark("s;0").to_vec();
    let once = "x.h:2:5: warning: unused variable \u{2018}a\u{2019} [-Wunused-variable]\n\
                x.h:1:1: note: declared here\n";
    acts.extend([
        out(b"make[1]: Entering directory '/workspace/src/lib'\n"),
        err(format!("{once}{once}").as_bytes()),
        err(b"b.c:2:7: error: expected ';'\n    2 | int x\n"),
        err(b"make: *** [Makefile:2: all] Error 1\n"),
    ]);
    acts.extend(mark("e;0;2"));
    let exit = Exit { code: 2, oom_killed: false, stopped: false, used: None };
    Scenario { acts, exit, ..Scenario::default() }
}

async fn get(farm: &Farm, target: String) -> Answer {
    Ask::get(&*target).send(farm.address()).await
}

#[tokio::test]
async fn errors_and_warnings_are_given_whole_and_as_sarif() {
    let farm = Farm::new(|_| broken()).await;
    let repo = project([
        ("lib/b.c", "int f(void) {\nint x\n}\n".to_owned()),
        ("lib/x.h", "\n\n".to_owned()),
    ]);
    let submitted = farm.submit_with(&repo, json!({})).await;
    let build = farm.finished(submitted.id).await;
    assert_eq!(build.outcome, Some(Outcome::Failure));
    let job = farm.job(build.jobs[0].id).await;
    let first = job.attempts[0].diagnostics.as_ref().unwrap().first_error.clone().unwrap();
    assert_eq!((&*first.file, first.line, first.severity), ("lib/b.c", 2, Severity::Error));
    let lines: Vec<_> = first.excerpt.iter().map(|one| (one.line, one.text.as_str())).collect();
    assert_eq!(lines, [(1, "int f(void) {"), (2, "int x"), (3, "}")]);

    let path = format!("/api/v1/jobs/{}/diagnostics", job.summary.id);
    let all: JobDiagnostics =
        serde_json::from_value(get(&farm, path.clone()).await.json()).unwrap();
    assert_eq!((all.errors, all.warnings, all.omitted, all.attempt), (1, 2, 0, 1));
    let [warning, error] = &all.diagnostics[..] else { panic!("{all:?}") };
    assert_eq!((warning.count, warning.kind), (2, DiagnosticKind::Compile));
    let place = warning.place.as_ref().unwrap();
    assert_eq!((&*place.file, place.origin), ("lib/x.h", Some(FileOrigin::Repository)));
    assert_eq!(warning.related.len(), 1);
    assert_eq!(error.place.as_ref().unwrap().file, "lib/b.c");

    for (query, count) in [("?severity=error", 1), ("?severity=warning&attempt=1", 1)] {
        let some = get(&farm, format!("{path}{query}")).await.json();
        assert_eq!(some["diagnostics"].as_array().unwrap().len(), count, "{query}");
        assert_eq!(some["errors"], 1, "{query}");
    }
    for (query, status) in
        [("?attempt=2", 404), ("?attempt=0", 404), ("?severity=note", 400), ("?format=xml", 400)]
    {
        assert_eq!(get(&farm, format!("{path}{query}")).await.status, status, "{query}");
    }

    let by_query = get(&farm, format!("{path}?format=sarif")).await;
    let by_header = Ask::get(&*path).header("accept", "application/sarif+json");
    let by_header = by_header.send(farm.address()).await;
    assert_eq!(by_query.header("content-type"), Some("application/sarif+json"));
    assert_eq!(by_query.json(), by_header.json());
    let sarif: Value = by_query.json();
    let run = &sarif["runs"][0];
    assert_eq!(run["results"].as_array().unwrap().len(), 2);
    assert_eq!(run["versionControlProvenance"][0]["revisionId"], job.commit.to_string());
    farm.end().await;
}

#[tokio::test]
async fn only_a_report_is_stored_and_only_by_its_attempt() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let (_, leg) = agent.leg(&farm, json!({})).await;
    let attempt = agent.attempt(&leg);
    let path = format!("/api/v1/jobs/{}/diagnostics", leg.job);
    assert_eq!(get(&farm, path.clone()).await.status, 404, "nothing is known yet");
    let gzip = |text: &[u8]| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(text).unwrap();
        gzip.finish().unwrap()
    };
    let bomb = gzip(&vec![b' '; 65 << 20]);
    for bad in [b"{}".to_vec(), gzip(b"{}"), gzip(b"{\"errors\":-1}"), gzip(b""), bomb] {
        assert_eq!(code(attempt.put_diagnostics(bad).await), (422, "invalid".to_owned()));
    }
    let report = DiagnosticsReport { warnings: 3, omitted: 3, ..DiagnosticsReport::default() };
    attempt.put_diagnostics(gzip(&serde_json::to_vec(&report).unwrap())).await.unwrap();
    assert_eq!(get(&farm, path.clone()).await.json()["omitted"], 3);
    agent.end(&leg, kiln::model::Verdict::Success).await;
    assert_eq!(get(&farm, path).await.status, 200, "it stays");
    farm.end().await;
}

//! Figures for Prometheus: well-formed, everything the dashboard asks for, and for whom.

use std::collections::{BTreeMap, BTreeSet};

use kiln::{
    config::Anonymous,
    model::{Outcome, Role},
    protocol::{NewProject, NewToken},
};
use serde_json::Value;

use crate::{
    farm::{Farm, PATIENCE, Setup, project, tick},
    script::hello,
    wire::Ask,
};

/// Samples by name and labels; a panic if a line is none of the format's.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    let mut typed = BTreeSet::new();
    let is_name = |name: &str| {
        name.starts_with("kiln_")
            && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit())
    };
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.split(' ');
            let (kind, name) = (words.next().unwrap(), words.next().unwrap());
            assert!(["HELP", "TYPE"].contains(&kind) && is_name(name), "{line}");
            if kind == "TYPE" {
                assert!(typed.insert(name.to_owned()), "said twice: {line}");
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let name = series.split('{').next().unwrap();
        assert!(is_name(name), "{line}");
        if let Some((_, labels)) = series.split_once('{') {
            let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}"));
            for label in labels.split(',').filter(|label| !label.is_empty()) {
                let (_, value) = label.split_once('=').unwrap_or_else(|| panic!("{line}"));
                assert!(
                    value.len() >= 2 && value.starts_with('"') && value.ends_with('"'),
                    "{line}"
                );
            }
        }
        let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(found.insert(series.to_owned(), value).is_none(), "twice: {line}");
    }
    found
}

/// The names of metrics in a dashboard's questions.
fn asked(dashboard: &Value) -> BTreeSet<String> {
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut names = BTreeSet::new();
    for target in targets {
        let text = target["expr"].as_str().unwrap();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        names.extend(words.filter(|word| word.starts_with("kiln_")).map(str::to_owned));
    }
    names
}

#[tokio::test]
async fn the_figures_are_those_of_the_dashboard_and_move_with_what_happens() {
    let farm = Farm::new(|_| hello()).await;
    let figures = || async {
        let answer = Ask::get("/metrics").send(farm.address()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.header("content-type").unwrap().starts_with("text/plain"));
        samples(&answer.text())
    };
    let before = figures().await;
    let job = farm.run(&project([])).await;
    assert_eq!(job.summary.outcome, Some(Outcome::Success));
    let after = figures().await;
    let moved = |series: &str| {
        let of = |samples: &BTreeMap<String, f64>| samples.get(series).copied().unwrap_or(0.0);
        of(&after) - of(&before)
    };
    // Other tests may run in this process, so that figures may move by more.
    assert!(moved("kiln_builds_total") >= 1.0);
    assert!(moved("kiln_claims_total{result=\"job\"}") >= 2.0);
    assert!(moved("kiln_attempts_total{outcome=\"success\",cause=\"none\"}") >= 2.0);
    assert!(moved("kiln_log_bytes_total") >= 10.0);
    let ended = "kiln_job_seconds_count{toolchain=\"gcc:14\",outcome=\"success\"}";
    assert!(moved(ended) >= 1.0, "{after:?}");
    assert!(moved("kiln_sandbox_preparation_seconds_count") >= 1.0);
    assert!(moved("kiln_database_seconds_count") >= 10.0);
    assert!(moved("kiln_artifact_store_seconds_count{kind=\"put\"}") >= 1.0);
    assert!(after["kiln_process_resident_bytes{}"] > 1e6);
    assert!((after["kiln_queue_jobs{queue=\"default\",state=\"queued\"}"] - 0.0).abs() < 0.5);
    assert!((after["kiln_agents{state=\"online\"}"] - 1.0).abs() < 0.5);
    assert!((after["kiln_agents{state=\"paused\"}"] - 0.0).abs() < 0.5);
    assert!((after["kiln_agent_residue_swept_total{agent=\"agent-0\"}"] - 0.0).abs() < 0.5);
    assert!((after["kiln_workers{state=\"all\"}"] - 2.0).abs() < 0.5);
    let route = "route=\"/api/v1/builds/{build}\"";
    assert!(after.keys().any(|series| series.contains(route)), "patterns, not paths");
    let id = job.summary.id.to_string();
    assert!(!after.keys().any(|series| series.contains(&id)));

    let dashboard = include_str!("../../deploy/grafana/kiln.json");
    let asked = asked(&serde_json::from_str(dashboard).unwrap());
    assert!(asked.len() >= 18, "{asked:?}");
    for name in &asked {
        let is_it = |series: &String| series.split('{').next() == Some(name);
        assert!(after.keys().any(is_it), "{name} is asked for and not there");
    }
    farm.end().await;
}

#[tokio::test]
async fn figures_are_for_who_may_see_all_or_on_an_address_of_their_own() {
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let mut setup = Setup { agents: 0, ..Setup::default() };
    setup.settings.server.metrics_listen = Some(free);
    let mut farm = Farm::with(setup, crate::farm::nothing).await;
    let known = NewProject { name: Some("known".parse().unwrap()), url: None };
    farm.rest.add_project(&known).await.unwrap();
    let mut new: NewToken =
        serde_json::from_value(serde_json::json!({"name": "all", "role": "read"})).unwrap();
    assert_eq!(new.role, Role::Read);
    let all = farm.rest.make_token(&new).await.unwrap().token;
    new.name = "some".parse().unwrap();
    new.projects = Some(vec!["known".parse().unwrap()]);
    let some = farm.rest.make_token(&new).await.unwrap().token;
    farm.change_settings(|settings| settings.server.anonymous = Anonymous::Nothing).await;
    let with = |token: Option<&str>| {
        let ask = Ask::get("/metrics");
        let ask = match token {
            Some(token) => ask.header("authorization", format!("Bearer {token}")),
            None => ask,
        };
        let address = farm.address();
        async move { ask.send(address).await.status }
    };
    assert_eq!(
        [with(None).await, with(Some(&some)).await, with(Some(&all)).await],
        [401, 403, 200]
    );
    let answer = Ask::get("/metrics").send(free).await;
    assert_eq!(answer.status, 200);
    samples(&answer.text());
    assert_eq!(Ask::get("/api/v1/builds").send(free).await.status, 404, "and nothing else");
    let admin = std::fs::read_to_string(farm.server_data().join("admin-token")).unwrap();
    farm.rest = kiln::client::Rest::new(&farm.url(), Some(admin.trim().to_owned())).unwrap();
    farm.end().await;
}

#[tokio::test]
async fn ready_means_that_the_artifact_repository_answers() {
    let farm = Farm::alone().await;
    let ready = || async { Ask::get("/readyz").send(farm.address()).await };
    let folder = farm.server_data().join("artifacts");
    let aside = farm.server_data().join("aside");
    std::fs::rename(&folder, &aside).unwrap();
    std::fs::write(&folder, "a disk that is not mounted").unwrap();
    let answer = ready().await;
    assert_eq!(
        (answer.status, &*answer.text()),
        (503, "the artifact repository does not answer\n")
    );
    // That it cannot do its work does not mean that it should be killed.
    assert_eq!(Ask::get("/healthz").send(farm.address()).await.status, 200);
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&aside, &folder).unwrap();
    let began = std::time::Instant::now();
    while ready().await.status != 200 {
        assert!(began.elapsed() < PATIENCE, "it does not recover");
        tick().await;
    }
    farm.end().await;
}

//! Log lines as objects: each of a request has its id, each of an attempt its job, however little is
//! logged.

use std::{
    io,
    sync::{Arc, Mutex},
};

use kiln::model::Outcome;
use serde_json::Value;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter, layer::SubscriberExt as _};

use crate::{
    farm::{Farm, project},
    script::hello,
    wire::Ask,
};

/// What was logged.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Kept {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Kept {
    fn lines(&self) -> Vec<Value> {
        let bytes = self.0.lock().unwrap().clone();
        let line = |line: &[u8]| serde_json::from_slice(line).expect("an object a line");
        bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(line).collect()
    }
}

/// The innermost span of this name around a line.
fn span<'a>(line: &'a Value, name: &str) -> Option<&'a Value> {
    line["spans"].as_array()?.iter().rev().find(|span| span["name"] == name)
}

#[tokio::test]
async fn lines_say_of_which_request_and_of_which_attempt_they_are() {
    let kept = Kept::default();
    // Nothing but errors, and what these two parts say: their spans are others'.
    let filter = EnvFilter::new("error,kiln::queue=info,kiln::agent::attempt=info");
    let layer = tracing_subscriber::fmt::layer().json().with_writer(kept.clone());
    // Of the whole process: agents have threads of their own.
    tracing::subscriber::set_global_default(
        tracing_subscriber::registry().with(filter).with(layer),
    )
    .unwrap();
    let farm = Farm::new(|_| hello()).await;
    let job = farm.run(&project([])).await;
    assert_eq!(job.summary.outcome, Some(Outcome::Success));
    let id = job.summary.id.to_string();
    let pause = Ask::new("POST", "/api/v1/queues/default/pause")
        .header("x-request-id", "asked-by-a-test")
        .json(r#"{"reason": "a test"}"#);
    let answer = pause.send(farm.address()).await;
    assert_eq!(answer.header("x-request-id"), Some("asked-by-a-test"), "{}", answer.text());

    let lines = kept.lines();
    let paused = lines.iter().find(|line| {
        span(line, "request").is_some_and(|span| span["request.id"] == "asked-by-a-test")
    });
    let text = paused.expect("the request's line")["fields"]["message"].to_string();
    assert!(text.contains("queue paused"), "{text}");
    let of_job = |line: &&Value| line["fields"]["job.id"] == *id;
    let mut requests = 0;
    for line in lines.iter().filter(|line| line["target"] == "kiln::queue::take").filter(of_job) {
        let request = span(line, "request").unwrap_or_else(|| panic!("of no request: {line}"));
        assert!(request["request.id"].as_str().is_some_and(|id| id.len() > 30), "{line}");
        requests += 1;
    }
    assert!(requests > 0, "nobody claimed it");
    // The end of the job, as the server has it: the request's path says whose it is.
    let ended = lines.iter().filter(|line| line["target"] == "kiln::queue::attempt");
    let ended: Vec<_> = ended.filter_map(|line| span(line, "request")).collect();
    let is_its = |span: &&&Value| span["job.id"] == *id && span["job.attempt"] == "1";
    assert!(ended.iter().any(|span| is_its(&span)), "{ended:?}");
    let mut attempts = 0;
    for line in &lines {
        if line["target"].as_str().is_some_and(|from| from.starts_with("kiln::agent::attempt")) {
            let attempt = span(line, "attempt").unwrap_or_else(|| panic!("of no attempt: {line}"));
            attempts += usize::from(attempt["job.id"] == *id && attempt["job.attempt"] == 1);
        }
    }
    assert!(attempts > 0, "the attempt said nothing");
    farm.end().await;
}

//! Answers of the API for tests: a build that went well with one toolchain and not with another.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use super::Console;
use crate::{
    model::Timestamp,
    protocol::{Build, Job},
};

pub(super) const BUILD: &str = "01KB0Q6M3V8W2T5XJ4C9ZR7HND";
pub(super) const GOOD: &str = "01KB0Q6M3V8W2T5XJ4C9ZR7HN1";
pub(super) const BAD: &str = "01KB0Q6M3V8W2T5XJ4C9ZR7HN2";
pub(super) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A time, in seconds after the build was asked for.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_795_443_200_000 + seconds * 1000)
}

fn summary(id: &str, kind: &str, more: &Value) -> Value {
    let mut job = json!({
        "id": id, "kind": kind, "variant": "default", "retried": false, "state": "finished",
        "cancel_requested": false, "attempt": 1, "created_at": at(0),
    });
    for (name, value) in more.as_object().unwrap() {
        job[name] = value.clone();
    }
    job
}

fn good() -> Value {
    summary(
        GOOD,
        "leg",
        &json!({
            "toolchain": "gcc:14", "outcome": "success", "started_at": at(1),
            "finished_at": Timestamp::from_millis(at(13).as_millis() + 500),
        }),
    )
}

fn bad() -> Value {
    summary(
        BAD,
        "leg",
        &json!({
            "toolchain": "clang:19", "outcome": "failure", "cause": "compile",
            "message": "the compile step exited with status 2", "started_at": at(2),
            "finished_at": at(10), "step": "compile",
        }),
    )
}

/// The build as JSON.
pub(super) fn build_json() -> Value {
    json!({
        "id": BUILD, "source": {"url": "https://git.example/x.git", "ref": "main"},
        "commit": COMMIT,
        "commit_info": {
            "author": "Ada", "subject": "Fix the \u{1b}[31m]0;pwned\u{1b}[2J thing",
            "committed_at": at(-50),
        },
        "state": "finished", "outcome": "failure", "trigger": "manual", "created_by": "local",
        "created_at": at(0), "finished_at": at(30), "queue": "default", "priority": 0,
        "labels": {}, "jobs": [good(), bad()],
        "plan": summary("01KB0Q6M3V8W2T5XJ4C9ZR7HN0", "plan", &json!({"outcome": "success"})),
    })
}

/// The jobs as JSON.
pub(super) fn jobs_json() -> [Value; 2] {
    [good(), bad()].map(|mut job| {
        let success = job["outcome"] == "success";
        let mut attempt = json!({
            "number": 1, "agent": "01KB0Q6M3V8W2T5XJ4C9ZR7HNF", "started_at": job["started_at"],
            "finished_at": job["finished_at"], "outcome": job["outcome"], "steps": [],
            "log_bytes": 2048,
        });
        if success {
            attempt["artifacts"] = json!({
                "files": 2, "bytes": 1536, "archive_bytes": 900, "tar_sha256": "",
            });
        } else {
            attempt["sandbox"] = json!({
                "image": "sha256:1", "recipe_digest": "", "compiler": "clang 19.1.7",
                "profile": "docker/standard",
            });
            attempt["diagnostics"] = json!({"errors": 1, "warnings": 2, "first_error": {
                "file": "src/main.c", "line": 7, "column": 2,
                "message": "expected ';' after expression",
                "excerpt": [
                    {"line": 6, "text": "int main(void) {"}, {"line": 7, "text": "\trun()"},
                    {"line": 8, "text": "}\u{1b}[2J"},
                ],
            }});
            attempt["steps"] = json!([{
                "name": "compile", "kind": "compile", "run": "make -j2", "started_at": at(2),
                "finished_at": at(10), "exit_code": 2,
            }]);
        }
        job["build"] = json!(BUILD);
        job["commit"] = json!(COMMIT);
        job["limits"] = serde_json::to_value(crate::model::Limits::default()).unwrap();
        job["attempts"] = json!([attempt]);
        job
    })
}

/// The build.
pub(super) fn build() -> Build {
    serde_json::from_value(build_json()).unwrap()
}

/// Its jobs.
pub(super) fn jobs() -> Vec<Job> {
    jobs_json().into_iter().map(|job| serde_json::from_value(job).unwrap()).collect()
}

/// A build whose plan failed.
pub(super) fn unplanned() -> Build {
    let mut json = build_json();
    json["jobs"] = json!([]);
    json["plan"]["outcome"] = json!("failure");
    json["plan"]["cause"] = json!("recipe_invalid");
    json["plan"]["message"] = json!(".kiln.toml line 3: unknown key \"stepp\"");
    serde_json::from_value(json).unwrap()
}

/// A stream that remembers what was written.
#[derive(Clone, Debug, Default)]
pub(super) struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A console as in a pipe, and what it writes to both outputs.
pub(super) fn console() -> (Console, Written, Written) {
    let (out, err) = (Written::default(), Written::default());
    (Console::piped(Box::new(out.clone()), Box::new(err.clone())), out, err)
}

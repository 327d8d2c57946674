//! GitHub's deliveries.

use serde::Deserialize;

use super::event::{
    BadPayload, ChangeEvent, Event, PushEvent, PushedCommit, changed, commit, head, json, short,
};

/// A push has this many commits at the most; one with as many may lack some.
const MAX_COMMITS: usize = 2_048;

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "they are called so in the payload")]
struct Repository {
    #[serde(default)]
    clone_url: Option<String>,
    #[serde(default)]
    ssh_url: Option<String>,
    #[serde(default)]
    git_url: Option<String>,
}

impl Repository {
    fn urls(self) -> Vec<String> {
        [self.clone_url, self.ssh_url, self.git_url].into_iter().flatten().collect()
    }
}

#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    reference: String,
    after: String,
    #[serde(default)]
    forced: bool,
    #[serde(default)]
    commits: Vec<PushedCommit>,
    #[serde(default)]
    head_commit: Option<PushedCommit>,
    repository: Repository,
}

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "they are called so in the payload")]
struct PullRequest {
    action: String,
    number: u64,
    pull_request: Pull,
    repository: Repository,
}

#[derive(Deserialize)]
struct Pull {
    #[serde(default)]
    title: String,
    head: Side,
    base: Side,
}

#[derive(Deserialize)]
struct Side {
    #[serde(rename = "ref")]
    reference: String,
    sha: String,
    /// Gone if the fork was deleted.
    #[serde(default)]
    repo: Option<SideRepository>,
}

#[derive(Deserialize)]
struct SideRepository {
    id: u64,
}

pub(super) fn read(event: &str, body: &[u8]) -> Result<Event, BadPayload> {
    match event {
        "ping" => Ok(Event::Ping),
        "push" => push(body),
        "pull_request" => pull(body),
        other => Ok(Event::Ignored(format!("{} events are not built", short(other)))),
    }
}

fn push(body: &[u8]) -> Result<Event, BadPayload> {
    let push: Push = json(body)?;
    // What a force-push took away is in no list of commits.
    let is_complete = !push.forced && push.commits.len() < MAX_COMMITS;
    Ok(Event::Push(PushEvent {
        head: head(&push.after)?,
        reference: push.reference,
        changed: changed(&push.commits, is_complete),
        message: push.head_commit.map(|commit| commit.message),
        urls: push.repository.urls(),
    }))
}

fn pull(body: &[u8]) -> Result<Event, BadPayload> {
    let PullRequest { action, number, pull_request: pull, repository } = json(body)?;
    if !["opened", "synchronize", "reopened"].contains(&&*action) {
        return Ok(Event::Ignored(format!("pull request {number}: {}", short(&action))));
    }
    let same = |a: &Side, b: &Side| match (&a.repo, &b.repo) {
        (Some(a), Some(b)) => a.id == b.id,
        _ => false,
    };
    Ok(Event::Change(ChangeEvent {
        number,
        reference: format!("refs/pull/{number}/head"),
        commit: commit(&pull.head.sha)?,
        is_fork: !same(&pull.head, &pull.base),
        target: pull.base.reference,
        title: pull.title,
        urls: repository.urls(),
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::forge::event::Head;

    const COMMIT: &str = "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c";
    const NONE: &str = "0000000000000000000000000000000000000000";

    fn repository() -> Value {
        json!({"id": 186_853_002, "full_name": "Codertocat/Hello-World", "private": false,
            "clone_url": "https://git.example.org/Codertocat/Hello-World.git",
            "git_url": "git://git.example.org/Codertocat/Hello-World.git",
            "ssh_url": "git@git.example.org:Codertocat/Hello-World.git"})
    }

    fn push(change: impl FnOnce(&mut Value)) -> Result<Event, BadPayload> {
        let mut body = json!({
            "ref": "refs/heads/main", "before": NONE, "after": COMMIT, "created": false,
            "deleted": false, "forced": false, "base_ref": null,
            "commits": [{"id": COMMIT, "tree_id": COMMIT, "distinct": true, "message": "one\n\nmore",
                "timestamp": "2019-05-15T15:20:30Z", "added": ["a.c"], "removed": ["b.c"],
                "modified": ["a.c", "src/c.c"]}],
            "head_commit": {"id": COMMIT, "message": "one\n\nmore"},
            "repository": repository(), "pusher": {"name": "Codertocat"}, "sender": {"id": 1},
        });
        change(&mut body);
        read("push", body.to_string().as_bytes())
    }

    #[test]
    fn pushes_are_read() {
        let Ok(Event::Push(read)) = push(|_| ()) else { panic!("it is a push") };
        assert_eq!(read.reference, "refs/heads/main");
        assert_eq!(read.head, Head::At(COMMIT.parse().unwrap()));
        assert_eq!(read.message.as_deref(), Some("one\n\nmore"));
        assert_eq!(read.changed.unwrap(), ["a.c", "b.c", "src/c.c"]);
        assert_eq!(read.urls[0], "https://git.example.org/Codertocat/Hello-World.git");
        let gone = push(|body| {
            body["after"] = json!(NONE);
            body["head_commit"] = Value::Null;
            body["commits"] = json!([]);
        });
        let Ok(Event::Push(gone)) = gone else { panic!("it is a push") };
        assert_eq!((gone.head, gone.changed, gone.message), (Head::Gone, None, None));
        let Ok(Event::Push(forced)) = push(|body| body["forced"] = json!(true)) else {
            panic!("it is a push")
        };
        assert_eq!(forced.changed, None, "what was taken away is not listed");
    }

    #[test]
    fn what_is_no_push_is_refused() {
        for bad in [&b""[..], b"[]", b"{}", b"null", b"not json", b"\xff"] {
            assert!(read("push", bad).is_err());
        }
        for (field, value) in [
            ("after", json!("main")),
            ("after", json!(1)),
            ("ref", Value::Null),
            ("repository", json!(1)),
        ] {
            assert!(push(|body| body[field] = value.clone()).is_err(), "{field}: {value}");
        }
        assert_eq!(read("ping", b"whatever"), Ok(Event::Ping));
        assert!(matches!(read("star", b"{}"), Ok(Event::Ignored(_))));
    }

    #[test]
    fn pull_requests_say_whether_they_come_from_a_fork() {
        let pull = |action: &str, head_repository: Value| {
            let body = json!({
                "action": action, "number": 7, "repository": repository(),
                "pull_request": {"title": "More", "head": {"ref": "topic", "sha": COMMIT,
                    "repo": head_repository}, "base": {"ref": "main", "sha": NONE,
                    "repo": {"id": 186_853_002}}},
            });
            read("pull_request", body.to_string().as_bytes())
        };
        for (repository, is_fork) in
            [(json!({"id": 186_853_002}), false), (json!({"id": 1}), true), (Value::Null, true)]
        {
            let Ok(Event::Change(change)) = pull("opened", repository) else { panic!("a change") };
            assert_eq!(change.is_fork, is_fork);
            assert_eq!((&*change.reference, &*change.target), ("refs/pull/7/head", "main"));
        }
        assert!(matches!(pull("closed", Value::Null), Ok(Event::Ignored(_))));
    }
}

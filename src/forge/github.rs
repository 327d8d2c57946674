//! GitHub's deliveries, and those of Gitea and Forgejo, which have their shape.

use serde::Deserialize;

use super::event::{
    BadPayload, ChangeEvent, Event, Head, PushEvent, There, commit, head, json, short,
};

#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    reference: String,
    after: String,
    #[expect(dead_code, reason = "a push is of a repository")]
    repository: There,
}

#[derive(Deserialize)]
struct Delete {
    #[serde(rename = "ref")]
    reference: String,
    ref_type: String,
    #[expect(dead_code, reason = "a ref is of a repository")]
    repository: There,
}

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "they are called so in the payload")]
struct PullRequest {
    action: String,
    number: u64,
    pull_request: Pull,
}

#[derive(Deserialize)]
struct Pull {
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
    repo: Option<Repository>,
    /// Gitea's, which is there all the same; -1 then.
    #[serde(default)]
    repo_id: Option<i64>,
}

#[derive(Deserialize)]
struct Repository {
    id: i64,
}

impl Side {
    fn repository(&self) -> Option<i64> {
        self.repo.as_ref().map(|repository| repository.id).or(self.repo_id)
    }
}

pub(super) fn read(event: &str, body: &[u8]) -> Result<Event, BadPayload> {
    match event {
        "ping" => Ok(Event::Ping),
        "push" => push(body),
        "pull_request" | "pull_request_sync" => pull(body),
        // Gitea tells only here that a ref has gone.
        "delete" => gone(body),
        other => Ok(Event::Ignored(format!("{} events are not built", short(other)))),
    }
}

fn push(body: &[u8]) -> Result<Event, BadPayload> {
    let push: Push = json(body)?;
    Ok(Event::Push(PushEvent { head: head(&push.after)?, reference: push.reference }))
}

fn gone(body: &[u8]) -> Result<Event, BadPayload> {
    let delete: Delete = json(body)?;
    let folder = match &*delete.ref_type {
        "branch" => "heads",
        "tag" => "tags",
        other => return Ok(Event::Ignored(format!("a {} was deleted", short(other)))),
    };
    let reference = format!("refs/{folder}/{}", delete.reference);
    Ok(Event::Push(PushEvent { reference, head: Head::Gone }))
}

fn pull(body: &[u8]) -> Result<Event, BadPayload> {
    let PullRequest { action, number, pull_request: pull } = json(body)?;
    if !["opened", "synchronize", "synchronized", "reopened"].contains(&&*action) {
        return Ok(Event::Ignored(format!("pull request {number}: {}", short(&action))));
    }
    // What is not known is somebody else's.
    let own = pull.base.repository();
    let is_fork = own.is_none() || pull.head.repository() != own;
    Ok(Event::Change(ChangeEvent {
        reference: format!("refs/pull/{number}/head"),
        commit: commit(&pull.head.sha)?,
        is_fork,
        target: pull.base.reference,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

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
        let reference = "refs/heads/main".to_owned();
        let at = |head| Ok(Event::Push(PushEvent { reference: reference.clone(), head }));
        assert_eq!(push(|_| ()), at(Head::At(COMMIT.parse().unwrap())));
        let gone = push(|body| {
            body["after"] = json!(NONE);
            body["head_commit"] = Value::Null;
            body["commits"] = json!([]);
        });
        assert_eq!(gone, at(Head::Gone));
        // Gitea's, whose lists may be null.
        let gitea = push(|body| {
            body["commits"] = Value::Null;
            body["compare_url"] = json!("");
            body["total_commits"] = json!(60);
        });
        assert_eq!(gitea, at(Head::At(COMMIT.parse().unwrap())));
        for (kind, name) in [("branch", "refs/heads/old"), ("tag", "refs/tags/old")] {
            let body = json!({"ref": "old", "ref_type": kind, "repository": repository()});
            let gone = PushEvent { reference: name.to_owned(), head: Head::Gone };
            assert_eq!(read("delete", body.to_string().as_bytes()), Ok(Event::Push(gone)));
        }
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
        for other in ["star", "issues"] {
            assert!(matches!(read(other, b"{}"), Ok(Event::Ignored(_))));
        }
    }

    #[test]
    fn pull_requests_say_whether_they_come_from_a_fork() {
        let own = json!({"repo": {"id": 140}});
        for (action, head, base, is_fork) in [
            ("opened", own.clone(), own.clone(), false),
            ("synchronize", json!({"repo": {"id": 1}}), own.clone(), true),
            ("reopened", json!({"repo": null}), own.clone(), true),
            ("opened", own, json!({}), true),
            // Gitea and Forgejo.
            ("synchronized", json!({"repo_id": 140}), json!({"repo_id": 140}), false),
            ("synchronized", json!({"repo_id": 141}), json!({"repo_id": 140}), true),
            ("synchronized", json!({"repo_id": -1}), json!({"repo_id": 140}), true),
        ] {
            let (mut head, mut base) = (head, base);
            (head["ref"], head["sha"]) = (json!("topic"), json!(COMMIT));
            (base["ref"], base["sha"]) = (json!("main"), json!(NONE));
            let body = json!({
                "action": action, "number": 7, "repository": repository(),
                "pull_request": {"title": "More", "head": head, "base": base},
            });
            let change = ChangeEvent {
                reference: "refs/pull/7/head".to_owned(),
                commit: COMMIT.parse().unwrap(),
                target: "main".to_owned(),
                is_fork,
            };
            let read = read("pull_request", body.to_string().as_bytes());
            assert_eq!(read, Ok(Event::Change(change)), "{body}");
            let closed = body.to_string().replace(action, "closed");
            assert!(matches!(
                super::read("pull_request", closed.as_bytes()),
                Ok(Event::Ignored(_))
            ));
        }
    }
}

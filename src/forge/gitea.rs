//! Deliveries of Gitea and Forgejo, which are GitHub's in most of their shape.

use serde::Deserialize;

use super::event::{
    BadPayload, ChangeEvent, Event, PushEvent, PushedCommit, changed, commit, head, json, short,
};

#[derive(Deserialize)]
struct Repository {
    id: u64,
    #[serde(default)]
    clone_url: Option<String>,
    #[serde(default)]
    ssh_url: Option<String>,
}

impl Repository {
    fn urls(&self) -> Vec<String> {
        [&self.clone_url, &self.ssh_url].into_iter().flatten().cloned().collect()
    }
}

#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    reference: String,
    after: String,
    #[serde(default)]
    commits: Option<Vec<PushedCommit>>,
    /// How many there are; the list may be shorter.
    #[serde(default)]
    total_commits: Option<usize>,
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
    #[serde(default)]
    repo_id: i64,
}

pub(super) fn read(event: &str, body: &[u8]) -> Result<Event, BadPayload> {
    match event {
        "push" => push(body),
        "pull_request" | "pull_request_sync" => pull(body),
        // A tag or a branch that comes is also pushed; one that goes is told only here.
        "delete" => gone(body),
        other => Ok(Event::Ignored(format!("{} events are not built", short(other)))),
    }
}

fn push(body: &[u8]) -> Result<Event, BadPayload> {
    let push: Push = json(body)?;
    let commits = push.commits.unwrap_or_default();
    let is_complete = push.total_commits.is_some_and(|all| all == commits.len());
    Ok(Event::Push(PushEvent {
        head: head(&push.after)?,
        reference: push.reference,
        changed: changed(&commits, is_complete),
        message: push.head_commit.map(|commit| commit.message),
        urls: push.repository.urls(),
    }))
}

#[derive(Deserialize)]
struct Delete {
    #[serde(rename = "ref")]
    reference: String,
    ref_type: String,
    repository: Repository,
}

fn gone(body: &[u8]) -> Result<Event, BadPayload> {
    let delete: Delete = json(body)?;
    let folder = match &*delete.ref_type {
        "branch" => "heads",
        "tag" => "tags",
        other => return Ok(Event::Ignored(format!("a {} was deleted", short(other)))),
    };
    Ok(Event::Push(PushEvent {
        reference: format!("refs/{folder}/{}", delete.reference),
        head: super::event::Head::Gone,
        message: None,
        changed: None,
        urls: delete.repository.urls(),
    }))
}

fn pull(body: &[u8]) -> Result<Event, BadPayload> {
    let PullRequest { action, number, pull_request: pull, repository } = json(body)?;
    if !["opened", "synchronized", "reopened"].contains(&&*action) {
        return Ok(Event::Ignored(format!("pull request {number}: {}", short(&action))));
    }
    // A deleted fork has the id -1.
    let is_fork = u64::try_from(pull.head.repo_id) != Ok(repository.id);
    Ok(Event::Change(ChangeEvent {
        number,
        reference: format!("refs/pull/{number}/head"),
        commit: commit(&pull.head.sha)?,
        is_fork,
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

    const COMMIT: &str = "bffeb74224043ba2feb48d137756c8a9331c449a";
    const NONE: &str = "0000000000000000000000000000000000000000";

    fn repository() -> Value {
        json!({"id": 140, "full_name": "gitea/webhooks",
            "ssh_url": "ssh://gitea@localhost:2222/gitea/webhooks.git",
            "clone_url": "http://localhost:3000/gitea/webhooks.git"})
    }

    #[test]
    fn pushes_are_read() {
        let body = json!({
            "ref": "refs/heads/develop", "before": COMMIT, "after": COMMIT, "compare_url": "",
            "commits": [{"id": COMMIT, "message": "Webhooks Yay!", "added": ["x.c"],
                "removed": [], "modified": null}],
            "total_commits": 1, "head_commit": {"id": COMMIT, "message": "Webhooks Yay!"},
            "repository": repository(), "pusher": {"id": 1}, "sender": {"id": 1},
        });
        // Lists may be null.
        let text = body.to_string().replace("null", "[]");
        let Ok(Event::Push(push)) = read("push", text.as_bytes()) else { panic!("a push") };
        assert_eq!(push.head, Head::At(COMMIT.parse().unwrap()));
        assert_eq!(push.changed.unwrap(), ["x.c"]);
        assert_eq!(push.urls[0], "http://localhost:3000/gitea/webhooks.git");
        let mut more = body.clone();
        more["total_commits"] = json!(60);
        let text = more.to_string().replace("null", "[]");
        let Ok(Event::Push(push)) = read("push", text.as_bytes()) else { panic!("a push") };
        assert_eq!(push.changed, None, "the list is not whole");
    }

    #[test]
    fn deleted_refs_and_pull_requests_are_read() {
        for (kind, name) in [("branch", "refs/heads/old"), ("tag", "refs/tags/old")] {
            let body = json!({"ref": "old", "ref_type": kind, "repository": repository()});
            let Ok(Event::Push(push)) = read("delete", body.to_string().as_bytes()) else {
                panic!("a push")
            };
            assert_eq!((&*push.reference, push.head), (name, Head::Gone));
        }
        for (id, is_fork) in [(140, false), (141, true), (-1, true)] {
            let body = json!({"action": "synchronized", "number": 3, "repository": repository(),
                "pull_request": {"title": "t", "head": {"ref": "x", "sha": COMMIT, "repo_id": id},
                    "base": {"ref": "main", "sha": NONE, "repo_id": 140}}});
            let read = read("pull_request", body.to_string().as_bytes());
            let Ok(Event::Change(change)) = read else { panic!("a change: {read:?}") };
            assert_eq!((change.number, change.is_fork), (3, is_fork));
        }
        assert!(matches!(read("issues", b"{}"), Ok(Event::Ignored(_))));
    }
}

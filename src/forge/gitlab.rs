//! GitLab's deliveries.

use serde::Deserialize;

use super::event::{BadPayload, ChangeEvent, Event, PushEvent, There, commit, head, json, short};

#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    reference: String,
    after: String,
    /// The commit itself, where `after` is a tag that has a message.
    #[serde(default)]
    checkout_sha: Option<String>,
    #[expect(dead_code, reason = "a push is of a project")]
    project: There,
}

#[derive(Deserialize)]
struct MergeRequest {
    #[expect(dead_code, reason = "a request is of a project")]
    project: There,
    object_attributes: Attributes,
}

#[derive(Deserialize)]
struct Attributes {
    iid: u64,
    #[serde(default)]
    action: String,
    target_branch: String,
    source_project_id: i64,
    target_project_id: i64,
    last_commit: Commit,
    /// There if new commits came.
    #[serde(default)]
    oldrev: Option<String>,
}

#[derive(Deserialize)]
struct Commit {
    #[serde(default)]
    id: String,
}

pub(super) fn read(event: &str, body: &[u8]) -> Result<Event, BadPayload> {
    match event {
        "Push Hook" | "Tag Push Hook" => push(body),
        "Merge Request Hook" => merge(body),
        other => Ok(Event::Ignored(format!("{} events are not built", short(other)))),
    }
}

fn push(body: &[u8]) -> Result<Event, BadPayload> {
    let push: Push = json(body)?;
    let at = push.checkout_sha.as_deref().unwrap_or(&push.after);
    Ok(Event::Push(PushEvent { head: head(at)?, reference: push.reference }))
}

fn merge(body: &[u8]) -> Result<Event, BadPayload> {
    let MergeRequest { object_attributes: it, .. } = json(body)?;
    let is_new =
        ["open", "reopen"].contains(&&*it.action) || (it.action == "update" && it.oldrev.is_some());
    if !is_new {
        let what = format!("merge request {}: {} without new commits", it.iid, short(&it.action));
        return Ok(Event::Ignored(what));
    }
    Ok(Event::Change(ChangeEvent {
        reference: format!("refs/merge-requests/{}/head", it.iid),
        commit: commit(&it.last_commit.id)?,
        target: it.target_branch,
        is_fork: it.source_project_id != it.target_project_id,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::forge::event::Head;

    const COMMIT: &str = "da1560886d4f094c3e6c9ef40349f7d38b5d27d7";
    const TAG: &str = "82b3d5ae55f7080f1e6022629cdb57bfae7cccc7";
    const NONE: &str = "0000000000000000000000000000000000000000";

    fn project() -> Value {
        json!({"id": 15, "name": "Diaspora", "git_ssh_url": "git@example.com:mike/diaspora.git",
            "git_http_url": "http://example.com/mike/diaspora.git"})
    }

    fn push(event: &str, change: impl FnOnce(&mut Value)) -> PushEvent {
        let mut body = json!({
            "object_kind": "push", "before": NONE, "after": COMMIT, "ref": "refs/heads/master",
            "checkout_sha": COMMIT, "project_id": 15, "project": project(),
            "commits": [{"id": COMMIT, "message": "fixed readme", "added": ["CHANGELOG"],
                "modified": ["app/c.c"], "removed": []}],
            "total_commits_count": 1,
        });
        change(&mut body);
        match read(event, body.to_string().as_bytes()) {
            Ok(Event::Push(push)) => push,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn pushes_and_tags_are_read() {
        let read = push("Push Hook", |_| ());
        assert_eq!(read.head, Head::At(COMMIT.parse().unwrap()));
        let read = push("Push Hook", |body| {
            body["after"] = json!(NONE);
            body["checkout_sha"] = Value::Null;
            body["commits"] = json!([]);
            body["total_commits_count"] = json!(0);
        });
        assert_eq!(read.head, Head::Gone);
        let read = push("Tag Push Hook", |body| {
            body["ref"] = json!("refs/tags/v1.0.0");
            body["after"] = json!(TAG);
        });
        assert_eq!(read.head, Head::At(COMMIT.parse().unwrap()), "the tag's commit");
    }

    #[test]
    fn merge_requests_count_where_they_have_new_commits() {
        let merge = |action: &str, oldrev: Value, source: i64| {
            let body = json!({"object_kind": "merge_request", "project": project(),
                "object_attributes": {"iid": 1, "action": action, "title": "MS-Viewport",
                    "target_branch": "master", "source_project_id": source,
                    "target_project_id": 14, "oldrev": oldrev,
                    "last_commit": {"id": COMMIT, "message": "fixed readme"}}});
            read("Merge Request Hook", body.to_string().as_bytes())
        };
        for (action, oldrev) in [("open", Value::Null), ("update", json!(TAG))] {
            let Ok(Event::Change(change)) = merge(action, oldrev, 14) else { panic!("a change") };
            assert_eq!((&*change.reference, change.is_fork), ("refs/merge-requests/1/head", false));
        }
        let Ok(Event::Change(change)) = merge("open", Value::Null, 15) else { panic!("a change") };
        assert!(change.is_fork);
        for action in ["update", "close", "merge", "approved"] {
            assert!(matches!(merge(action, Value::Null, 14), Ok(Event::Ignored(_))), "{action}");
        }
        assert!(read("Merge Request Hook", b"{}").is_err());
        assert!(matches!(read("Note Hook", b"{}"), Ok(Event::Ignored(_))));
    }
}

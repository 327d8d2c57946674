//! Commit statuses: what a forge is told of how a commit builds, in the way of each.

use serde_json::{Value, json};
use url::Url;

use crate::{
    model::{CommitId, ForgeKind},
    source::Post,
};

/// The longest description that all of them take.
const MAX_DESCRIPTION: usize = 140;

/// How a commit builds with one toolchain.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CommitState {
    /// It waits or runs.
    Pending,
    /// It builds.
    Success,
    /// It does not.
    Failure,
    /// That cannot be said, through no fault of the commit.
    Error,
    /// Somebody ended it.
    Cancelled,
}

/// What a forge is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommitStatus {
    /// Of which commit.
    pub commit: CommitId,
    /// How it is.
    pub state: CommitState,
    /// Which of its statuses: one for each toolchain.
    pub context: String,
    /// In a sentence.
    pub description: String,
    /// Where more is said.
    pub link: Option<String>,
}

impl CommitState {
    /// What people are shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }
}

impl ForgeKind {
    /// The address of a repository at the forge's API, from the one it is fetched from; nothing if that
    /// is no address of a forge.
    pub fn api_of(self, repository: &str) -> Option<String> {
        let url = Url::parse(repository).ok()?;
        let host = url.host_str()?;
        // What is fetched over ssh has its API where the pages are.
        let authority = match (url.scheme(), url.port()) {
            ("https", Some(port)) => format!("{host}:{port}"),
            ("https" | "ssh", _) => host.to_owned(),
            _ => return None,
        };
        let path = url.path().trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        if !path.contains('/') {
            return None;
        }
        Some(match self {
            Self::Github if host == "github.com" => format!("https://api.github.com/repos/{path}"),
            Self::Github => format!("https://{authority}/api/v3/repos/{path}"),
            Self::Gitea => format!("https://{authority}/api/v1/repos/{path}"),
            Self::Gitlab => {
                format!("https://{authority}/api/v4/projects/{}", path.replace('/', "%2F"))
            }
        })
    }

    /// The request that says it; `repository` is the repository's address at the API.
    pub fn status(self, repository: &str, token: &str, status: &CommitStatus) -> Post {
        let description: String = status.description.chars().take(MAX_DESCRIPTION).collect();
        let state = match (self, status.state) {
            (_, CommitState::Pending) => "pending",
            (_, CommitState::Success) => "success",
            (Self::Gitlab, CommitState::Cancelled) => "canceled",
            (Self::Gitlab, CommitState::Failure | CommitState::Error) => "failed",
            (_, CommitState::Failure) => "failure",
            (_, CommitState::Error | CommitState::Cancelled) => "error",
        };
        let name = if self == Self::Gitlab { "name" } else { "context" };
        let mut body = json!({"state": state, name: status.context, "description": description});
        if let Some(link) = &status.link {
            body["target_url"] = Value::String(link.clone());
        }
        let mut headers = match self {
            Self::Github => vec![
                ("authorization", format!("Bearer {token}")),
                ("x-github-api-version", "2022-11-28".to_owned()),
            ],
            Self::Gitlab => vec![("private-token", token.to_owned())],
            Self::Gitea => vec![("authorization", format!("token {token}"))],
        };
        let accepted =
            if self == Self::Github { "application/vnd.github+json" } else { "application/json" };
        headers.push(("accept", accepted.to_owned()));
        Post {
            url: format!("{}/statuses/{}", repository.trim_end_matches('/'), status.commit),
            headers,
            body: body.to_string().into_bytes(),
        }
    }

    /// Whether an answer says that the status is known already, which is as good.
    pub fn knows_already(self, status: u16, text: &str) -> bool {
        self == Self::Gitlab && status == 400 && text.contains("Cannot transition status")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_of_a_repository_is_found() {
        for (kind, repository, api) in [
            (
                ForgeKind::Github,
                "https://github.com/madler/zlib.git",
                Some("https://api.github.com/repos/madler/zlib"),
            ),
            (
                ForgeKind::Github,
                "ssh://git@github.com/madler/zlib.git",
                Some("https://api.github.com/repos/madler/zlib"),
            ),
            (
                ForgeKind::Github,
                "https://git.example.org/a/b",
                Some("https://git.example.org/api/v3/repos/a/b"),
            ),
            (
                ForgeKind::Gitlab,
                "https://git.example.org/a/b/c.git",
                Some("https://git.example.org/api/v4/projects/a%2Fb%2Fc"),
            ),
            (
                ForgeKind::Gitea,
                "https://git.example.org:3000/a/b",
                Some("https://git.example.org:3000/api/v1/repos/a/b"),
            ),
            (
                ForgeKind::Gitea,
                "ssh://git@git.example.org:2222/a/b",
                Some("https://git.example.org/api/v1/repos/a/b"),
            ),
            (ForgeKind::Gitea, "file:///srv/a/b", None),
            (ForgeKind::Github, "https://git.example.org/zlib", None),
        ] {
            assert_eq!(kind.api_of(repository).as_deref(), api, "{repository}");
        }
    }

    #[test]
    fn each_forge_is_told_in_its_way() {
        let commit: CommitId = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
        let status = CommitStatus {
            commit: commit.clone(),
            state: CommitState::Cancelled,
            context: "kiln/gcc:14".to_owned(),
            description: "ä".repeat(200),
            link: Some("https://kiln.example.org/x".to_owned()),
        };
        for (kind, name, state, header) in [
            (ForgeKind::Github, "context", "error", ("authorization", "Bearer hunter2")),
            (ForgeKind::Gitlab, "name", "canceled", ("private-token", "hunter2")),
            (ForgeKind::Gitea, "context", "error", ("authorization", "token hunter2")),
        ] {
            let post = kind.status("https://example.org/api/a/", "hunter2", &status);
            assert_eq!(post.url, format!("https://example.org/api/a/statuses/{commit}"));
            assert!(post.headers.contains(&(header.0, header.1.to_owned())), "{kind:?}");
            let body: Value = serde_json::from_slice(&post.body).unwrap();
            assert_eq!(body[name], "kiln/gcc:14");
            assert_eq!(body["state"], state);
            assert_eq!(body["target_url"], "https://kiln.example.org/x");
            assert_eq!(body["description"].as_str().unwrap().chars().count(), MAX_DESCRIPTION);
            assert!(!format!("{post:?}").contains("hunter2"));
        }
        assert!(
            ForgeKind::Gitlab
                .knows_already(400, "{\"message\":\"Cannot transition status via :run\"}")
        );
        assert!(!ForgeKind::Github.knows_already(400, "Cannot transition status"));
    }
}

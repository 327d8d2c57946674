//! The paths of the REST API: every one in one place, with what is put into them encoded.

use serde::Serialize;
use url::form_urlencoded::Serializer;

use crate::{
    model::{AgentId, BuildId, JobId, ProjectName, QueueName, Revision, ToolchainName, TreeDigest},
    protocol::{AuditFilter, BuildFilter, DiagnosticsQuery, LogQuery},
};

/// Makes paths of the REST API, relative to the server's address.
#[derive(Clone, Copy, Debug)]
pub struct Paths;

impl Paths {
    /// All builds that match.
    pub fn builds(filter: &BuildFilter) -> String {
        with_query("api/v1/builds", filter)
    }

    /// One build.
    pub fn build(build: BuildId) -> String {
        format!("api/v1/builds/{build}")
    }

    /// One job.
    pub fn job(job: JobId) -> String {
        format!("api/v1/jobs/{job}")
    }

    /// A job's log.
    pub fn log(job: JobId, query: &LogQuery) -> String {
        with_query(&format!("api/v1/jobs/{job}/log"), query)
    }

    /// A job's log as a stream of events.
    pub fn log_stream(job: JobId, query: &LogQuery) -> String {
        with_query(&format!("api/v1/jobs/{job}/log/stream"), query)
    }

    /// What compilers, linkers and build tools said of a job.
    pub fn diagnostics(job: JobId, query: &DiagnosticsQuery) -> String {
        with_query(&format!("api/v1/jobs/{job}/diagnostics"), query)
    }

    /// What a job kept, as a list.
    pub fn manifest(job: JobId) -> String {
        format!("api/v1/jobs/{job}/manifest")
    }

    /// What a job kept, as one archive.
    pub fn archive(job: JobId) -> String {
        format!("api/v1/jobs/{job}/artifacts.tar.gz")
    }

    /// One file that a job kept.
    pub fn artifact(job: JobId, path: &str) -> String {
        format!("api/v1/jobs/{job}/artifacts/{}", encode(path))
    }

    /// What there is for a revision.
    pub fn commit_artifacts(revision: &Revision) -> String {
        format!("api/v1/artifacts/{revision}")
    }

    /// One file of the newest build of a revision.
    pub fn commit_artifact(revision: &Revision, toolchain: &ToolchainName, path: &str) -> String {
        format!("api/v1/artifacts/{revision}/{toolchain}/{}", encode(path))
    }

    /// All uploads.
    pub fn uploads() -> String {
        "api/v1/uploads".to_owned()
    }

    /// Keeping an upload longer.
    pub fn renew_upload(digest: &TreeDigest) -> String {
        format!("api/v1/uploads/{digest}/renew")
    }

    /// The toolchains.
    pub fn toolchains() -> String {
        "api/v1/toolchains".to_owned()
    }

    /// The agents.
    pub fn agents() -> String {
        "api/v1/agents".to_owned()
    }

    /// Who asks.
    pub fn whoami() -> String {
        "api/v1/whoami".to_owned()
    }

    /// The tokens.
    pub fn tokens() -> String {
        "api/v1/tokens".to_owned()
    }

    /// The audit log.
    pub fn audit(filter: &AuditFilter) -> String {
        with_query("api/v1/audit", filter)
    }

    /// The projects.
    pub fn projects() -> String {
        "api/v1/projects".to_owned()
    }

    /// One project.
    pub fn project(name: &ProjectName) -> String {
        format!("api/v1/projects/{name}")
    }

    /// How a project is watched.
    pub fn watch(project: &ProjectName) -> String {
        format!("{}/watch", Self::project(project))
    }

    /// The refs of a watched project.
    pub fn refs(project: &ProjectName) -> String {
        format!("{}/refs", Self::project(project))
    }

    /// What forges told of a project.
    pub fn deliveries(project: &ProjectName) -> String {
        format!("{}/deliveries", Self::project(project))
    }

    /// Whom a project tells.
    pub fn targets(project: &ProjectName) -> String {
        format!("{}/targets", Self::project(project))
    }

    /// What it told.
    pub fn notices(project: &ProjectName) -> String {
        format!("{}/notices", Self::project(project))
    }

    /// The secrets of a project.
    pub fn secrets(project: &ProjectName) -> String {
        format!("{}/secrets", Self::project(project))
    }

    /// The queues.
    pub fn queues() -> String {
        "api/v1/queues".to_owned()
    }

    /// One queue.
    pub fn queue(name: &QueueName) -> String {
        format!("api/v1/queues/{name}")
    }

    /// One agent.
    pub fn agent(agent: AgentId) -> String {
        format!("api/v1/agents/{agent}")
    }

    /// The enrollment tokens.
    pub fn enrollments() -> String {
        "api/v1/enrollments".to_owned()
    }

    /// State changes as they happen.
    pub fn events() -> String {
        "api/v1/events".to_owned()
    }
}

/// A path of several parts, each percent-encoded: a file may be called anything.
fn encode(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                encoded.push(char::from(byte));
            }
            _ => {
                encoded.push('%');
                encoded.push_str(&hex::encode_upper([byte]));
            }
        }
    }
    encoded
}

/// `path` with what `query` says; fields without a value are left out.
fn with_query<T: Serialize>(path: &str, query: &T) -> String {
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(query) else {
        return path.to_owned();
    };
    let mut pairs = Serializer::new(String::new());
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        match value {
            serde_json::Value::String(text) => pairs.append_pair(name, text),
            other => pairs.append_pair(name, &other.to_string()),
        };
    }
    match pairs.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Outcome, Stream, Timestamp},
        protocol::BuildState,
    };

    #[test]
    fn queries_have_only_what_was_given() {
        assert_eq!(Paths::builds(&BuildFilter::default()), "api/v1/builds");
        let filter = BuildFilter {
            state: Some(BuildState::Finished),
            outcome: Some(Outcome::Failure),
            toolchain: Some("gcc:14".parse().unwrap()),
            limit: Some(5),
            ..BuildFilter::default()
        };
        assert_eq!(
            Paths::builds(&filter),
            "api/v1/builds?limit=5&outcome=failure&state=finished&toolchain=gcc%3A14"
        );
        let job = JobId::new(Timestamp::from_millis(0));
        let query =
            LogQuery { stream: Some(Stream::Stderr), attempt: Some(2), ..LogQuery::default() };
        assert_eq!(
            Paths::log(job, &query),
            format!("api/v1/jobs/{job}/log?attempt=2&stream=stderr")
        );
    }

    #[test]
    fn file_names_cannot_leave_their_place_in_the_path() {
        for (path, encoded) in [
            ("build/app", "build/app"),
            ("a b?c#d%", "a%20b%3Fc%23d%25"),
            ("x\u{1b}ü", "x%1B%C3%BC"),
        ] {
            assert_eq!(encode(path), encoded);
        }
    }
}

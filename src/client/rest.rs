//! The REST API, typed: one function a question.
//!
//! What may be asked twice is asked again by itself when the network fails; a submission may be,
//! because it carries an idempotency key.

use std::{io, time::Duration};

use bytes::Bytes;
use futures_util::Stream;
use reqwest::{Body, Method, StatusCode, header};
use serde::de::DeserializeOwned;

pub use super::paths::Paths;
use super::{ClientError, DownloadError, Http, download};
use crate::{
    model::{BuildId, JobId, Revision, TreeDigest},
    protocol::{
        Build, BuildFilter, CommitArtifacts, Job, LogQuery, Page, Retry, SubmitBuild,
        ToolchainView, Upload,
    },
};

/// How often a submission is sent when the connection breaks on the way.
const SUBMIT_TRIES: u32 = 3;
/// The wait between two of them.
const SUBMIT_WAIT: Duration = Duration::from_millis(300);

/// A client of the REST API.
#[derive(Clone, Debug)]
pub struct Rest {
    http: Http,
}

impl Rest {
    /// A client of the server at `server`.
    pub fn new(server: &str, token: Option<String>) -> Result<Self, ClientError> {
        Ok(Self { http: Http::new(server, token)? })
    }

    /// The client below.
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// The address of a path, as people would write it.
    pub fn url_of(&self, path: &str) -> String {
        let path = path.trim_start_matches('/');
        self.http.base().join(path).map_or_else(|_| path.to_owned(), String::from)
    }

    /// What there is at `path`, one of [`Paths`]; as `serde_json::Value` it is the API's own JSON.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.http.json(self.http.request(Method::GET, path)).await
    }

    /// Asks for a build. The same `key` and body give the same build.
    pub async fn submit(&self, submission: &SubmitBuild, key: &str) -> Result<Build, ClientError> {
        let mut tries = 1;
        loop {
            let request = self
                .http
                .request(Method::POST, "api/v1/builds")
                .header("idempotency-key", key)
                .json(submission);
            match self.http.json(request).await {
                Err(ClientError::Unreachable { .. }) if tries < SUBMIT_TRIES => tries += 1,
                answer => return answer,
            }
            tokio::time::sleep(SUBMIT_WAIT).await;
        }
    }

    /// One page of the builds that match, the newest first.
    pub async fn builds(&self, filter: &BuildFilter) -> Result<Page<Build>, ClientError> {
        self.get(&Paths::builds(filter)).await
    }

    /// One build.
    pub async fn build(&self, build: BuildId) -> Result<Build, ClientError> {
        self.get(&Paths::build(build)).await
    }

    /// Asks for all jobs of a build to end.
    pub async fn cancel_build(&self, build: BuildId) -> Result<(), ClientError> {
        self.post(&format!("{}/cancel", Paths::build(build)), None).await
    }

    /// Runs legs of a build again.
    pub async fn retry_build(&self, build: BuildId, retry: &Retry) -> Result<(), ClientError> {
        let body = serde_json::to_value(retry).expect("a list of names is JSON");
        self.post(&format!("{}/retry", Paths::build(build)), Some(body)).await
    }

    /// One job.
    pub async fn job(&self, job: JobId) -> Result<Job, ClientError> {
        self.get(&Paths::job(job)).await
    }

    /// Asks for a job to end.
    pub async fn cancel_job(&self, job: JobId) -> Result<(), ClientError> {
        self.post(&format!("{}/cancel", Paths::job(job)), None).await
    }

    /// Runs a job's leg again, as a new job of the same build.
    pub async fn retry_job(&self, job: JobId) -> Result<(), ClientError> {
        self.post(&format!("{}/retry", Paths::job(job)), None).await
    }

    /// Writes a job's log into `sink`, byte for byte; goes on where it was when the connection
    /// breaks. Gives the number of bytes.
    pub async fn log(
        &self,
        job: JobId,
        query: &LogQuery,
        sink: &mut (dyn io::Write + Send),
    ) -> Result<u64, DownloadError> {
        download::download(&self.http, &Paths::log(job, query), sink).await
    }

    /// The last `bytes` bytes of a job's log.
    pub async fn log_tail(&self, job: JobId, bytes: usize) -> Result<Vec<u8>, ClientError> {
        let request = self
            .http
            .request(Method::GET, &Paths::log(job, &LogQuery::default()))
            .header(header::RANGE, format!("bytes=-{bytes}"));
        let mut response = match self.http.send(request).await {
            Err(ClientError::Refused { status, .. })
                if status == StatusCode::RANGE_NOT_SATISFIABLE.as_u16() =>
            {
                return Ok(Vec::new());
            }
            answer => answer?,
        };
        let mut tail = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| self.http.unreachable(&error))?
        {
            tail.extend_from_slice(&chunk);
            let excess = tail.len().saturating_sub(bytes);
            tail.drain(..excess);
        }
        Ok(tail)
    }

    /// The list of what a job kept, as the archive module wrote it.
    pub async fn manifest(&self, job: JobId) -> Result<serde_json::Value, ClientError> {
        self.get(&Paths::manifest(job)).await
    }

    /// Writes the archive of what a job kept into `sink`.
    pub async fn archive(
        &self,
        job: JobId,
        sink: &mut (dyn io::Write + Send),
    ) -> Result<u64, DownloadError> {
        download::download(&self.http, &Paths::archive(job), sink).await
    }

    /// Writes one file that a job kept into `sink`.
    pub async fn artifact(
        &self,
        job: JobId,
        path: &str,
        sink: &mut (dyn io::Write + Send),
    ) -> Result<u64, DownloadError> {
        download::download(&self.http, &Paths::artifact(job, path), sink).await
    }

    /// Keeps an upload longer; none if it is not there.
    pub async fn renew_upload(&self, digest: &TreeDigest) -> Result<Option<Upload>, ClientError> {
        let post = self.http.request(Method::POST, &Paths::renew_upload(digest));
        match self.http.json(post).await {
            Ok(upload) => Ok(Some(upload)),
            Err(ClientError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a tree: a gzipped tar, as it comes.
    pub async fn upload(
        &self,
        tar: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<Upload, ClientError> {
        let post = self.http.request(Method::POST, &Paths::uploads());
        let post = post.header("content-type", "application/gzip");
        self.http.json(post.body(Body::wrap_stream(tar))).await
    }

    /// What there is for a revision.
    pub async fn commit_artifacts(
        &self,
        revision: &Revision,
    ) -> Result<CommitArtifacts, ClientError> {
        self.get(&Paths::commit_artifacts(revision)).await
    }

    /// The toolchains that can be asked for.
    pub async fn toolchains(&self) -> Result<Page<ToolchainView>, ClientError> {
        self.get(&Paths::toolchains()).await
    }

    async fn post(&self, path: &str, body: Option<serde_json::Value>) -> Result<(), ClientError> {
        let request = self.http.request(Method::POST, path);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        self.http.send(request).await.map(drop)
    }
}

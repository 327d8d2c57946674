//! An S3 server over HTTP on loopback, with a folder behind it; for tests and for the program
//! `s3-server` that the compose test runs.

#![allow(dead_code, reason = "not every test program uses all of it")]

use std::{net::SocketAddr, path::Path};

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use tokio::{net::TcpListener, task::JoinHandle};

pub(crate) const ACCESS_KEY: &str = "kiln-test";
pub(crate) const SECRET_KEY: &str = "kiln-test-secret";

/// Serves `folder`, whose folders are the buckets, until the task is aborted.
pub(crate) fn serve(
    listener: TcpListener,
    folder: &Path,
    (access, secret): (&str, &str),
) -> JoinHandle<()> {
    let files = s3s_fs::FileSystem::new(folder).expect("the folder is there");
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(access, secret));
    let service = builder.build();
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let service = service.clone();
            tokio::spawn(async move {
                let http = Builder::new(TokioExecutor::new());
                // A client that goes away is its own business.
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    })
}

/// An S3 server of a test's own, with one bucket called `kiln`.
pub(crate) struct S3 {
    pub(crate) address: SocketAddr,
    pub(crate) folder: tempfile::TempDir,
    server: JoinHandle<()>,
}

impl S3 {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("kiln-s3-").tempdir().unwrap();
        std::fs::create_dir(folder.path().join("kiln")).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = serve(listener, folder.path(), (ACCESS_KEY, SECRET_KEY));
        Self { address, folder, server }
    }

    /// Files that hold objects or parts of them: what the server keeps beside them is not counted.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut folders = vec![self.folder.path().to_owned()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_none_or(|it| it != "json") || name == "manifest.json"
                {
                    files.push(path.display().to_string());
                }
            }
        }
        files
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.server.abort();
    }
}

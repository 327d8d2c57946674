//! An S3 server for tests that run as containers: `s3-server ADDRESS FOLDER ACCESS_KEY SECRET_KEY
//! BUCKET`. It keeps objects as files and is no store for anything that matters.
#![expect(clippy::unwrap_used, reason = "a test program that cannot start ends")]

#[path = "../tests/support/s3.rs"]
mod s3;

use std::path::PathBuf;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, folder, access, secret, bucket] = &arguments[..] else {
        panic!("give ADDRESS FOLDER ACCESS_KEY SECRET_KEY BUCKET");
    };
    let folder = PathBuf::from(folder);
    std::fs::create_dir_all(folder.join(bucket)).unwrap();
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let server = s3::serve(listener, &folder, (access, secret));
    let mut stop =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
    tokio::select! {
        _ = stop.recv() => {}
        _ = server => {}
    }
}

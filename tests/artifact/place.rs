//! The places that the suite runs on.

use std::path::Path;

use futures_util::{StreamExt as _, stream};
use kiln::{
    archive::Digest,
    artifact::{ArtifactError, ArtifactStore, AttemptKey, ByteStream, Key, ObjectName},
    config::artifacts::ArtifactSettings,
    model::{JobId, Revision, Timestamp},
};

use crate::{
    azurite::{self, Azurite},
    s3::{self, S3},
};

pub(crate) fn settings(text: &str, credentials: &[(&str, &str)]) -> ArtifactSettings {
    let mut settings: ArtifactSettings = toml::from_str(text).unwrap();
    settings.credentials = credentials
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned().into()))
        .collect();
    settings
}

pub(crate) async fn open(settings: &ArtifactSettings) -> Result<ArtifactStore, ArtifactError> {
    ArtifactStore::open(settings, Path::new("/nowhere")).await
}

pub(crate) fn s3_settings(address: std::net::SocketAddr, bucket: &str) -> ArtifactSettings {
    let text = format!(
        "root = 's3://{bucket}'\nendpoint = 'http://{address}'\npresigned_downloads = true"
    );
    settings(
        &text,
        &[("AWS_ACCESS_KEY_ID", s3::ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", s3::SECRET_KEY)],
    )
}

pub(crate) fn azure_settings(azurite: &Azurite, container: &str) -> ArtifactSettings {
    let text = format!(
        "root = 'az://{container}'\nendpoint = 'http://{}/{account}'\naccount = '{account}'",
        azurite.address,
        account = azurite::ACCOUNT
    );
    settings(&text, &[("AZURE_STORAGE_ACCOUNT_KEY", azurite::KEY)])
}

pub(crate) fn key(attempt: u32, name: ObjectName) -> Key {
    let revision = Revision::Tree(Digest::of(b"r").to_string().parse().unwrap());
    let job: JobId = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
    AttemptKey::new(revision, &"gcc:14".parse().unwrap(), job, attempt).object(name)
}

/// Bytes in pieces, each filled with its number, so that a piece in the wrong place is seen.
pub(crate) fn pieces(sizes: &[usize]) -> (Vec<u8>, ByteStream) {
    let pieces: Vec<Vec<u8>> = sizes
        .iter()
        .enumerate()
        .map(|(number, size)| vec![u8::try_from(number % 251).unwrap(); *size])
        .collect();
    let stream = stream::iter(pieces.clone().into_iter().map(|piece| Ok(piece.into()))).boxed();
    (pieces.concat(), stream)
}

pub(crate) fn far() -> Timestamp {
    Timestamp::from_millis(i64::MAX)
}

pub(crate) async fn start_s3() -> S3 {
    S3::start().await
}

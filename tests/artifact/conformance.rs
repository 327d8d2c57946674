//! One suite, run on every kind of store.
#![expect(clippy::disallowed_methods, reason = "the rule is for the product; tests start programs")]

use std::{io, time::Duration};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use kiln::{
    archive::Digest,
    artifact::{ArtifactError, ArtifactStore, ObjectName, Stored, Swept},
    model::Timestamp,
};

use crate::{
    azurite::{self, Azurite},
    place::{azure_settings, far, key, open, pieces, s3_settings, settings, start_s3},
};

const MIB: usize = 1 << 20;

async fn keys(store: &ArtifactStore) -> Vec<String> {
    let listed: Vec<_> = store.list().try_collect().await.unwrap();
    let mut keys: Vec<String> = listed.into_iter().map(|(key, _)| key.to_string()).collect();
    keys.sort();
    keys
}

/// `is_atomic`: whether the store can write an object unless there is one. The S3 server of the tests
/// passes over that condition, which S3 itself knows.
async fn suite(store: &ArtifactStore, is_atomic: bool) {
    what_was_stored_comes_back(store).await;
    failing_uploads_leave_nothing(store).await;
    what_is_not_there_is_not_found(store).await;
    only_old_unknown_objects_are_swept(store).await;
    one_installation_owns_it(store, is_atomic).await;
    assert_eq!(keys(store).await, [] as [String; 0]);
}

async fn what_was_stored_comes_back(store: &ArtifactStore) {
    let key = key(1, ObjectName::Archive);
    for sizes in [&[][..], &[5], &[3 * MIB, 0, 3 * MIB, 7], &[MIB; 30]] {
        let (content, stream) = pieces(sizes);
        let stored = store.put_stream(&key, stream, u64::MAX).await.unwrap();
        let expected = Stored { bytes: content.len() as u64, sha256: Digest::of(&content) };
        assert_eq!(stored, expected);
        let object = store.get(&key).await.unwrap();
        assert_eq!(object.meta.bytes, stored.bytes);
        let parts: Vec<_> = object.bytes.try_collect().await.unwrap();
        assert!(parts.concat() == content, "{sizes:?}");
        let length = content.len() as u64;
        for range in [0..length, length / 3..length / 2, length.saturating_sub(1)..length] {
            let bytes = store.read_range(&key, range.clone()).await.unwrap();
            let [from, to] = [range.start, range.end].map(|at| usize::try_from(at).unwrap());
            assert!(bytes == content[from..to], "{range:?} of {sizes:?}");
        }
        assert!(store.read_range(&key, length..length + 1).await.is_err());
    }
    assert!(store.delete(&key).await.unwrap());
}

async fn failing_uploads_leave_nothing(store: &ArtifactStore) {
    let key = key(1, ObjectName::Archive);
    for sizes in [&[5][..], &[MIB; 20]] {
        let total = sizes.iter().sum::<usize>() as u64;
        let (_, good) = pieces(sizes);
        let broken = good.chain(stream::iter([Err(io::Error::other("gone"))])).boxed();
        let error = store.put_stream(&key, broken, u64::MAX).await.unwrap_err();
        assert!(matches!(error, ArtifactError::Upload(_)), "{error}");
        let error = store.put_stream(&key, pieces(sizes).1, total - 1).await.unwrap_err();
        assert!(matches!(error, ArtifactError::TooLarge(_)), "{error}");
        assert_eq!(store.head(&key).await.unwrap(), None);
    }
}

async fn what_is_not_there_is_not_found(store: &ArtifactStore) {
    let key = key(1, ObjectName::Manifest);
    assert!(matches!(store.get(&key).await.unwrap_err(), ArtifactError::NotFound(_)));
    assert!(matches!(store.get_range(&key, 0..1).await.unwrap_err(), ArtifactError::NotFound(_)));
    assert_eq!(store.head(&key).await.unwrap(), None);
}

async fn only_old_unknown_objects_are_swept(store: &ArtifactStore) {
    let (known, orphan) = (key(1, ObjectName::Log), key(2, ObjectName::Log));
    for key in [&known, &orphan] {
        store.put_bytes(key, "log".into()).await.unwrap();
    }
    let is_known = |key: &kiln::artifact::Key| *key == known;
    let young = store.sweep(is_known, Timestamp::from_millis(1)).await.unwrap();
    assert_eq!(young, Swept::default());
    let swept = store.sweep(is_known, far()).await.unwrap();
    assert_eq!(swept, Swept { objects: 1, bytes: 3, staged: 0 });
    assert_eq!(keys(store).await, [known.to_string()]);
    assert!(store.delete(&known).await.unwrap());
}

/// The first that asks; of two that ask at one time, too, where the store can.
async fn one_installation_owns_it(store: &ArtifactStore, is_atomic: bool) {
    let (one, other) = if is_atomic {
        let (one, other) = tokio::join!(store.belongs_to("one"), store.belongs_to("other"));
        (one.unwrap(), other.unwrap())
    } else {
        (store.belongs_to("one").await.unwrap(), store.belongs_to("other").await.unwrap())
    };
    assert!(one != other, "{one} {other}");
    for _ in 0..2 {
        assert_eq!(store.belongs_to("one").await.unwrap(), one);
        assert_eq!(store.belongs_to("other").await.unwrap(), other);
    }
}

#[tokio::test]
async fn a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("made/on demand");
    suite(&open(&settings(&format!("root = '{}'", root.display()), &[])).await.unwrap(), true)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_over_http() {
    let s3 = start_s3().await;
    for root in ["kiln", "kiln/a/b"] {
        suite(&open(&s3_settings(s3.address, root)).await.unwrap(), false).await;
    }
    // What marks the owner, for each of the two; no parts of uploads that were given up.
    let files = s3.files();
    assert!(files.len() == 2 && files.iter().all(|f| f.ends_with("installation")), "{files:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_prefixes_do_not_see_each_other() {
    let s3 = start_s3().await;
    let one = open(&s3_settings(s3.address, "kiln/one")).await.unwrap();
    let other = open(&s3_settings(s3.address, "kiln/other")).await.unwrap();
    one.put_bytes(&key(1, ObjectName::Log), "log".into()).await.unwrap();
    assert_eq!(keys(&other).await, [] as [String; 0]);
    assert_eq!(keys(&one).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_can_go_to_the_store_itself() {
    let s3 = start_s3().await;
    let store = open(&s3_settings(s3.address, "kiln/p")).await.unwrap();
    let key = key(1, ObjectName::Archive);
    let (content, stream) = pieces(&[MIB; 3]);
    store.put_stream(&key, stream, u64::MAX).await.unwrap();
    let good_for = Duration::from_mins(1);
    let url = store.signed_url(&key, good_for).await.unwrap().expect("it was asked for");
    // No token, no credentials: the URL is enough, and any other is not.
    kiln::tls::init();
    let client = reqwest::Client::new();
    let got = client.get(&url).send().await.unwrap().error_for_status().unwrap();
    assert!(got.bytes().await.unwrap() == content);
    let forged = url.replace("artifacts.tar.gz", "manifest.json");
    assert_eq!(client.get(&forged).send().await.unwrap().status(), 403);
    // Unless it was asked for, there is none.
    let quiet = kiln::config::artifacts::ArtifactSettings {
        presigned_downloads: false,
        ..s3_settings(s3.address, "kiln/p")
    };
    assert_eq!(open(&quiet).await.unwrap().signed_url(&key, good_for).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_in_its_own_emulator() {
    let azurite = Azurite::start();
    make_container(&azurite, "kiln").await;
    suite(&open(&azure_settings(&azurite, "kiln")).await.unwrap(), true).await;
    let error = open(&azure_settings(&azurite, "nowhere")).await.unwrap_err().to_string();
    assert!(error.contains("az://nowhere") && error.contains("there is no such bucket"), "{error}");
}

/// Containers are made by operators, not by kiln: with the service's own signature.
async fn make_container(azurite: &Azurite, name: &str) {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    kiln::tls::init();
    let date = httpdate();
    let account = azurite::ACCOUNT;
    let text = format!(
        "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:2021-08-06\n\
         /{account}/{account}/{name}\nrestype:container"
    );
    let key = STANDARD.decode(azurite::KEY).unwrap();
    let signature = STANDARD.encode(hmac_sha256(&key, text.as_bytes()));
    let url = format!("http://{}/{account}/{name}?restype=container", azurite.address);
    let made = reqwest::Client::new()
        .put(url)
        .header("x-ms-date", date)
        .header("x-ms-version", "2021-08-06")
        .header("content-length", 0)
        .header("authorization", format!("SharedKey {account}:{signature}"))
        .send()
        .await
        .unwrap();
    assert!(made.status().is_success(), "{}", made.text().await.unwrap());
}

fn httpdate() -> String {
    let output = std::process::Command::new("date")
        .args(["-u", "+%a, %d %b %Y %H:%M:%S GMT"])
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    use sha2::{Digest as _, Sha256};
    let mut block = [0; 64];
    if key.len() > 64 {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(block.map(|b| b ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(block.map(|b| b ^ 0x5c)).chain_update(inner).finalize().to_vec()
}

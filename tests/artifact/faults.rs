//! A store that fails, is slow, or goes away in the middle.

use std::time::{Duration, Instant};

use kiln::artifact::{ArtifactError, ObjectName};

use crate::{
    fault_proxy::{Fault, FaultProxy},
    place::{key, open, pieces, s3_settings, start_s3},
};

const MIB: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_500_are_tried_again_until_it_works() {
    let s3 = start_s3().await;
    let proxy = FaultProxy::before(s3.address).await;
    let store = open(&s3_settings(proxy.address, "kiln")).await.unwrap();
    proxy.set(Fault::Refuse);
    proxy.set(Fault::Errors(3));
    for sizes in [&[5][..], &[MIB; 20]] {
        let (content, stream) = pieces(sizes);
        let key = key(1, ObjectName::Archive);
        let stored = store.put_stream(&key, stream, u64::MAX).await.unwrap();
        assert_eq!(stored.bytes, content.len() as u64);
        let back = store.read_range(&key, 0..stored.bytes).await.unwrap();
        assert!(back == content);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_cut_is_made_again_or_leaves_nothing() {
    let s3 = start_s3().await;
    let proxy = FaultProxy::before(s3.address).await;
    let store = open(&s3_settings(proxy.address, "kiln")).await.unwrap();
    let key = key(1, ObjectName::Archive);
    proxy.set(Fault::Refuse);
    proxy.set(Fault::CutAfter(3 * MIB));
    let heal = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        proxy.set(Fault::Pass);
    };
    let (content, stream) = pieces(&[MIB; 20]);
    let (stored, ()) = tokio::join!(store.put_stream(&key, stream, u64::MAX), heal);
    match stored {
        Ok(stored) => {
            let back = store.read_range(&key, 0..stored.bytes).await.unwrap();
            assert!(back == content);
        }
        Err(error) => {
            assert!(matches!(error, ArtifactError::Unavailable(_)), "{error}");
            assert_eq!(store.head(&key).await.unwrap(), None);
        }
    }
    assert!(proxy.connections.load(std::sync::atomic::Ordering::SeqCst) > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_says_nothing_is_given_up_and_said_to_be_away() {
    let s3 = start_s3().await;
    let proxy = FaultProxy::before(s3.address).await;
    let store = open(&s3_settings(proxy.address, "kiln")).await.unwrap();
    proxy.set(Fault::Refuse);
    let began = Instant::now();
    let error = store.put_bytes(&key(1, ObjectName::Log), "log".into()).await.unwrap_err();
    assert!(matches!(error, ArtifactError::Unavailable(_)), "{error}");
    // Retries have an end.
    assert!(began.elapsed() < Duration::from_mins(3), "{:?}", began.elapsed());
    proxy.set(Fault::Stall);
    let stalled = store.head(&key(1, ObjectName::Log)).await;
    assert!(matches!(stalled, Err(ArtifactError::Unavailable(_))), "{stalled:?}");
    // And it is used again as soon as it is back.
    proxy.set(Fault::Refuse);
    proxy.set(Fault::Pass);
    store.put_bytes(&key(1, ObjectName::Log), "log".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_store_is_waited_for() {
    let s3 = start_s3().await;
    let proxy = FaultProxy::before(s3.address).await;
    let store = open(&s3_settings(proxy.address, "kiln")).await.unwrap();
    proxy.set(Fault::Slow(8 << 20));
    let (content, stream) = pieces(&[MIB; 18]);
    let stored = store.put_stream(&key(1, ObjectName::Archive), stream, u64::MAX).await.unwrap();
    assert_eq!(stored.bytes, content.len() as u64);
}

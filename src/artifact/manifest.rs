//! An attempt's manifest, read back and proven.

use super::{ArtifactError, ArtifactStore, AttemptKey, ObjectName};
use crate::archive::Manifest;

/// The largest manifest that is read: 100 000 files with long paths.
const MAX_MANIFEST: u64 = 64 << 20;

impl ArtifactStore {
    /// The manifest of an attempt, or none if it has no artifacts.
    pub async fn manifest(&self, attempt: &AttemptKey) -> Result<Option<Manifest>, ArtifactError> {
        let key = attempt.object(ObjectName::Manifest);
        let Some(meta) = self.head(&key).await? else { return Ok(None) };
        let damaged = |problem: String| ArtifactError::Damaged(format!("{key}: {problem}"));
        if meta.bytes > MAX_MANIFEST {
            return Err(damaged(format!("it is larger than {MAX_MANIFEST} bytes")));
        }
        let bytes = self.read_range(&key, 0..meta.bytes).await?;
        // Of a large one, parsing and checking take longer than a runtime's thread should be held.
        let parse = move || {
            let manifest: Manifest =
                serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
            manifest.check().map_err(|error| error.to_string())?;
            Ok(manifest)
        };
        let parsed = tokio::task::spawn_blocking(parse).await.map_err(std::io::Error::other)?;
        parsed.map(Some).map_err(damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        archive::{ManifestHeader, pack::Packer},
        artifact::{
            Key,
            store::tests::{key, store},
        },
    };

    #[tokio::test]
    async fn only_a_manifest_that_can_be_true_is_read() {
        let (_folder, store) = store();
        let key = key(1, ObjectName::Manifest);
        let Key::Attempt(attempt, _) = &key else { panic!("{key}") };
        assert_eq!(store.manifest(attempt).await.unwrap(), None);
        let header = ManifestHeader {
            revision: attempt.revision.to_string(),
            toolchain: "gcc:14".to_owned(),
            image: "sha256:00".to_owned(),
            compiler: Some("gcc 14.2.0".to_owned()),
            job: attempt.job.to_string(),
            attempt: 1,
            modified: 0,
        };
        let (_, packed) = Packer::new(Vec::new(), 0).finish().unwrap();
        let mut manifest = Manifest::new(header, packed);
        let json = serde_json::to_vec(&manifest).unwrap();
        store.put_bytes(&key, json.into()).await.unwrap();
        assert_eq!(store.manifest(attempt).await.unwrap(), Some(manifest.clone()));
        manifest.version = 9;
        for bad in [&b""[..], b"{}", b"[", &serde_json::to_vec(&manifest).unwrap()] {
            store.put_bytes(&key, bytes::Bytes::copy_from_slice(bad)).await.unwrap();
            let error = store.manifest(attempt).await.unwrap_err();
            assert!(matches!(error, ArtifactError::Damaged(_)), "{error}");
        }
    }
}

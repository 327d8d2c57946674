//! A file of an archive, or a part of one, straight out of the repository.
//!
//! Only the gzip members that hold the part are fetched, one MiB at a time; inflating runs on
//! blocking threads and overlaps with fetching. Each member's checksum is verified, and for a
//! whole file its digest: damage breaks the stream off, it never passes for content.

use std::{io, ops::Range};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{ArtifactError, ArtifactStore, ByteStream, Key};
use crate::archive::{Hasher, ManifestEntry, Slice};

/// Members fetched or inflated at one time, for each download.
const AHEAD: usize = 2;

/// Bytes `range` of the file that `entry` describes, from the archive at `archive`.
pub fn serve_file(
    store: &ArtifactStore,
    archive: &Key,
    entry: &ManifestEntry,
    range: Range<u64>,
) -> Result<ByteStream, ArtifactError> {
    let whole = (range == (0..entry.size)).then_some(entry.sha256);
    let slices = entry.slices(range)?;
    let (store, archive) = (store.clone(), archive.clone());
    let parts = stream::iter(slices)
        .map(move |slice| part(store.clone(), archive.clone(), slice))
        .buffered(AHEAD);
    let Some(expected) = whole else { return Ok(parts.map_err(io::Error::other).boxed()) };
    let checked = stream::try_unfold(
        (parts.boxed(), Hasher::default()),
        move |(mut parts, mut hasher)| async move {
            match parts.try_next().await.map_err(io::Error::other)? {
                Some(part) => {
                    hasher.update(&part);
                    Ok(Some((part, (parts, hasher))))
                }
                None if hasher.finish() == expected => Ok(None),
                None => {
                    let problem = "the file's digest is not the one in the manifest";
                    Err(io::Error::other(ArtifactError::Damaged(problem.to_owned())))
                }
            }
        },
    );
    Ok(checked.boxed())
}

async fn part(
    store: ArtifactStore,
    archive: Key,
    slice: Slice,
) -> Result<bytes::Bytes, ArtifactError> {
    let member = store.read_range(&archive, slice.compressed.clone()).await?;
    let opened = tokio::task::spawn_blocking(move || slice.open(&member));
    Ok(opened.await.map_err(io::Error::other)??.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        archive::{
            Digest, Packed,
            filter::{Content, Entry},
            pack::Packer,
        },
        artifact::{
            ObjectName,
            store::tests::{key, store},
        },
    };

    fn packed(content: &[u8]) -> (Vec<u8>, Packed) {
        let mut packer = Packer::new(Vec::new(), 0);
        let size = content.len() as u64;
        for path in ["a", "b"] {
            let path = path.parse().unwrap();
            let entry = Entry { path, mode: 0o755, content: Content::File(size) };
            packer.add(entry, &mut &content[..]).unwrap();
        }
        packer.finish().unwrap()
    }

    async fn collect(bytes: ByteStream) -> io::Result<Vec<u8>> {
        bytes.try_fold(Vec::new(), async |all, part| Ok([all, part.to_vec()].concat())).await
    }

    #[tokio::test]
    async fn any_part_of_a_stored_file_is_served() {
        let (_folder, store) = store();
        let key = key(1, ObjectName::Archive);
        let content: Vec<u8> =
            (0..5_000_000_u32).flat_map(|i| (i % 65_521).to_le_bytes()).collect();
        let (archive, packed) = packed(&content[..5_000_000]);
        store.put_bytes(&key, archive.into()).await.unwrap();
        for entry in &packed.files {
            for (a, b) in [(0, 5_000_000), (0, 0), (1_048_063, 1_048_065), (4_999_999, 5_000_000)] {
                let range = a as u64..b as u64;
                let bytes = serve_file(&store, &key, entry, range).unwrap();
                assert_eq!(collect(bytes).await.unwrap(), &content[a..b]);
            }
            let outside = serve_file(&store, &key, entry, 1..5_000_001);
            assert!(matches!(outside, Err(ArtifactError::Range)));
        }
    }

    #[tokio::test]
    async fn damage_breaks_the_stream_off() {
        let (_folder, store) = store();
        let key = key(1, ObjectName::Archive);
        let (mut archive, packed) = packed(&vec![7; 3_000_000]);
        let mut lying = packed.files[0].clone();
        lying.sha256 = Digest::of(b"other");
        store.put_bytes(&key, archive.clone().into()).await.unwrap();
        let bytes = serve_file(&store, &key, &lying, 0..lying.size).unwrap();
        assert!(collect(bytes).await.unwrap_err().to_string().contains("digest"));
        let entry = &packed.files[1];
        archive[usize::try_from(entry.offset).unwrap() + 50] ^= 1;
        store.put_bytes(&key, archive.clone().into()).await.unwrap();
        assert!(collect(serve_file(&store, &key, entry, 0..9).unwrap()).await.is_err());
        archive.truncate(40);
        store.put_bytes(&key, archive.into()).await.unwrap();
        assert!(collect(serve_file(&store, &key, entry, 0..9).unwrap()).await.is_err());
        store.delete(&key).await.unwrap();
        assert!(collect(serve_file(&store, &key, entry, 0..9).unwrap()).await.is_err());
    }
}

//! Tar and gzip, both ways: what a sandbox hands out becomes one deterministic, indexed archive.
//!
//! Everything here is synchronous and pure over `Read` and `Write`; callers run it on a blocking
//! thread. `repack` is the whole way in (`filter` reads the hostile tar, `pack` writes ours), and
//! `range` the way out: which bytes of the archive hold a part of a file. Nothing here ever
//! creates, opens or names a file of the host.

mod digest;
pub mod filter;
pub mod gzip;
mod http_range;
mod magic;
mod manifest;
pub mod names;
pub mod pack;
mod path;
pub mod range;
mod repack;
pub mod tar_reader;
pub mod tree;

pub use digest::{Digest, DigestError, Hasher};
pub use filter::{Bounds, FilterError};
pub use http_range::{HttpRange, http_range};
pub use magic::{FileKind, HEAD_BYTES};
pub use manifest::{Manifest, ManifestEntry, ManifestError, ManifestHeader};
pub use pack::{PackError, Packed};
pub use path::{ArtifactPath, PathError};
pub use range::{RangeError, Slice};
pub use repack::{Order, RepackError, Repacked, repack};

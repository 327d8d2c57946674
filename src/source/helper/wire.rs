//! What parent and helper say to each other: one JSON request on stdin, one JSON reply on stdout.
//!
//! A tar is the exception: its bytes go to stdout and a failure, if any, to stderr, with an exit
//! status that is not zero. Both ends are the same binary, so the format needs no version.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::{CommitId, CommitInfo, SecretValue};

/// The exit status of a helper that ended a tar with a failure on stderr.
pub(in crate::source) const EXIT_FAILED: u8 = 3;

/// A request and the bounds of the process that serves it.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::source) struct Envelope {
    pub(in crate::source) request: Request,
    /// Address space, in bytes.
    pub(in crate::source) memory_bytes: u64,
    /// Processor time, in seconds: an orphan ends by it.
    pub(in crate::source) cpu_seconds: u64,
    /// The largest file it may write, in bytes.
    pub(in crate::source) file_bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::source) enum Request {
    /// Which commit a ref leads to, asked of the remote.
    Resolve { access: Access, wanted: Wanted, refs: u32 },
    /// Every branch and tag, asked of the remote.
    List { access: Access, refs: u32 },
    /// A commit into a mirror.
    Fetch(FetchRequest),
    /// What is in a tree.
    Inspect { tree: TreeRequest, files: Vec<String>, file_bytes: u64 },
    /// What a commit says, and which paths are not as they were at another one.
    Compare { tree: TreeRequest, since: Option<CommitId> },
    /// A tree as a tar.
    Tar(TreeRequest),
    /// What a tree's scripts ask of git.
    Survey(TreeRequest),
    /// More of a commit's history, and its tags, into a mirror.
    Deepen { fetch: FetchRequest, asks: Asks },
}

/// What scripts ask of git, from less to more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::source) enum Asks {
    /// Nothing but the commit itself.
    Head,
    /// The nearest tag, and how far it is.
    Tag,
    /// The whole history.
    Everything,
}

/// How the `.git` of a tree is to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::source) struct GitFolder {
    /// The full name of the branch that is built, if it was one.
    pub(in crate::source) branch: Option<String>,
    pub(in crate::source) asks: Asks,
}

/// How the helper reaches the remote: always through the parent, except for files.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::source) struct Access {
    /// The relay's URL, or the file URL.
    pub(in crate::source) url: String,
    /// What ssh needs.
    pub(in crate::source) ssh: Option<SshAccess>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::source) struct SshAccess {
    pub(in crate::source) user: String,
    pub(in crate::source) key: SshKey,
    /// The host's public key as in `known_hosts`: `ssh-ed25519 AAAA…`.
    pub(in crate::source) host_key: String,
}

/// A private key. It reaches the helper on its standard input, never as an argument.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::source) enum SshKey {
    /// A file that has it.
    File(PathBuf),
    /// It.
    Text(SecretValue),
}

/// What is asked of the remote.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::source) enum Wanted {
    Default,
    Ref(String),
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::source) struct FetchRequest {
    pub(in crate::source) access: Access,
    pub(in crate::source) mirror: PathBuf,
    pub(in crate::source) commit: CommitId,
    /// A ref that is believed to lead to the commit.
    pub(in crate::source) hint: Option<String>,
    pub(in crate::source) pack_bytes: u64,
    pub(in crate::source) bounds: TreeBounds,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(in crate::source) struct TreeBounds {
    pub(in crate::source) bytes: u64,
    pub(in crate::source) entries: u32,
    pub(in crate::source) depth: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::source) struct TreeRequest {
    /// The source itself first, then its submodules.
    pub(in crate::source) parts: Vec<Part>,
    pub(in crate::source) bounds: TreeBounds,
    /// The `.git` of a tar; none has no `.git`.
    pub(in crate::source) git: Option<GitFolder>,
}

/// One commit's tree and where in the source it lies.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::source) struct Part {
    /// Empty for the source itself.
    #[serde(with = "base64_bytes")]
    pub(in crate::source) prefix: Vec<u8>,
    pub(in crate::source) mirror: PathBuf,
    pub(in crate::source) commit: CommitId,
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::source) enum Reply {
    Resolved {
        commit: CommitId,
        refname: Option<String>,
    },
    /// Full names with their commits, and the name of the default branch.
    Listed {
        refs: Vec<(String, CommitId)>,
        default: Option<String>,
    },
    Fetched {
        fetched: bool,
        bytes: u64,
    },
    Inspected(Inspected),
    Compared {
        message: String,
        paths: Option<Vec<String>>,
    },
    Surveyed {
        asks: Asks,
    },
    Deepened {
        bytes: u64,
        note: Option<String>,
    },
    Failed(Failure),
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::source) struct Inspected {
    pub(in crate::source) info: CommitInfo,
    pub(in crate::source) entries: Vec<TreeEntry>,
    /// Index into the request's file names, and the content.
    pub(in crate::source) files: Vec<FoundFile>,
    /// Submodules that are in the tree but not in the request's parts.
    pub(in crate::source) submodules: Vec<FoundSubmodule>,
    /// Names of files that were asked for and are larger than the bound.
    pub(in crate::source) too_large: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::source) struct FoundFile {
    pub(in crate::source) name: String,
    #[serde(with = "base64_bytes")]
    pub(in crate::source) content: Vec<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::source) struct FoundSubmodule {
    #[serde(with = "base64_bytes")]
    pub(in crate::source) path: Vec<u8>,
    pub(in crate::source) commit: CommitId,
}

/// One entry of a source's tree.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TreeEntry {
    /// Path relative to the source's root, byte for byte as git has it.
    #[serde(with = "base64_bytes")]
    pub path: Vec<u8>,
    /// What it is.
    pub kind: TreeKind,
    /// Size in bytes: of a file, or of a symlink's target; else zero.
    pub size: u64,
}

/// What an entry of a tree is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TreeKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A regular file with the executable bit.
    Executable,
    /// A symlink.
    Symlink,
    /// The place of a submodule; with its content after it when submodules were fetched.
    Submodule,
}

/// Why the helper could not do it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::source) struct Failure {
    pub(in crate::source) kind: FailureKind,
    pub(in crate::source) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::source) enum FailureKind {
    UnknownRef,
    Unreachable,
    TooLarge,
    RefusedTree,
    Credentials,
    /// Objects are missing from the mirror or damaged: it is worth a fresh one.
    Corrupt,
    Internal,
}

impl Failure {
    pub(in crate::source) fn new(kind: FailureKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}

/// Bytes in JSON, compactly: paths need not be UTF-8.
mod base64_bytes {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

//! Small projects that are easily built in the wrong way: those of `tests/traps`.
//!
//! None has a `.kiln.toml`; what they print when they run says that the right thing was built.

use std::path::PathBuf;

use super::repo::{Entry, Repo};

/// A trap as a repository with one commit.
pub(crate) fn repo(name: &str) -> Repo {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/traps").join(name);
    assert!(folder.is_dir(), "there is no trap {name:?}");
    Repo::with(Entry::folder(&folder))
}

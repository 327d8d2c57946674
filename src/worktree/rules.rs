//! What is ignored: one level for each folder that says so, the nearest counts first.
//!
//! Two chains of the same form: git's own (`.gitignore`, then what the repository and the person
//! exclude everywhere), and `.kilnignore`, which is asked first and so has the last word.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use ignore::{
    Match,
    gitignore::{Gitignore, GitignoreBuilder},
};

/// What a chain says of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Nothing.
    Silent,
    /// It is ignored.
    Ignored,
    /// It is not ignored, whatever weaker rules say.
    Wanted,
}

/// A chain of rules. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Rules(Option<Arc<Level>>);

struct Level {
    matcher: Gitignore,
    up: Rules,
}

impl Rules {
    /// These rules and those of a file, which are about paths below `folder` and stronger. A file
    /// that is not there says nothing, and a symlink is not followed, as in git.
    pub(super) fn with(&self, file: &Path, folder: &Path) -> Self {
        if !file.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
            return self.clone();
        }
        let mut builder = GitignoreBuilder::new(folder);
        builder.allow_unclosed_class(false);
        // Lines that are no pattern match nothing, as in git.
        let _ = builder.add(file);
        match builder.build() {
            Ok(matcher) if !matcher.is_empty() => {
                Self(Some(Arc::new(Level { matcher, up: self.clone() })))
            }
            _ => self.clone(),
        }
    }

    /// These rules and those of files that count everywhere below `folder`, the stronger first.
    pub(super) fn with_all(&self, files: &[PathBuf], folder: &Path) -> Self {
        files.iter().rev().fold(self.clone(), |rules, file| rules.with(file, folder))
    }

    /// What they say of an absolute path.
    pub(super) fn verdict(&self, path: &Path, is_folder: bool) -> Verdict {
        let mut level = self.0.as_deref();
        while let Some(Level { matcher, up }) = level {
            match matcher.matched(path, is_folder) {
                Match::None => level = up.0.as_deref(),
                Match::Ignore(_) => return Verdict::Ignored,
                Match::Whitelist(_) => return Verdict::Wanted,
            }
        }
        Verdict::Silent
    }
}

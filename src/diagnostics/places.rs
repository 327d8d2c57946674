//! Whose file a tool means: paths as tools write them, mapped to the repository.
//!
//! A tool names files from the folder it runs in, which it does not say; make and ninja say when
//! they enter one. A name is tried from the folders seen, the newest first, and believed where the
//! tree has such a file.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use crate::model::FileOrigin;

/// Where the source lies in every sandbox.
const SOURCE: &str = "/workspace/src";
/// The folders that are remembered: a recursive make in parallel is in a few at one time.
const MAX_FOLDERS: usize = 16;
/// The answers that are remembered, so that the warnings of one file are looked up once.
const MAX_KNOWN: usize = 4096;
/// Where the system's own headers and libraries are.
const SYSTEM: &[&str] = &["/usr/", "/lib/", "/lib64/", "/opt/", "/include/", "/nix/", "/tools/"];

/// The files of a source. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct SourceTree {
    files: Arc<HashSet<String>>,
}

impl SourceTree {
    /// A tree of these paths, relative to its root.
    pub fn new(paths: impl IntoIterator<Item = String>) -> Self {
        Self { files: Arc::new(paths.into_iter().collect()) }
    }
}

/// A file, and whose it is: none where that cannot be said.
type Mapped = (String, Option<FileOrigin>);

/// Maps the paths of one step.
#[derive(Debug, Default)]
pub(super) struct Places {
    tree: SourceTree,
    /// The folders that tools said they entered, absolute, the newest first.
    folders: VecDeque<String>,
    known: HashMap<String, Mapped>,
}

impl Places {
    pub(super) fn new(tree: SourceTree) -> Self {
        Self { tree, ..Self::default() }
    }

    /// Takes `make[1]: Entering directory '/workspace/src/lib'` and the like; whether it was one.
    pub(super) fn hear(&mut self, line: &str) -> bool {
        let Some((before, rest)) = line.split_once(" directory ") else { return false };
        let (tool, verb) = before.rsplit_once(": ").unwrap_or(("", before));
        let is_tool = tool.contains("make") || tool == "ninja";
        if !is_tool || !["Entering", "Leaving"].contains(&verb) {
            return false;
        }
        let folder = rest.trim().trim_matches(['\'', '`', '"', '‘', '’']);
        let folder = normal(SOURCE, folder);
        if let Some(at) = self.folders.iter().position(|known| *known == folder) {
            self.folders.remove(at);
        }
        // One that was left may still be meant by what ran there and is read late.
        match verb {
            "Entering" => self.folders.push_front(folder),
            _ => self.folders.push_back(folder),
        }
        self.folders.truncate(MAX_FOLDERS);
        self.known.clear();
        true
    }

    /// The file as the repository names it, if it is there; else as the tool wrote it.
    pub(super) fn map(&mut self, file: &str) -> Mapped {
        if let Some(known) = self.known.get(file) {
            return known.clone();
        }
        let mapped = self.find(file);
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        self.known.insert(file.to_owned(), mapped.clone());
        mapped
    }

    fn find(&self, file: &str) -> Mapped {
        // `<command-line>` and `<stdin>` are no files.
        if self.tree.files.is_empty() || file.is_empty() || file.starts_with('<') {
            return (file.to_owned(), None);
        }
        if file.starts_with('/') {
            let path = normal("", file);
            return match self.in_tree(&path) {
                Some(inside) => (inside, Some(FileOrigin::Repository)),
                None if SYSTEM.iter().any(|system| path.starts_with(system)) => {
                    (path, Some(FileOrigin::System))
                }
                None => (below(&path).unwrap_or(&path).to_owned(), Some(FileOrigin::Generated)),
            };
        }
        let folders = self.folders.iter().map(String::as_str).chain([SOURCE]);
        let found = folders.map(|folder| normal(folder, file)).find_map(|path| self.in_tree(&path));
        // From a folder of the build that nobody named, the way leads up: `../src/x.c`.
        let found = found.or_else(|| self.in_tree(&normal(SOURCE, file.trim_start_matches("../"))));
        match found {
            Some(inside) => (inside, Some(FileOrigin::Repository)),
            None => (file.to_owned(), Some(FileOrigin::Generated)),
        }
    }

    fn in_tree(&self, path: &str) -> Option<String> {
        below(path).filter(|inside| self.tree.files.contains(*inside)).map(str::to_owned)
    }
}

/// A path below the source, relative to it.
fn below(path: &str) -> Option<&str> {
    path.strip_prefix(SOURCE)?.strip_prefix('/')
}

/// A path from a folder, absolute, without `.` and `..`.
fn normal(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let from = if path.starts_with('/') { "" } else { folder };
    for part in from.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_as_the_repository_does() {
        use FileOrigin::{Generated, Repository, System};
        let tree = ["main.c", "lib/a.c", "lib/sub/a.c", "inc/x.h", "src/z.c"];
        let mut places = Places::new(SourceTree::new(tree.map(str::to_owned)));
        for (file, path, origin) in [
            ("main.c", "main.c", Some(Repository)),
            ("./main.c", "main.c", Some(Repository)),
            ("/workspace/src/lib/a.c", "lib/a.c", Some(Repository)),
            ("/workspace/src/lib/../inc/x.h", "inc/x.h", Some(Repository)),
            ("/workspace/src/build/gen.c", "build/gen.c", Some(Generated)),
            ("/workspace/build/gen.c", "/workspace/build/gen.c", Some(Generated)),
            ("/usr/lib/gcc/x/14/../../../include/a.h", "/usr/lib/include/a.h", Some(System)),
            ("../src/z.c", "src/z.c", Some(Repository)),
            ("../main.c", "main.c", Some(Repository)),
            ("gen.c", "gen.c", Some(Generated)),
            ("<command-line>", "<command-line>", None),
            ("a.c", "a.c", Some(Generated)),
        ] {
            assert_eq!(places.map(file), (path.to_owned(), origin), "{file}");
        }
        assert!(places.hear("make[1]: Entering directory '/workspace/src/lib'"));
        assert_eq!(places.map("a.c").0, "lib/a.c");
        assert_eq!(places.map("../inc/x.h").0, "inc/x.h");
        assert!(places.hear("make[2]: Entering directory '/workspace/src/lib/sub'"));
        assert_eq!(places.map("a.c").0, "lib/sub/a.c");
        assert!(places.hear("make[2]: Leaving directory '/workspace/src/lib/sub'"));
        assert_eq!(places.map("a.c").0, "lib/a.c");
        assert!(places.hear("ninja: Entering directory `build'"));
        assert_eq!(places.map("../src/z.c").0, "src/z.c");
        assert!(!places.hear("echo Entering directory x"));
    }

    #[test]
    fn without_a_tree_names_stay() {
        let mut places = Places::default();
        assert_eq!(places.map("/workspace/src/a.c"), ("/workspace/src/a.c".to_owned(), None));
    }
}

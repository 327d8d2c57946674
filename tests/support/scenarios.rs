//! Small projects that each do one thing: those of `tests/scenarios`, and those too large for files.

use std::path::PathBuf;

use super::repo::{Entry, Repo};

/// All of `tests/scenarios`, in the order of their names.
pub(crate) fn names() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).expect("tests/scenarios can be read");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

/// The files of a scenario.
pub(crate) fn entries(name: &str) -> Vec<Entry> {
    let folder = folder().join(name);
    assert!(folder.is_dir(), "there is no scenario {name:?}: there are {:?}", names());
    Entry::folder(&folder)
}

/// A scenario as a repository with one commit.
pub(crate) fn repo(name: &str) -> Repo {
    Repo::with(entries(name))
}

/// How many files `many_files` spreads over one folder.
const FILES_PER_FOLDER: usize = 1_000;

/// A project of so many files, all but two of them tiny headers; the build counts them: `count: N`.
pub(crate) fn many_files(files: usize) -> Repo {
    let makefile = "all: app\n\t@echo count: $$(find . -name '*.h' | wc -l)\n\napp: app.o\n\t$(CC) -o $@ app.o\n";
    let headers = (0..files - 2).map(|n| {
        let path = format!("include/{}/{n}.h", n / FILES_PER_FOLDER);
        Entry::file(path, format!("#define NUMBER_{n} {n}\n"))
    });
    let project = [
        Entry::file("Makefile", makefile),
        Entry::file(
            "app.c",
            "#include \"include/0/7.h\"\n\nint main(void) {\n    return NUMBER_7 - 7;\n}\n",
        ),
    ];
    Repo::with(project.into_iter().chain(headers))
}

const MIB: usize = 1 << 20;
/// The size of each file of `large_source`, in MiB.
const PART_MIB: usize = 10;

/// A project of so many MiB that cannot be compressed; the build says how many arrived: `bytes: N`.
pub(crate) fn large_source(mib: usize) -> Repo {
    let makefile =
        "all: app\n\t@echo bytes: $$(cat data/* | wc -c)\n\napp: app.o\n\t$(CC) -o $@ app.o\n";
    let project = [
        Entry::file("Makefile", makefile),
        Entry::file("app.c", "int main(void) {\n    return 0;\n}\n"),
    ];
    let mut noise = Noise(0x9E37_79B9_7F4A_7C15);
    let parts = (0..mib.div_ceil(PART_MIB)).map(move |n| {
        let bytes = PART_MIB.min(mib - n * PART_MIB) * MIB;
        Entry::file(format!("data/{n:03}.bin"), noise.bytes(bytes))
    });
    Repo::with(project.into_iter().chain(parts))
}

/// Xorshift: always the same bytes, and none that gzip could make smaller.
struct Noise(u64);

impl Noise {
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            bytes.extend_from_slice(&self.0.to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

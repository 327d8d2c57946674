//! Which folder is the project where the root has nothing to build with.

use crate::builder::Listing;

/// Folders that are a part of a project, not the project.
const PARTS: &[&str] = &[
    "test",
    "tests",
    "testing",
    "doc",
    "docs",
    "example",
    "examples",
    "sample",
    "samples",
    "demo",
    "demos",
    "bench",
    "benchmark",
    "benchmarks",
    "contrib",
    "third_party",
    "thirdparty",
    "3rdparty",
    "external",
    "extern",
    "vendor",
    "deps",
    "tools",
    "scripts",
    "cmake",
    "ci",
    "fuzz",
    "packaging",
    "debian",
    "man",
    "po",
];
/// What wins over others: the usual name, and, where there is one for each platform, this one's.
const LIKELY: &[&str] = &["src", "source", "unix", "linux", "posix"];
/// Where build files stand that are not a project of their own; looked at when all else is nothing.
pub(super) const LAST: &[&str] = &["cmake", "build/cmake", "contrib/cmake", "build"];

/// Whether a folder of this name is only a part of a project.
pub(super) fn is_part(name: &str) -> bool {
    PARTS.contains(&name.to_ascii_lowercase().as_str())
}

/// The folders of the root that may be the project.
pub(super) fn folders(listing: &Listing) -> impl Iterator<Item = &str> {
    listing.folders().into_iter().filter(|path| !is_part(path))
}

/// Which of these folders, all of which can be built, is the project; none if that is not clear.
pub(super) fn project(listing: &Listing, names: &[&str]) -> Option<usize> {
    if let [_] = names {
        return Some(0);
    }
    let own = listing.name().into_iter();
    own.chain(LIKELY.iter().copied())
        .find_map(|likely| names.iter().position(|name| name.eq_ignore_ascii_case(likely)))
}

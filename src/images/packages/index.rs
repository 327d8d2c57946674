//! The package index of a release, as it lies in its image: kept compressed, read from end to end
//! for each question. Questions are rare, and come when a build has failed.

use std::{
    collections::{BTreeSet, HashSet},
    io::{BufRead as _, BufReader, Read as _},
    sync::Arc,
};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use crate::images::{Images, ImagesError, stage::index_image};

/// Where the index lies in its image.
const PATH: &str = "/usr/local/share/kiln/packages.gz";
/// Where Debian keeps what is installed.
const STATUS: &str = "/var/lib/dpkg/status";
/// The largest index and status that are read: ten times what a release has.
const MOST_COMPRESSED: usize = 32 << 20;
const MOST_TEXT: u64 = 256 << 20;
const MOST_STATUS: usize = 64 << 20;
/// Images whose installed packages are kept in mind.
const MOST_IMAGES: usize = 32;
/// How many names that are close to an unknown one are shown.
const CLOSE_NAMES: usize = 3;
/// How close they must be, of 1: less looks like nonsense to people.
const CLOSE: f64 = 0.88;

/// Which package has what, in one release.
#[derive(Clone, Debug)]
pub(in crate::images) struct PackageIndex {
    compressed: Bytes,
}

/// One line of an index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// The kind of thing.
    pub(super) kind: &'a str,
    /// Its name.
    pub(super) name: &'a str,
    /// The packages that have it, separated by commas; of a package its Multi-Arch field.
    pub(super) packages: &'a str,
}

impl PackageIndex {
    /// From the file of an image.
    pub(super) fn new(compressed: impl Into<Bytes>) -> Self {
        Self { compressed: compressed.into() }
    }

    /// Shows every line until one is enough. A broken index is as good as its readable part.
    pub(super) fn each(&self, mut take: impl FnMut(Line<'_>)) {
        let text = MultiGzDecoder::new(self.compressed.as_ref()).take(MOST_TEXT);
        let mut reader = BufReader::with_capacity(256 << 10, text);
        let mut line = String::new();
        while matches!(reader.read_line(&mut line), Ok(1..)) {
            let mut parts = line.trim_end_matches('\n').splitn(3, '\t');
            if let (Some(kind), Some(name), Some(packages)) =
                (parts.next(), parts.next(), parts.next())
            {
                take(Line { kind, name, packages });
            }
            line.clear();
        }
    }

    /// The end of a sentence about a package that is unknown: names that are close to it.
    pub(super) fn close_to(&self, package: &str) -> String {
        let mut close: Vec<(f64, String)> = Vec::new();
        self.each(|line| {
            if line.kind == "n" {
                let alike = strsim::jaro_winkler(line.name, package);
                if alike >= CLOSE {
                    close.push((alike, line.name.to_owned()));
                }
            }
        });
        close.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let names: Vec<String> =
            close.into_iter().take(CLOSE_NAMES).map(|(_, name)| name).collect();
        if names.is_empty() {
            String::new()
        } else {
            format!("; close to it: {}", names.join(", "))
        }
    }
}

impl Images {
    /// The index of a release, if its image is here.
    pub(super) async fn index(&self, release: &str) -> Result<Option<PackageIndex>, ImagesError> {
        let Some(id) = self.id(&index_image(release)).await? else { return Ok(None) };
        let known = self.indexes.lock().expect("nothing panics with it").get(release).cloned();
        if let Some((_, index)) = known.filter(|(of, _)| *of == id) {
            return Ok(Some(index));
        }
        let Some(bytes) = self.read_file(&id, PATH, MOST_COMPRESSED).await? else {
            return Ok(None);
        };
        let index = PackageIndex::new(bytes);
        let mut indexes = self.indexes.lock().expect("nothing panics with it");
        indexes.insert(release.to_owned(), (id, index.clone()));
        Ok(Some(index))
    }

    /// The packages that are installed in an image; empty if it is no Debian.
    pub(super) async fn installed(&self, image: &str) -> Result<Arc<HashSet<String>>, ImagesError> {
        let known = self.installed.lock().expect("nothing panics with it").get(image).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let status = self.read_file(image, STATUS, MOST_STATUS).await?.unwrap_or_default();
        let names = Arc::new(installed_in(&String::from_utf8_lossy(&status)));
        let mut installed = self.installed.lock().expect("nothing panics with it");
        if installed.len() >= MOST_IMAGES {
            installed.clear();
        }
        installed.insert(image.to_owned(), Arc::clone(&names));
        Ok(names)
    }
}

/// The packages that a status file says are installed: `name:architecture` of all, and the plain name
/// of those for the machine itself.
fn installed_in(status: &str) -> HashSet<String> {
    let installed = |stanza: &str| {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name));
        let is_there = field("Status: ")?.ends_with(" installed");
        is_there.then_some(())?;
        Some((field("Package: ")?.to_owned(), field("Architecture: ")?.to_owned()))
    };
    let all: Vec<(String, String)> = status.split("\n\n").filter_map(installed).collect();
    let own = all.iter().find(|(name, _)| name == "dpkg").map(|(_, architecture)| architecture);
    let mut names = HashSet::new();
    for (name, architecture) in &all {
        names.insert(format!("{name}:{architecture}"));
        if architecture == "all" || Some(architecture) == own {
            names.insert(name.clone());
        }
    }
    names
}

/// Packages named in a line, each once.
pub(super) fn named(packages: &str) -> BTreeSet<&str> {
    packages.split(',').filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    /// An index with these lines, kind and name and packages separated by spaces.
    pub(in crate::images::packages) fn index(lines: &[&str]) -> PackageIndex {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        for line in lines {
            writeln!(encoder, "{}", line.replace(' ', "\t")).unwrap();
        }
        PackageIndex::new(encoder.finish().unwrap())
    }

    #[test]
    fn names_that_are_close_are_shown_and_others_are_not() {
        let index = index(&["n libevent-dev same", "n libevdev-dev same", "n zlib1g-dev same"]);
        assert_eq!(index.close_to("libevnet-dev"), "; close to it: libevent-dev, libevdev-dev");
        assert_eq!(index.close_to("qqq"), "");
    }

    #[test]
    fn a_broken_index_is_as_good_as_its_beginning() {
        let whole = index(&["h a.h a-dev", "h b.h b-dev"]);
        let count = |index: &PackageIndex| {
            let mut count = 0;
            index.each(|_| count += 1);
            count
        };
        assert_eq!(count(&whole), 2);
        let half = whole.compressed.len() / 2;
        assert!(count(&PackageIndex::new(whole.compressed.slice(..half))) < 2);
        assert_eq!(count(&PackageIndex::new(&b"no gzip"[..])), 0);
    }

    #[test]
    fn only_what_is_installed_counts() {
        let stanza = |name: &str, architecture: &str, status: &str| {
            format!("Package: {name}\nStatus: {status}\nArchitecture: {architecture}\n")
        };
        let status = [
            stanza("dpkg", "amd64", "install ok installed"),
            stanza("a", "all", "install ok installed"),
            stanza("b", "amd64", "deinstall ok config-files"),
            stanza("c", "arm64", "install ok installed"),
        ];
        let mut installed: Vec<String> = installed_in(&status.join("\n")).into_iter().collect();
        installed.sort();
        assert_eq!(installed, ["a", "a:all", "c:arm64", "dpkg", "dpkg:amd64"]);
    }
}

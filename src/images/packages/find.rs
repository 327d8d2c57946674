//! From a missing thing to the packages that have it, the most fitting first. Pure.
//!
//! A build says what it lacks in its own words: CMake's name of a package may be that of a
//! pkg-config module, a library or a program. Each kind is looked for in the places where Debian
//! could have it, the nearest first, and the first place that has something is the answer. All
//! names come from the index; nothing is known here.

use std::collections::BTreeSet;

use super::index::{Line, PackageIndex, named};

/// The most packages that may have a file with a plain name such as `version.h`: what more have is no
/// library's own.
const MOST_OF_PLAIN: usize = 12;

/// Something that a build lacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted<'a> {
    /// A header, as `#include` names it.
    Header(&'a str),
    /// A library, as `-l` names it.
    Library(&'a str),
    /// A program.
    Program(&'a str),
    /// A pkg-config module.
    PkgConfig(&'a str),
    /// A package of CMake's `find_package`.
    CMakePackage(&'a str),
    /// An Autoconf macro.
    Macro(&'a str),
    /// A Python module.
    PythonModule(&'a str),
    /// A Perl module.
    PerlModule(&'a str),
    /// Something that only has a name.
    Dependency(&'a str),
}

/// The packages that have something.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct Found {
    /// Their names, the most fitting first.
    pub(super) packages: Vec<String>,
}

/// A place to look: the kind of line, and what its name must be.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Place {
    /// Exactly this.
    Is(&'static str, String),
    /// This, whatever the case.
    Like(&'static str, String),
    /// A path that ends with this.
    Ends(&'static str, String),
}

impl<'a> Wanted<'a> {
    /// The name as it was said.
    pub fn name(self) -> &'a str {
        match self {
            Self::Header(name)
            | Self::Library(name)
            | Self::Program(name)
            | Self::PkgConfig(name)
            | Self::CMakePackage(name)
            | Self::Macro(name)
            | Self::PythonModule(name)
            | Self::PerlModule(name)
            | Self::Dependency(name) => name,
        }
    }

    fn places(self) -> Vec<Place> {
        use Place::{Ends, Is, Like};
        let own = |name: &str| name.to_owned();
        let lower = self.name().to_lowercase();
        let plain = lower.strip_prefix("lib").unwrap_or(&lower).to_owned();
        // What a name that stands for a library can be, whoever says it.
        let anything = || {
            vec![
                Is("p", lower.clone()),
                Like("p", format!("lib{plain}")),
                Like("p", plain.clone()),
                Like("l", plain.clone()),
                Like("c", lower.clone()),
                Like("b", lower.clone()),
                Is("h", format!("{plain}.h")),
                Is("n", format!("lib{plain}-dev")),
                Is("n", format!("{lower}-dev")),
            ]
        };
        match self {
            Self::Header(name) => vec![Is("h", own(name)), Ends("h", format!("/{name}"))],
            Self::Library(name) => vec![Is("l", own(name))],
            Self::Program(name) => vec![Is("b", own(name))],
            Self::PkgConfig(name) => {
                let mut places = vec![Is("p", own(name))];
                places.extend(anything());
                places
            }
            Self::CMakePackage(name) => {
                let mut places = vec![Is("c", own(name)), Like("c", own(name))];
                places.extend(anything());
                places
            }
            Self::Macro(_) => {
                let mut places = vec![Is("m", lower.clone())];
                for prefix in ["am_path_", "am_gnu_", "am_", "ac_", "lt_", "pkg_", "gtk_", "ax_"] {
                    if let Some(rest) = lower.strip_prefix(prefix) {
                        places.push(Is("m", own(rest)));
                        places.push(Is("m", rest.replace('_', "-")));
                    }
                }
                places
            }
            Self::PythonModule(name) => vec![Is("y", own(name))],
            Self::PerlModule(name) => vec![Is("r", own(name))],
            Self::Dependency(_) => anything(),
        }
    }
}

impl Place {
    /// For mingw-w64: kinds of its own, and none for what runs on the machine that builds.
    fn for_windows(self) -> Option<Self> {
        let kind = |kind| match kind {
            "h" => Some("wh"),
            "l" => Some("wl"),
            "p" => Some("wp"),
            "b" | "m" | "y" | "r" => Some(kind),
            _ => None,
        };
        Some(match self {
            Self::Is(of, name) => Self::Is(kind(of)?, name),
            Self::Like(of, name) => Self::Like(kind(of)?, name),
            Self::Ends(of, name) => Self::Ends(kind(of)?, name),
        })
    }

    fn has(&self, line: Line<'_>) -> bool {
        match self {
            Self::Is(kind, name) => line.kind == *kind && line.name == name,
            Self::Like(kind, name) => {
                line.kind == *kind && line.name.eq_ignore_ascii_case(name.as_str())
            }
            Self::Ends(kind, name) => line.kind == *kind && line.name.ends_with(name.as_str()),
        }
    }
}

/// Whether the toolchain makes programs for Windows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum System {
    /// Debian's own.
    Debian,
    /// Windows, by mingw-w64.
    Windows,
}

/// The packages that have what is wanted.
pub(super) fn find(index: &PackageIndex, wanted: Wanted<'_>, system: System) -> Found {
    let places: Vec<Place> = match system {
        System::Debian => wanted.places(),
        System::Windows => wanted.places().into_iter().filter_map(Place::for_windows).collect(),
    };
    let mut found = vec![BTreeSet::new(); places.len()];
    index.each(|line| {
        for (place, found) in places.iter().zip(&mut found) {
            if place.has(line) {
                if line.kind == "n" {
                    found.insert(line.name.to_owned());
                } else {
                    found.extend(named(line.packages).into_iter().map(str::to_owned));
                }
            }
        }
    });
    let is_plain =
        |place: &Place| matches!(place, Place::Ends(_, name) if !name[1..].contains('/'));
    let first = places
        .iter()
        .zip(found)
        .find(|(place, found)| {
            let is_nobodys = is_plain(place) && found.len() > MOST_OF_PLAIN;
            !found.is_empty() && !is_nobodys
        })
        .map(|(_, found)| found);
    let mut packages: Vec<String> = first.unwrap_or_default().into_iter().collect();
    packages.sort_by_cached_key(|package| unfitness(package, wanted));
    Found { packages }
}

/// The smaller, the more it is what people mean: development packages before others except for
/// programs, names that are what was asked for before others, short before long, and of versions of
/// one thing the newest.
fn unfitness(package: &str, wanted: Wanted<'_>) -> (bool, u8, usize, Vec<u8>) {
    let is_program = matches!(
        wanted,
        Wanted::Program(_) | Wanted::PythonModule(_) | Wanted::PerlModule(_) | Wanted::Macro(_)
    );
    let stem = package.strip_suffix("-dev").unwrap_or(package);
    let stem = stem.strip_prefix("lib").unwrap_or(stem);
    let asked = wanted.name().to_lowercase();
    let asked = asked.rsplit_once('.').filter(|(_, end)| end.len() < 4).map_or(&*asked, |(a, _)| a);
    let asked = asked.strip_prefix("lib").unwrap_or(asked);
    let first = asked.split('/').next().unwrap_or(asked);
    let fits = if stem == asked || stem == first {
        0
    } else if stem.starts_with(first) || first.starts_with(stem) {
        1
    } else {
        2
    };
    // Reversed, so that 1.88 comes before 1.83 among names of one length.
    let reversed = package.bytes().map(|byte| u8::MAX - byte).collect();
    (!is_program && !package.ends_with("-dev"), fits, package.len(), reversed)
}

#[cfg(test)]
mod tests {
    use super::{super::index::tests::index, *};

    fn check(wanted: Wanted<'_>, expected: &[&str]) {
        let index = index(&[
            "b bison bison",
            "b doxygen doxygen",
            "b ld binutils,binutils-x",
            "c GTest libgtest-dev",
            "c SDL2 libsdl2-compat-dev",
            "c sdl2 emscripten,libsdl2-compat-dev,libsdl2-dev",
            "h SDL2/SDL.h libsdl2-compat-dev,libsdl2-dev",
            "h a/version.h a-dev,b-dev,c-dev,d-dev,e-dev,f-dev,g-dev,h-dev,i-dev,j-dev,k-dev,l-dev,m-dev",
            "h boost/any.hpp libboost1.83-dev,libboost1.88-dev",
            "h event2/event.h libevent-dev",
            "h expat.h libexpat1-dev",
            "h lua5.3/lua.h liblua5.3-dev",
            "h lua5.4/lua.h liblua5.4-dev",
            "l archive libarchive-dev",
            "l z zlib1g-dev",
            "m gettext gettext",
            "m ax_pthread autoconf-archive",
            "n libfoo-dev same",
            "p expat libexpat1-dev",
            "p libevent libevent-dev",
            "p libxml-2.0 libxml2-dev",
            "r XML::Parser libxml-parser-perl",
            "wh zlib.h libz-mingw-w64-dev",
            "y yaml python3-yaml",
        ]);
        assert_eq!(find(&index, wanted, System::Debian).packages, expected, "{wanted:?}");
    }

    #[test]
    fn things_are_found_where_debian_has_them() {
        check(Wanted::Header("event2/event.h"), &["libevent-dev"]);
        check(Wanted::Header("SDL.h"), &["libsdl2-dev", "libsdl2-compat-dev"]);
        check(Wanted::Header("event.h"), &["libevent-dev"]);
        check(Wanted::Header("lua.h"), &["liblua5.4-dev", "liblua5.3-dev"]);
        check(Wanted::Header("boost/any.hpp"), &["libboost1.88-dev", "libboost1.83-dev"]);
        check(Wanted::Header("nowhere.h"), &[]);
        check(Wanted::Library("z"), &["zlib1g-dev"]);
        check(Wanted::Program("bison"), &["bison"]);
        check(Wanted::Program("ld"), &["binutils", "binutils-x"]);
        check(Wanted::PkgConfig("libxml-2.0"), &["libxml2-dev"]);
        check(Wanted::PerlModule("XML::Parser"), &["libxml-parser-perl"]);
        check(Wanted::PythonModule("yaml"), &["python3-yaml"]);
        check(Wanted::Macro("AM_GNU_GETTEXT"), &["gettext"]);
        check(Wanted::Macro("AX_PTHREAD"), &["autoconf-archive"]);
    }

    #[test]
    fn the_name_of_a_dependency_is_looked_for_in_every_place_it_may_be_from() {
        check(Wanted::CMakePackage("GTest"), &["libgtest-dev"]);
        check(Wanted::CMakePackage("SDL2"), &["libsdl2-compat-dev"]);
        check(Wanted::CMakePackage("EXPAT"), &["libexpat1-dev"]);
        check(Wanted::CMakePackage("LibArchive"), &["libarchive-dev"]);
        check(Wanted::CMakePackage("Doxygen"), &["doxygen"]);
        check(Wanted::Dependency("libevent"), &["libevent-dev"]);
        check(Wanted::Dependency("event"), &["libevent-dev"]);
        check(Wanted::Dependency("foo"), &["libfoo-dev"]);
    }

    #[test]
    fn a_plain_name_that_everybody_has_is_nobodys() {
        check(Wanted::Header("version.h"), &[]);
    }

    #[test]
    fn windows_has_packages_of_its_own() {
        let index = index(&["h zlib.h zlib1g-dev", "wh zlib.h libz-mingw-w64-dev", "b nasm nasm"]);
        let find = |wanted| find(&index, wanted, System::Windows).packages;
        assert_eq!(find(Wanted::Header("zlib.h")), ["libz-mingw-w64-dev"]);
        assert_eq!(find(Wanted::Program("nasm")), ["nasm"]);
        assert!(find(Wanted::Header("expat.h")).is_empty());
    }
}

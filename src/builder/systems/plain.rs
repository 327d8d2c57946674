//! Nothing but sources: each file with a `main` becomes a program, the others are linked in.
//!
//! What belongs to which program is not guessed from names: everything is compiled, the object
//! files tell which of them have a `main`, and the linker takes what it needs of the rest. `plain.sh`
//! is the step.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    Found, System,
    kind::{Rank, build_folder, step},
};
use crate::{
    builder::listing::{Listing, quote},
    model::StepKind,
};

/// Sources that are compiled and linked without being told how.
const ENDINGS: &[&str] = &["c", "cc", "cpp", "cxx", "c++", "C"];
/// More files than this are no project that does without a build system.
const MAX_SOURCES: usize = 500;
/// The most folders that are searched for headers.
const MAX_FOLDERS: usize = 50;
/// Folders whose headers are found in angle brackets, too.
const USUAL: &[&str] = &["include", "inc", "src", "lib"];

const SCRIPT: &str = include_str!("plain.sh");

/// Why a tree cannot be built with the compiler alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::builder) enum Sources {
    /// None to compile, but headers.
    HeadersOnly,
    /// More than can be understood.
    TooMany(usize),
    /// A name that a line of text cannot hold, or no place for what is built.
    Odd,
    /// Nothing of the kind.
    None,
}

/// The compiler alone, or what there is instead of sources for it. `is_part` tells folders that are
/// not the project itself.
pub(in crate::builder) fn plain(
    listing: &Listing,
    is_part: impl Fn(&str) -> bool,
) -> Result<Found, Sources> {
    let mut count = 0_usize;
    let mut headers: Vec<&str> = Vec::new();
    let mut parts: Vec<&str> = Vec::new();
    let mut odd = false;
    for path in listing.files() {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let part = folder.split('/').find(|name| name.starts_with('.') || is_part(name));
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        let is_header = matches!(ending, "h" | "hh" | "hpp" | "hxx" | "inl");
        if let Some(part) = part {
            if !part.starts_with('.') && !parts.contains(&part) {
                parts.push(part);
            }
        } else if ENDINGS.contains(&ending) {
            count += 1;
            odd |= path.contains('\n');
        } else if is_header && !headers.contains(&folder) {
            headers.push(folder);
        }
    }
    match count {
        0 if !headers.is_empty() => return Err(Sources::HeadersOnly),
        0 => return Err(Sources::None),
        1..=MAX_SOURCES => {}
        more => return Err(Sources::TooMany(more)),
    }
    let Some(build) = build_folder(listing).filter(|_| !odd) else { return Err(Sources::Odd) };
    let noun = if count == 1 { "file" } else { "files" };
    Ok(Found {
        system: System::Plain,
        rank: Rank::MakeInPart,
        because: format!(
            "there are {count} source {noun} and no build system; each file with a main() becomes \
             a program, with what it needs of the others"
        ),
        steps: vec![step(StepKind::Compile, script(build, &parts, &headers))],
        env: BTreeMap::new(),
    })
}

fn script(build: &str, parts: &[&str], headers: &[&str]) -> String {
    let mut prune = String::from("-name '.?*'");
    let _ = write!(prune, " -o -path ./{build}");
    for name in parts {
        let _ = write!(prune, " -o -name {}", quote(name));
    }
    let mut include = String::from("-I.");
    for folder in USUAL {
        if headers.iter().any(|path| path.split('/').next() == Some(*folder)) {
            let _ = write!(include, " -I{folder}");
        }
    }
    // Quoted includes are found wherever they are; in angle brackets they must not hide those of
    // the system, such as <string.h>.
    let safe = |path: &&&str| !path.is_empty() && quote(path).as_ref() == **path;
    for path in headers.iter().filter(safe).take(MAX_FOLDERS) {
        let _ = write!(include, " -iquote {path}");
    }
    SCRIPT
        .lines()
        .filter(|line| !line.starts_with("# "))
        .map(|line| {
            line.replace("@BUILD@", build).replace("@PRUNE@", &prune).replace("@INCLUDE@", &include)
        })
        .collect::<Vec<_>>()
        .join("\n")
}

//! `kiln init`: a `.kiln.toml` that says what kiln would do anyway, as a beginning.

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::Path,
};

use ignore::WalkBuilder;

use crate::{
    builder::{self, FileKind, Listing, MAX_WANTED_BYTES, RECIPE_FILE, ToolchainFacts},
    cli::{CliError, Console, args::InitArgs},
    model::Recipe,
};

/// A tree with more entries than this is not listed: what says how to build it stands near its root.
const MOST_ENTRIES: usize = 200_000;

/// Writes, or prints, what the builder finds in a folder.
pub(in crate::cli) fn init(args: &InitArgs, console: &mut Console) -> Result<(), CliError> {
    let dir = &args.dir;
    let file = dir.join(RECIPE_FILE);
    if !args.print && !args.force && fs::symlink_metadata(&file).is_ok() {
        return Err(CliError::Usage(format!(
            "{} is there already: --force replaces it, --print shows what would be written",
            file.display()
        )));
    }
    let listing = listing(dir)?;
    let plan = builder::plan(&listing, &Recipe::default(), &ToolchainFacts::default())
        .map_err(|none| CliError::Usage(none.sentence))?;
    let text = builder::recipe_text(&plan.first);
    if args.print {
        return Ok(console.print(&text)?);
    }
    let mut open = File::options();
    // Between the look and now somebody may have made it.
    let open = if args.force {
        open.write(true).create(true).truncate(true)
    } else {
        open.write(true).create_new(true)
    };
    open.open(&file)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|problem| cannot("write", &file, problem))?;
    console.print(&format!("wrote {}\n", file.display()))?;
    console.note(&format!("  {}\n", super::super::sanitize::text(&plan.first.reason)));
    Ok(())
}

/// The tree as the builder sees it: what git would ignore is not a part of it.
fn listing(dir: &Path) -> Result<Listing, CliError> {
    fs::read_dir(dir).map_err(|problem| cannot("read the folder", dir, problem))?;
    let mut walk = WalkBuilder::new(dir);
    walk.hidden(false)
        .require_git(false)
        .parents(true)
        .follow_links(false)
        .add_custom_ignore_filename(".kilnignore")
        .filter_entry(|entry| entry.file_name() != ".git");
    let mut entries = Vec::new();
    for entry in walk.build() {
        // A folder that cannot be read has nothing for us.
        let Ok(entry) = entry else { continue };
        let (Ok(path), Some(kind)) = (entry.path().strip_prefix(dir), entry.file_type()) else {
            continue;
        };
        if path.as_os_str().is_empty() {
            continue;
        }
        let kind = if kind.is_symlink() {
            FileKind::Symlink
        } else if kind.is_dir() {
            FileKind::Directory
        } else if kind.is_file() {
            let mode = entry.metadata().map_or(0, |data| data.permissions().mode());
            if mode & 0o111 == 0 { FileKind::File } else { FileKind::Executable }
        } else {
            continue;
        };
        entries.push((path.as_os_str().as_bytes().to_vec(), kind));
        if entries.len() > MOST_ENTRIES {
            return Err(CliError::Usage(format!(
                "{} has more than {MOST_ENTRIES} files and folders: run this in the project's own \
                 folder",
                dir.display()
            )));
        }
    }
    let mut listing = Listing::new(entries);
    for path in listing.wanted_files() {
        let mut bytes = Vec::new();
        let file = dir.join(&path);
        // A link could lead to anything.
        let is_file = fs::symlink_metadata(&file).is_ok_and(|found| found.is_file());
        let most = u64::try_from(MAX_WANTED_BYTES).unwrap_or(u64::MAX);
        if is_file && File::open(file).and_then(|f| f.take(most).read_to_end(&mut bytes)).is_ok() {
            listing.add_contents(&path, bytes);
        }
    }
    Ok(listing)
}

fn cannot(what: &str, path: &Path, problem: std::io::Error) -> CliError {
    CliError::File { what: format!("cannot {what} {}", path.display()), problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixtures;

    fn run(dir: &Path, print: bool, force: bool) -> (Result<(), CliError>, String) {
        let (mut console, out, _) = fixtures::console();
        let done = init(&InitArgs { dir: dir.to_owned(), print, force }, &mut console);
        (done, out.text())
    }

    #[test]
    fn what_the_builder_finds_is_written_and_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("main.c"), "int main(void) { return 0; }\n").unwrap();
        fs::write(at("CMakeLists.txt"), "project(x C)\nadd_executable(x main.c)\n").unwrap();
        // Made by a build in the tree: git ignores it, and so does this.
        fs::write(at("Makefile"), "all:\n\tcmake --build .\n").unwrap();
        fs::write(at(".gitignore"), "Makefile\n").unwrap();
        let (done, text) = run(dir.path(), true, false);
        done.unwrap();
        assert!(!at(RECIPE_FILE).exists());
        let recipe = builder::parse(text.as_bytes()).unwrap();
        assert!(recipe.steps.iter().any(|step| step.run.contains("cmake --build")), "{text}");
        run(dir.path(), false, false).0.unwrap();
        assert_eq!(fs::read_to_string(at(RECIPE_FILE)).unwrap(), text);
        fs::write(at(RECIPE_FILE), "mine").unwrap();
        let (refused, _) = run(dir.path(), false, false);
        assert!(refused.unwrap_err().to_string().contains("--force replaces it"));
        assert_eq!(fs::read_to_string(at(RECIPE_FILE)).unwrap(), "mine");
        run(dir.path(), false, true).0.unwrap();
        assert_eq!(fs::read_to_string(at(RECIPE_FILE)).unwrap(), text);
    }

    #[test]
    fn a_folder_with_nothing_to_build_says_so() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("notes.txt"), "nothing\n").unwrap();
        for dir in [dir.path().to_owned(), dir.path().join("missing")] {
            let (done, out) = run(&dir, false, false);
            assert_eq!((done.unwrap_err().exit().code(), out.as_str()), (2, ""));
            assert!(!dir.join(RECIPE_FILE).exists());
        }
    }
}

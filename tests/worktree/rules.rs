//! Which files are sent: the same as git would commit, and `.kilnignore` has the last word.

use std::{collections::BTreeSet, fs, path::Path};

use proptest::prelude::*;

use crate::folder::{Folder, git, sent};

/// What git tracks and what it would track, of what is there.
fn of_git(folder: &Path) -> BTreeSet<String> {
    let listed = git(folder, &["ls-files", "-z", "-co", "--exclude-standard"]);
    listed
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty() && !name.ends_with(b"/"))
        .map(|name| String::from_utf8(name.to_vec()).unwrap())
        .filter(|name| folder.join(name).symlink_metadata().is_ok())
        .collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// A tree with everything that rules are made for.
fn busy() -> Folder {
    let folder = Folder::repository();
    folder
        .write(
            ".gitignore",
            "*.o\n/build/\n!keep.o\ndoc/*.txt\n**/cache/\ntrailing \n\\#odd\nx/**/y\n",
        )
        .write("lib/.gitignore", "!inner.o\n/local\n")
        .write("main.c", "1")
        .write("main.o", "1")
        .write("keep.o", "1")
        .write("tracked.o", "1")
        .write("build/out", "1")
        .write("build/tracked", "1")
        .write("lib/build/out", "1")
        .write("lib/inner.o", "1")
        .write("lib/other.o", "1")
        .write("lib/local/a", "1")
        .write("lib/sub/local", "1")
        .write("doc/a.txt", "1")
        .write("doc/deep/b.txt", "1")
        .write("a/cache/b", "1")
        .write("trailing", "1")
        .write("#odd", "1")
        .write("x/1/2/y", "1")
        .write("x/y", "1")
        .write("excluded", "1")
        .write("gone.c", "1")
        .program("run.sh", "1")
        .link("link", "main.c")
        .link("link.o", "main.c");
    fs::write(folder.at(".git/info/exclude"), "excluded\n").unwrap();
    folder.git(&["add", "main.c", "gone.c", ".gitignore"]);
    folder.git(&["add", "--force", "tracked.o", "build/tracked"]);
    folder.commit_staged();
    fs::remove_file(folder.at("gone.c")).unwrap();
    folder
}

#[test]
fn what_is_sent_is_what_git_would_commit() {
    let folder = busy();
    let expected = of_git(folder.path());
    assert!(expected.contains("tracked.o") && expected.contains("build/tracked"));
    assert!(!expected.contains("main.o") && !expected.contains("excluded"));
    assert_eq!(folder.sent(), expected);
    for below in ["lib", "doc", "x", "build"] {
        let below = folder.at(below);
        assert_eq!(sent(&below), of_git(&below), "{}", below.display());
    }
}

#[test]
fn kilnignore_has_the_last_word_even_over_what_is_tracked() {
    let folder = busy();
    let git = of_git(folder.path());
    folder.write(".kilnignore", "/main.c\n!excluded\n!/build/\nlib/\n!main.o\n");
    let mut expected: BTreeSet<String> =
        git.into_iter().filter(|name| name != "main.c" && !name.starts_with("lib/")).collect();
    expected.extend(names(&[".kilnignore", "excluded", "build/out", "main.o"]));
    assert_eq!(folder.sent(), expected);
    folder.write("x/.kilnignore", "*\n");
    expected.retain(|name| !name.starts_with("x/"));
    assert_eq!(folder.sent(), expected);
}

#[test]
fn a_folder_without_git_has_the_same_rules() {
    let folder = Folder::new();
    folder
        .write(".gitignore", "*.o\n")
        .write("a.c", "1")
        .write("a.o", "1")
        .write("d/.gitignore", "!b.o\n")
        .write("d/b.o", "1")
        .write("d/.kilnignore", "c\n")
        .write("d/c", "1");
    let expected = names(&[".gitignore", "a.c", "d/.gitignore", "d/.kilnignore", "d/b.o"]);
    assert_eq!(folder.sent(), expected);
    assert_eq!(folder.read().unwrap().base(), None);
}

#[test]
fn submodules_come_with_their_own_rules_and_other_repositories_do_not() {
    let library = Folder::repository();
    library.write(".gitignore", "*.o\n").write("lib.h", "1");
    library.commit();
    let folder = Folder::repository();
    folder.write(".gitignore", "*.log\n").write("main.c", "1");
    let url = library.path().to_str().unwrap();
    let allow = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add"];
    folder.git(&[&allow[..], &[url, "lib"]].concat());
    folder.git(&[&allow[..], &[url, "empty"]].concat());
    folder.commit();
    folder.git(&["submodule", "--quiet", "deinit", "--force", "empty"]);
    folder.write("lib/new.c", "1").write("lib/new.o", "1").write("lib/new.log", "1");
    folder.write("other/x.c", "1");
    git(&folder.at("other"), &["init", "--quiet"]);

    let tree = folder.read().unwrap();
    let paths: Vec<String> =
        tree.tree().entries().iter().map(|entry| entry.path.to_string()).collect();
    let expected = [
        ".gitignore",
        ".gitmodules",
        "empty",
        "lib",
        "lib/.gitignore",
        "lib/lib.h",
        "lib/new.c",
        "lib/new.log",
        "main.c",
    ];
    assert_eq!(paths, expected);
    let [note] = tree.notes() else { panic!("{:?}", tree.notes()) };
    assert!(note.starts_with("other is a git repository of its own"), "{note}");
}

#[test]
fn what_the_tree_was_made_from_is_known() {
    let folder = Folder::repository();
    folder.write("a.c", "1").write("sub/b.c", "1");
    assert_eq!(folder.read().unwrap().base(), None, "before the first commit");
    let commit = folder.commit();
    folder.git(&["tag", "v1"]);
    let base = folder.read().unwrap().base().unwrap().clone();
    assert_eq!((base.commit.to_string(), base.dirty), (commit, false));
    assert_eq!(base.describe.as_deref(), Some("v1"));
    folder.write("new.c", "1");
    assert!(folder.read().unwrap().base().unwrap().dirty);
    let below = crate::folder::read(&folder.at("sub")).unwrap();
    assert!(!below.base().unwrap().dirty, "nothing changed in the folder that is sent");
    fs::remove_file(folder.at("new.c")).unwrap();
    fs::remove_file(folder.at("a.c")).unwrap();
    assert!(folder.read().unwrap().base().unwrap().dirty);
}

fn pattern() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("a".to_owned()),
        Just("b".to_owned()),
        Just("*".to_owned()),
        Just("a*".to_owned()),
        Just("?".to_owned()),
        Just("[ab]".to_owned()),
        Just("**".to_owned()),
        Just("*.o".to_owned()),
    ];
    (
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.3),
        prop::collection::vec(part, 1..3),
        prop::bool::weighted(0.3),
    )
        .prop_map(|(not, rooted, parts, folder)| {
            let not = if not { "!" } else { "" };
            let rooted = if rooted { "/" } else { "" };
            let folder = if folder { "/" } else { "" };
            format!("{not}{rooted}{}{folder}\n", parts.join("/"))
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_rules_mean_what_they_mean_to_git(
        files in prop::collection::btree_set("[ab]/[abc]/[ab]|[ab]/[de]|[cd]|[ab]/x\\.o|x\\.o", 1..10),
        top in prop::collection::vec(pattern(), 0..4),
        inner in prop::collection::vec(pattern(), 0..3),
        tracked in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
    ) {
        let folder = Folder::repository();
        let files: Vec<&String> = files.iter().collect();
        for file in &files {
            folder.write(file, "1");
        }
        for index in tracked {
            folder.git(&["add", "--force", index.get(&files).as_str()]);
        }
        folder.write(".gitignore", &top.concat());
        folder.write("a/.gitignore", &inner.concat());
        prop_assert_eq!(folder.sent(), of_git(folder.path()));
    }
}

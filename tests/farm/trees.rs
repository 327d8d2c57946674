//! `kiln build PATH`: a folder as it is, in real containers.

use std::{fs, path::PathBuf};

use kiln::{model::Outcome, protocol::Job};

use crate::{
    support::repo::{Entry, Repo, git},
    world::{Farm, build_of, with_farm},
};

/// A project whose program would differ if its time, its files or their modes did.
fn project() -> Repo {
    Repo::with([
        Entry::file(".gitignore", "*.o\n/out/\n"),
        Entry::file(
            "Makefile",
            "app: main.c lib/part.c config.h\n\tcc -o app main.c lib/part.c\nconfig.h: gen.sh\n\
             \t./gen.sh > config.h\n",
        ),
        Entry::program(
            "gen.sh",
            "#!/bin/sh\nls -lnR --time-style=+%s main.c lib gen.sh | sed 's/.*/\\/\\/ &/'\n\
             echo \"#define LISTING \\\"$(ls -lnR --time-style=+%s main.c lib gen.sh | cksum)\\\"\"\n",
        ),
        Entry::file(
            "main.c",
            "#include <stdio.h>\n#include \"config.h\"\nint part(void);\n\
             int main(void) { return puts(__DATE__ \" \" __TIME__ LISTING) < part(); }\n",
        ),
        Entry::file("lib/part.c", "int part(void) { return 0; }\n"),
        Entry::symlink("lib/link.c", "part.c"),
    ])
}

fn clone(farm: &Farm, repo: &Repo, name: &str) -> PathBuf {
    let folder = farm.scratch(name);
    fs::create_dir_all(&folder).unwrap();
    let cloned = git(&folder, &["clone", "--quiet", &repo.url(), "."]).status().unwrap();
    assert!(cloned.success());
    folder
}

fn kept(job: &Job) -> String {
    assert_eq!(job.summary.outcome, Some(Outcome::Success), "{}", job.summary.message);
    let kept = job.attempts.last().unwrap().artifacts.clone().unwrap();
    assert!(kept.files > 0);
    kept.tar_sha256
}

/// How many trees the server keeps.
fn uploads(farm: &Farm) -> usize {
    let folder = farm.scratch("data").join("artifacts/uploads");
    fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn a_clean_tree_gives_what_its_commit_gives_and_is_sent_once() {
    with_farm(|farm| {
        let repo = project();
        let folder = clone(farm, &repo, "tree");
        let path = folder.to_str().unwrap();
        let ran = farm.kiln(["build", &repo.url(), "-t", "gcc:14"]).exits(0);
        let of_git = farm.only_job(build_of(&ran.text()));

        // What git ignores does not count.
        fs::write(folder.join("main.o"), "old").unwrap();
        let ran = farm.kiln(["build", path, "-t", "gcc:14"]).exits(0);
        let of_tree = farm.only_job(build_of(&ran.text()));
        assert!(ran.stderr.contains("6 files"), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("based on") && ran.stderr.contains("sent in"),
            "{}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("uncommitted"), "{}", ran.stderr);
        assert_eq!(kept(&of_git), kept(&of_tree));
        assert_eq!(uploads(farm), 1);

        let ran = farm.kiln(["build", path, "-t", "gcc:14"]).exits(0);
        let again = farm.only_job(build_of(&ran.text()));
        assert!(ran.stderr.contains("already there"), "{}", ran.stderr);
        assert_eq!(kept(&again), kept(&of_tree));
        assert_eq!(uploads(farm), 1);

        fs::write(folder.join("lib/part.c"), "int part(void) { return -1; }\n").unwrap();
        let ran = farm.kiln(["build", path, "-t", "gcc:14"]).exits(0);
        let changed = farm.only_job(build_of(&ran.text()));
        assert!(ran.stderr.contains("with uncommitted changes"), "{}", ran.stderr);
        assert_ne!(kept(&changed), kept(&of_tree));
        assert_eq!(uploads(farm), 2);

        let to = farm.scratch("down");
        let revision = of_tree.commit.to_string();
        farm.kiln(["artifacts", &revision, "--download", to.to_str().unwrap()]).exits(0);
        assert!(to.join("gcc-14/app").is_file());
    });
}

#[test]
fn a_folder_without_git_and_a_folder_of_a_repository_are_built() {
    with_farm(|farm| {
        let plain = farm.scratch("plain");
        fs::create_dir_all(&plain).unwrap();
        fs::write(plain.join("main.c"), "int main(void) { return 0; }\n").unwrap();
        fs::write(plain.join("broken.c"), "no C at all\n").unwrap();
        fs::write(plain.join(".kilnignore"), "broken.c\n").unwrap();
        let path = plain.to_str().unwrap();
        let ran = farm.kiln(["build", path, "-t", "gcc:14", "--", "cc -o app *.c"]).exits(0);
        assert!(ran.stderr.contains("2 files"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("based on"), "{}", ran.stderr);

        let folder = clone(farm, &project(), "tree").join("lib");
        let path = folder.to_str().unwrap();
        let ran =
            farm.kiln(["build", path, "-t", "gcc:14", "--", "cc -c part.c && test ! -e Makefile"]);
        let ran = ran.exits(0);
        assert!(ran.stderr.contains("2 files"), "{}", ran.stderr);
    });
}

#[test]
fn what_cannot_be_sent_is_said_before_anything_is() {
    with_farm(|farm| {
        let folder = farm.scratch("odd");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.to_str().unwrap();
        for (line, problem) in [
            (&["/nowhere/at/all"][..], "does not exist"),
            (&["/"], "the whole machine"),
            (&[path], "there is no file to send"),
            (&[path, "--ref", "main"], "--ref is for a repository's URL"),
        ] {
            let ran = farm.kiln([&["build"], line].concat()).exits(2);
            assert!(ran.stderr.contains(problem), "{line:?}: {}", ran.stderr);
        }
        fs::File::create(folder.join("disk.img")).unwrap().set_len(10 << 30).unwrap();
        let ran = farm.kiln(["build", path]).exits(2);
        assert!(ran.stderr.contains("disk.img has 10240 MiB"), "{}", ran.stderr);
        assert_eq!(uploads(farm), 0);
    });
}

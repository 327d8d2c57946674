//! `kiln show --by-hand`: the lines it prints are run, and make the same bytes.

use std::{fs, time::Duration};

use kiln::model::Outcome;

use super::{
    program::{command, run},
    support::repo::{Entry, Repo},
    world::{succeeded, with_farm},
};

const PATIENCE: Duration = Duration::from_mins(2);

/// A program that has the date, its own place and a flag in it, so that another environment or
/// another folder would make other bytes.
fn project(main: &str) -> Repo {
    Repo::with([
        Entry::file("Makefile", "app: src/main.c\n\t$(CC) $(CFLAGS) -g -o app src/main.c\n"),
        Entry::file("src/main.c", main.to_owned()),
        Entry::file(".gitattributes", "Makefile export-ignore\n"),
    ])
}

const GOOD: &str =
    "#include <stdio.h>\nint main(void) { puts(__DATE__ __FILE__ FLAG); return 0; }\n";

#[test]
fn a_job_that_is_run_by_hand_makes_the_same_bytes() {
    let repo = project(GOOD);
    with_farm(|farm| {
        let flag = "CFLAGS=-DFLAG='\"it is $HOME\"' -O2";
        let build = farm.submit(&[&repo.url(), "-t", "gcc:14", "--env", flag]);
        assert_eq!(farm.ended(build).outcome, Some(Outcome::Success));
        let job = farm.only_job(build);
        succeeded(&job);
        let id = job.summary.id.to_string();
        let kept = farm.kiln(["artifacts", &id, "app", "-o", "-"]).exits(0).stdout;
        let lines = farm.kiln(["show", &id, "--by-hand"]).exits(0).stdout;
        let folder = farm.scratch("by-hand");
        fs::create_dir(&folder).unwrap();
        let mut shell = command("sh");
        run(shell.current_dir(&folder), lines, PATIENCE).exits(0);
        let tar = fs::read(folder.join(format!("kiln-{id}.tar"))).unwrap();
        let mut tar = tar::Archive::new(&tar[..]);
        let mut entries = tar.entries().unwrap().map(Result::unwrap);
        let mut app = entries.find(|entry| entry.path().unwrap().ends_with("app")).unwrap();
        let mut made = Vec::new();
        std::io::Read::read_to_end(&mut app, &mut made).unwrap();
        assert!(made == kept, "{} and {} bytes", made.len(), kept.len());
    });
}

#[test]
fn a_job_that_failed_fails_by_hand_with_the_same_words_and_status() {
    let repo = project("int main(void) { return nothing; }\n");
    with_farm(|farm| {
        let build = farm.submit(&[&repo.url(), "-t", "gcc:14"]);
        assert_eq!(farm.ended(build).outcome, Some(Outcome::Failure));
        let leg = format!("{build}/gcc:14");
        let lines = farm.kiln(["show", &leg, "--by-hand"]).exits(0).stdout;
        let folder = farm.scratch("by-hand");
        fs::create_dir(&folder).unwrap();
        let ran = run(command("sh").current_dir(&folder), lines, PATIENCE).exits(2);
        assert!(ran.stderr.contains("undeclared"), "{}", ran.stderr);
    });
}

#[test]
fn a_command_is_run_in_the_sandbox_and_its_status_passed_on() {
    let repo = project(GOOD);
    with_farm(|farm| {
        let url = repo.url();
        let run = |words: &[&str]| {
            let line = [&["run", "-t", "gcc:14", "--source", &url, "--"], words].concat();
            farm.kiln(line)
        };
        let ran = run(&["cat", "src/main.c"]).exits(0);
        assert_eq!((ran.stdout, ran.stderr.as_str()), (GOOD.as_bytes().to_vec(), ""));
        let ran = run(&["echo out; echo err >&2; exit 37"]).exits(37);
        assert_eq!((ran.text().as_str(), ran.stderr.as_str()), ("out\n", "err\n"));
        run(&["no-such-command"]).exits(127);
        let line =
            ["run", "-t", "gcc:14", "--source", &url, "--timeout", "1s", "--", "sleep", "60"];
        let ran = farm.kiln(line).exits(124);
        assert!(ran.stderr.contains("error: "), "{}", ran.stderr);
    });
}

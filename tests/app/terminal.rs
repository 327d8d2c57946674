//! A build that is followed at a terminal: what is on the screen while it runs, when the terminal
//! changes, when Ctrl-C is pressed, and in the end.

use kiln::{
    model::{Outcome, StateName},
    sandbox::{Act, Produced, Scenario, SessionSpec},
};
use tokio_util::sync::CancellationToken;

use crate::{
    farm::{Farm, Setup, clang, gcc, project},
    pty::Terminal,
    script::{ELF, err, image, mark, one_step, out},
    support::repo::Repo,
};

const USUAL: (u16, u16) = (100, 24);
const INTERRUPT: &str = "\u{3}";

/// A farm whose builds write something and then wait for this.
async fn waiting() -> (Farm, CancellationToken) {
    let go = CancellationToken::new();
    let wait = go.clone();
    let script = move |spec: &SessionSpec| {
        let mut acts = vec![
            out(b"cc -c first.c\n"),
            out(format!("cc -c {}.c\n", "long".repeat(60)).as_bytes()),
            out(b"\x1b]0;title\x07\x1b[2J\x1b[10Acc -c last.c\nnot yet a li"),
            Act::Until(wait.clone()),
        ];
        let files = vec![Produced::file("app", 0o755, ELF)];
        if spec.image == image(&clang()) {
            acts.push(err(b"main.c:1:5: error: unknown type name 'it'\n"));
            return Scenario { files, ..one_step(acts, 2) };
        }
        Scenario { files, ..one_step(acts, 0) }
    };
    let mut setup = Setup::default();
    setup.settings.toolchains.default = vec![gcc()];
    (Farm::with(setup, script).await, go)
}

fn follow(
    farm: &Farm,
    size: (u16, u16),
    more: &[&str],
    variables: &[(&str, &str)],
) -> (Repo, Terminal) {
    let repo = project([]);
    let url = repo.url();
    let arguments: Vec<&str> = ["build", &url].iter().chain(more).copied().collect();
    let terminal = Terminal::start(&farm.url(), size, &arguments, variables);
    (repo, terminal)
}

fn count(screen: &str, text: &str) -> usize {
    screen.matches(text).count()
}

#[tokio::test]
async fn each_leg_has_a_line_and_the_end_a_table_and_the_first_error() {
    let (farm, go) = waiting().await;
    let (_repo, terminal) = follow(&farm, USUAL, &["-t", "gcc:14,clang:19"], &[]);
    let legs = |screen: &str| {
        let labels = ["gcc:14    compile", "clang:19  compile"];
        labels.iter().all(|label| count(screen, label) == 1) && count(screen, "cc -c last.c") == 2
    };
    let screen = terminal.until(legs).await;
    assert!(!screen.contains("not yet"), "a line counts when it is whole:\n{screen}");
    go.cancel();
    let raw = terminal.raw();
    let (code, screen) = terminal.end().await;
    assert_eq!(code, 1, "{screen}");
    for line in [
        "TOOLCHAIN  RESULT   TIME",
        "clang:19 failure: ",
        "  main.c:1:5: error: unknown type name 'it'",
        "    1 | int main(void) { return 0; }",
        "      |     ^",
        "  the whole log:  kiln log 0",
        "1 file, ",
    ] {
        assert!(screen.contains(line), "{line}\n{screen}");
    }
    assert_eq!(count(&screen, "compile"), 1, "the lines are gone, the sentence stays:\n{screen}");
    assert!(!raw.contains("\u{1b}]0;") && !raw.contains("\u{1b}[10A"), "{raw:?}");
    farm.end().await;
}

#[tokio::test]
async fn no_terminal_is_too_narrow_and_none_is_garbled_when_it_changes() {
    let (farm, go) = waiting().await;
    let (_repo, terminal) = follow(&farm, (24, 12), &["-t", "gcc:14,clang:19"], &[]);
    let both = |screen: &str| {
        let labels = ["gcc:14", "clang:19"];
        labels.iter().all(|label| count(screen, &format!(" {label} ")) == 1)
    };
    terminal.until(|screen| both(screen) && screen.contains("compile")).await;
    for (columns, rows) in [(80, 20), (24, 20), (60, 5), (100, 30)] {
        terminal.resize(columns, rows);
        // Every line is drawn anew at the next tick; what it said last is there where there is room.
        let room = columns >= 60;
        let screen = terminal
            .until(|screen| both(screen) && (count(screen, "cc -c last.c") == 2) == room)
            .await;
        assert!(screen.lines().all(|line| line.chars().count() <= columns.into()), "{screen}");
    }
    go.cancel();
    assert_eq!(terminal.end().await.0, 1);
    farm.end().await;
}

#[tokio::test]
async fn ctrl_c_asks_and_the_answer_counts() {
    let (farm, go) = waiting().await;
    let (_repo, mut terminal) = follow(&farm, USUAL, &[], &[]);
    terminal.shows("cc -c last.c").await;
    terminal.types(INTERRUPT);
    terminal.shows("Cancel the build (c), detach and let it go on (d)").await;
    terminal.types("huh\n");
    terminal.shows("Type c, d or nothing").await;
    terminal.types("\n");
    terminal.until(|screen| screen.contains("cc -c last.c")).await;
    terminal.types(INTERRUPT);
    terminal.until(|screen| count(screen, "Interrupted. Cancel") == 2).await;
    terminal.types("c\n");
    let (code, screen) = terminal.end().await;
    assert_eq!(code, 1, "{screen}");
    assert!(screen.contains("is being cancelled") && screen.contains("cancelled  "), "{screen}");
    go.cancel();
    farm.end().await;
}

#[tokio::test]
async fn ctrl_c_twice_detaches_and_the_build_goes_on() {
    let (farm, go) = waiting().await;
    for answer in [INTERRUPT, "d\n"] {
        let (_repo, mut terminal) = follow(&farm, USUAL, &[], &[]);
        terminal.shows("cc -c last.c").await;
        terminal.types(INTERRUPT);
        terminal.shows("Cancel the build (c)").await;
        terminal.types(answer);
        let (code, screen) = terminal.end().await;
        assert_eq!(code, 130, "{screen}");
        assert!(screen.contains("goes on") && screen.contains("kiln cancel 0"), "{screen}");
    }
    let builds = farm.rest.builds(&kiln::protocol::BuildFilter::default()).await.unwrap().items;
    assert!(builds.iter().all(|build| build.jobs[0].state == StateName::Running), "{builds:?}");
    go.cancel();
    for build in builds {
        assert_eq!(farm.finished(build.id).await.outcome, Some(Outcome::Success));
    }
    farm.end().await;
}

#[tokio::test]
async fn colors_are_for_terminals_that_want_them() {
    let (farm, go) = waiting().await;
    go.cancel();
    let red = |raw: &str| raw.contains("\u{1b}[32m");
    for (variables, colored, drawn) in [
        (&[][..], true, true),
        (&[("NO_COLOR", "1")], false, true),
        (&[("TERM", "dumb")], false, false),
    ] {
        let (_repo, terminal) = follow(&farm, USUAL, &[], variables);
        terminal.shows("1 file, ").await;
        let raw = terminal.raw();
        assert_eq!(
            (red(&raw), raw.contains("\u{1b}[J")),
            (colored, drawn),
            "{variables:?} {raw:?}"
        );
        let (code, screen) = terminal.end().await;
        assert_eq!(code, 0, "{screen}");
        assert_eq!(screen.contains("gcc:14 | cc -c first.c"), !drawn, "{screen}");
    }
    farm.end().await;
}

#[tokio::test]
async fn with_follow_every_log_line_is_printed_above_the_lines_of_the_legs() {
    let (farm, go) = waiting().await;
    let (_repo, terminal) = follow(&farm, USUAL, &["-f", "-t", "gcc:14,clang:19"], &[]);
    for line in ["gcc:14   | cc -c first.c", "clang:19 | cc -c last.c", "clang:19  compile"] {
        terminal.shows(line).await;
    }
    go.cancel();
    let (code, screen) = terminal.end().await;
    assert_eq!(code, 1, "{screen}");
    assert!(screen.contains("gcc:14   | not yet a li"), "{screen}");
    farm.end().await;
}

#[tokio::test]
async fn a_job_that_was_not_started_says_why_it_waits() {
    let mut setup = Setup::default();
    setup.shelf.0.retain(|name| *name == gcc());
    let farm = Farm::with(setup, |_| one_step(mark("x").to_vec(), 0)).await;
    let (_repo, mut terminal) = follow(&farm, USUAL, &["-t", "clang:19"], &[]);
    terminal.shows("clang:19  queued").await;
    terminal.shows("no agent has the toolchain clang:19").await;
    terminal.types(INTERRUPT);
    terminal.shows("Cancel the build (c)").await;
    terminal.types("c\n");
    assert_eq!(terminal.end().await.0, 1);
    farm.end().await;
}

//! Diagnostics beside `grep`: how fast a log with 100 000 warnings is read, in MB/s, compared with
//! counting the lines of the same file that hold `warning:`, and one in which nothing is said.
//!
//! Both are measured in turns in one run and medians are compared. This program reads by itself, so
//! it has to be compiled for release: `cargo bench --bench diagnostics`.

use std::{
    fmt::Write as _,
    fs,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use kiln::{
    diagnostics::{Found, MAX_KEPT, Parser, SourceTree},
    model::Stream,
};

const WARNINGS: usize = 100_000;
const TURNS: usize = 9;
/// What the agent hands over at a time.
const PIECE: usize = 64 << 10;

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            line(&format!("the bench failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn measure() -> anyhow::Result<()> {
    if cfg!(debug_assertions) {
        line("compiled without optimization: these numbers say nothing");
    }
    line("\nReading what a build prints, beside grep -c of the same file");
    let warned = (warnings(), WARNINGS as u64);
    let silent = (quiet(), 0);
    for (name, (log, expected)) in [("100 000 warnings", warned), ("nothing said", silent)] {
        let file = std::env::temp_dir().join(format!("kiln-bench-{}.log", std::process::id()));
        fs::write(&file, &log)?;
        let measured = turns(&log, &file, expected);
        fs::remove_file(&file)?;
        let (grep, read) = measured.context(name)?;
        // Precise enough for a rate: in kilobytes it fits.
        let megabytes = f64::from(u32::try_from(log.len() / 1000)?) / 1e3;
        let speed = |time: Duration| megabytes / time.as_secs_f64();
        line(&format!(
            "  {name:<18} {megabytes:>6.1} MB   diagnostics {:>7.0} MB/s   grep {:>7.0} MB/s   {:>5.2} ×",
            speed(read),
            speed(grep),
            read.as_secs_f64() / grep.as_secs_f64()
        ));
    }
    Ok(())
}

/// The median times of grep and of reading.
fn turns(
    log: &[u8],
    file: &std::path::Path,
    expected: u64,
) -> anyhow::Result<(Duration, Duration)> {
    let (mut by_grep, mut by_kiln) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let began = Instant::now();
        let mut grep = by_hand();
        let grep = grep.arg("-c").arg("warning: ").arg(file).env("LC_ALL", "C");
        let output = grep.stderr(Stdio::inherit()).output().context("running grep")?;
        by_grep.push(began.elapsed());
        let counted: u64 = String::from_utf8_lossy(&output.stdout).trim().parse()?;
        ensure!(counted == expected, "grep counted {counted}");

        let began = Instant::now();
        let found = read(log);
        by_kiln.push(began.elapsed());
        ensure!(found.summary.warnings == expected, "{} warnings", found.summary.warnings);
        ensure!(found.entries.len() <= MAX_KEPT, "{} kept", found.entries.len());
    }
    by_grep.sort();
    by_kiln.sort();
    Ok((by_grep[TURNS / 2], by_kiln[TURNS / 2]))
}

#[expect(clippy::disallowed_methods, reason = "the rule is for the product; by hand is a program")]
fn by_hand() -> Command {
    Command::new("grep")
}

fn read(log: &[u8]) -> Found {
    let tree = SourceTree::new((0..100).map(|n| format!("src/module{n}.c")));
    let mut parser = Parser::new(tree);
    for piece in log.chunks(PIECE) {
        parser.feed(Stream::Stderr, piece);
    }
    parser.finish()
}

/// As gcc writes them, one in ten of them new.
fn warnings() -> Vec<u8> {
    let mut log = String::new();
    for n in 0..WARNINGS {
        let (file, row) = (n % 100, n / 1000);
        writeln!(
            log,
            "src/module{file}.c: In function ‘step{row}’:\n\
             src/module{file}.c:{row}:9: warning: unused variable ‘value{}’ [-Wunused-variable]\n\
             {row:>5} |     int value{};\n      |         ^~~~~",
            n % 10_000,
            n % 10_000
        )
        .expect("a string takes all");
    }
    log.into_bytes()
}

/// What make and ninja print while all goes well.
fn quiet() -> Vec<u8> {
    let mut log = String::new();
    for n in 0..WARNINGS * 4 {
        writeln!(log, "[{n}/400000] Building C object src/CMakeFiles/app.dir/module{n}.c.o")
            .expect("a string takes all");
    }
    log.into_bytes()
}

#[expect(clippy::print_stdout, reason = "this program is there to print")]
fn line(text: &str) {
    println!("{text}");
}

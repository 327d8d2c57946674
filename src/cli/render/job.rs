//! One job: how it ended and what that means, with its attempts, their steps and what they used.

use std::{
    io::{self, Write},
    time::Duration,
};

use super::{build::label, cause::explain, excerpt::first_error};
use crate::{
    cli::{
        sanitize,
        style::{Style, paint, result},
        table::{Table, cut},
        text,
    },
    model::{Outcome, Revision, Timestamp},
    protocol::{AttemptView, Job},
};

/// The longest part of a command that is shown.
const COMMAND: usize = 80;

/// One job.
pub(in crate::cli) fn job(job: &Job, now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    let summary = &job.summary;
    let id = paint(Style::Bold, &summary.id.to_string());
    writeln!(out, "job {id} ({}) of build {}", label(summary), job.build)?;
    let mut state = result(summary.state.as_str(), summary.outcome);
    if let Some(cause) = summary.cause {
        state = format!("{state} ({cause})");
    }
    if summary.cancel_requested && summary.finished_at.is_none() {
        state.push_str(" · to be cancelled");
    }
    let time = text::took(summary.started_at, summary.finished_at, now);
    writeln!(out, "  {state}{}{time}", if time.is_empty() { "" } else { " · " })?;
    if !summary.message.is_empty() {
        writeln!(out, "  {}", sanitize::text(&summary.message))?;
    }
    match &job.commit {
        Revision::Commit(commit) => writeln!(out, "  commit {commit}")?,
        Revision::Tree(digest) => writeln!(out, "  uploaded tree {digest}")?,
    }
    if let Some(earlier) = summary.retry_of {
        writeln!(out, "  tries {earlier} again")?;
    }
    if let Some(cause) = summary.cause {
        let (what, then) = explain(cause);
        writeln!(out, "\n  what happened:  {what}")?;
        writeln!(out, "  what to do:     {then}\n")?;
    }
    first_error(job, out)?;
    for one in &job.attempts {
        attempt(job, one, now, out)?;
    }
    more(job, out)
}

fn attempt(
    job: &Job,
    attempt: &AttemptView,
    now: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    let state = result("running", attempt.outcome);
    let time = text::took(Some(attempt.started_at), attempt.finished_at, now);
    writeln!(out, "\nattempt {}: {state} · {time} · on agent {}", attempt.number, attempt.agent)?;
    // That of the newest is the job's, and was said.
    let is_newest = job.attempts.last().is_some_and(|last| last.number == attempt.number);
    let is_said = is_newest && attempt.message == job.summary.message;
    if !attempt.message.is_empty() && !is_said {
        writeln!(out, "  {}", sanitize::text(&attempt.message))?;
    }
    if let Some(sandbox) = &attempt.sandbox {
        let compiler = sanitize::text(&sandbox.compiler);
        writeln!(out, "  compiler  {compiler}")?;
        writeln!(out, "  image     {}", sanitize::text(&sandbox.image))?;
        writeln!(
            out,
            "  sandbox   {}: no network, no privileges",
            sanitize::text(&sandbox.profile)
        )?;
    }
    if let Some(seen) = attempt.diagnostics.as_ref().filter(|seen| seen.errors + seen.warnings > 0)
    {
        let errors = text::count(seen.errors.into(), "error", "errors");
        let warnings = text::count(seen.warnings.into(), "warning", "warnings");
        writeln!(out, "  said      {errors}, {warnings}")?;
    }
    steps(attempt, now, out)?;
    used(job, attempt, now, out)
}

fn steps(attempt: &AttemptView, now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    if attempt.steps.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["  STEP", "EXIT", "TIME", "COMMAND"]);
    for step in &attempt.steps {
        table.row(vec![
            format!("  {}", sanitize::text(step.name.as_str())),
            step.exit_code.map(|code| code.to_string()).unwrap_or_default(),
            text::took(Some(step.started_at), step.finished_at.or(attempt.finished_at), now),
            cut(&sanitize::text(&step.run), COMMAND),
        ]);
    }
    writeln!(out)?;
    table.write(out)
}

/// What was used, next to what may be.
fn used(job: &Job, attempt: &AttemptView, now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    let (limits, usage) = (&job.limits, attempt.usage.unwrap_or_default());
    let millis = |millis: u64| text::duration(Duration::from_millis(millis));
    let or_none = |value: u64, shown: String| if value == 0 { String::new() } else { shown };
    let wall = Duration::from_secs(limits.wall_seconds.into());
    let ran = match usage.run_millis {
        0 => text::took(Some(attempt.started_at), attempt.finished_at, now),
        ran => millis(ran),
    };
    let kept = attempt.artifacts.as_ref();
    let mut table = Table::new(&["  RESOURCE", "USED", "BOUND"]);
    for (name, used, bound) in [
        ("time", ran, text::duration(wall)),
        (
            "processor",
            or_none(usage.cpu_millis, millis(usage.cpu_millis)),
            cores(limits.cpu_millis),
        ),
        (
            "memory",
            or_none(usage.peak_memory_bytes, text::bytes(usage.peak_memory_bytes)),
            format!(
                "{} + {} for files",
                text::bytes(limits.memory_bytes),
                text::bytes(limits.workspace_bytes + limits.tmp_bytes)
            ),
        ),
        ("log", text::bytes(attempt.log_bytes), format!("{} kept", text::bytes(limits.log_bytes))),
        (
            "artifacts",
            kept.map_or_else(String::new, |kept| {
                let files = text::count(kept.files, "file", "files");
                format!("{files}, {}", text::bytes(kept.bytes))
            }),
            format!("{} files, {}", limits.artifact_files, text::bytes(limits.artifact_bytes)),
        ),
    ] {
        table.row(vec![format!("  {name}"), used, bound]);
    }
    writeln!(out)?;
    table.write(out)?;
    if attempt.usage.is_some() {
        writeln!(
            out,
            "  of the time: source {}, sandbox {}, steps {}, artifacts {}",
            millis(usage.source_millis),
            millis(usage.sandbox_millis),
            millis(usage.run_millis),
            millis(usage.collect_millis)
        )?;
        let compiled = usage.cache_hits + usage.cache_misses;
        if compiled > 0 {
            let hits = usage.cache_hits;
            writeln!(out, "  of {compiled} compilations, {hits} came from the compiler cache")?;
        }
    }
    Ok(())
}

fn cores(cpu_millis: u32) -> String {
    let text = format!("{}.{:03}", cpu_millis / 1000, cpu_millis % 1000);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} {}", if text == "1" { "core" } else { "cores" })
}

/// What else can be asked.
fn more(job: &Job, out: &mut dyn Write) -> io::Result<()> {
    let id = job.summary.id;
    if job.attempts.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n  its log:      kiln log {id}")?;
    if job.attempts.iter().any(|one| one.artifacts.as_ref().is_some_and(|kept| kept.files > 0)) {
        writeln!(out, "  its files:    kiln artifacts {id}")?;
    }
    if job.attempts.iter().any(|one| one.sandbox.as_ref().is_some_and(|s| !s.options.is_empty())) {
        writeln!(out, "  run by hand:  kiln show {id} --by-hand")?;
    }
    if job.summary.outcome.is_some_and(|outcome| outcome != Outcome::Success) {
        writeln!(out, "  again:        kiln retry {id}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixtures;

    #[test]
    fn a_job_is_shown_with_attempts_and_steps() {
        let mut out = Vec::new();
        job(&fixtures::jobs()[1], fixtures::at(100), &mut out).unwrap();
        let text = anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string();
        assert_eq!(
            text,
            "job 01KB0Q6M3V8W2T5XJ4C9ZR7HN2 (clang:19) of build 01KB0Q6M3V8W2T5XJ4C9ZR7HND\n\
             \x20 failure (compile) · 8.0 s\n\
             \x20 the compile step exited with status 2\n\
             \x20 commit 0123456789abcdef0123456789abcdef01234567\n\
             \n\
             \x20 what happened:  a compiler reported an error\n\
             \x20 what to do:     mend the place that is named; a flag for all files is given with \
             --env CFLAGS=-g\n\
             \n\
             \x20 src/main.c:7:2: error: expected ';' after expression\n\
             \x20   6 | int main(void) {\n\
             \x20   7 | \u{20}       run()\n\
             \x20     | \u{20}       ^\n\
             \x20   8 | }\n\
             \n\
             attempt 1: failure · 8.0 s · on agent 01KB0Q6M3V8W2T5XJ4C9ZR7HNF\n\
             \x20 compiler  clang 19.1.7\n\
             \x20 image     sha256:1\n\
             \x20 sandbox   docker/standard: no network, no privileges\n\
             \x20 said      1 error, 2 warnings\n\
             \n\
             \x20 STEP     EXIT  TIME   COMMAND\n\
             \x20 compile  2     8.0 s  make -j2\n\
             \n\
             \x20 RESOURCE   USED     BOUND\n\
             \x20 time       8.0 s    15 min 00 s\n\
             \x20 processor           2 cores\n\
             \x20 memory              2.0 GiB + 1.1 GiB for files\n\
             \x20 log        2.0 KiB  64.0 MiB kept\n\
             \x20 artifacts           10000 files, 1.0 GiB\n\
             \n\
             \x20 its log:      kiln log 01KB0Q6M3V8W2T5XJ4C9ZR7HN2\n\
             \x20 again:        kiln retry 01KB0Q6M3V8W2T5XJ4C9ZR7HN2\n"
        );
    }
}

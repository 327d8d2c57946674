//! One job, with its attempts and steps.

use std::io::{self, Write};

use super::build::label;
use crate::{
    cli::{
        sanitize,
        style::{Style, paint, result},
        table::Table,
        text,
    },
    model::{Revision, Timestamp},
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
    if let Some(error) = first_error(job) {
        writeln!(out, "  {error}")?;
    }
    match &job.commit {
        Revision::Commit(commit) => writeln!(out, "  commit {commit}")?,
        Revision::Tree(digest) => writeln!(out, "  uploaded tree {digest}")?,
    }
    if let Some(earlier) = summary.retry_of {
        writeln!(out, "  tries {earlier} again")?;
    }
    job.attempts.iter().try_for_each(|one| attempt(one, now, out))
}

fn attempt(attempt: &AttemptView, now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    let state = result("running", attempt.outcome);
    let time = text::took(Some(attempt.started_at), attempt.finished_at, now);
    writeln!(out, "\nattempt {}: {state} · {time}", attempt.number)?;
    if !attempt.message.is_empty() {
        writeln!(out, "  {}", sanitize::text(&attempt.message))?;
    }
    if let Some(sandbox) = &attempt.sandbox {
        let compiler = sanitize::text(&sandbox.compiler);
        writeln!(out, "  {compiler} in {}", sanitize::text(&sandbox.profile))?;
    }
    if let Some(usage) = attempt.usage.filter(|usage| usage.peak_memory_bytes > 0) {
        let cpu = text::duration(std::time::Duration::from_millis(usage.cpu_millis));
        writeln!(out, "  memory {}, processor {cpu}", text::bytes(usage.peak_memory_bytes))?;
    }
    if let Some(seen) = attempt.diagnostics.as_ref().filter(|seen| seen.errors + seen.warnings > 0)
    {
        let errors = text::count(seen.errors.into(), "error", "errors");
        writeln!(out, "  {errors}, {}", text::count(seen.warnings.into(), "warning", "warnings"))?;
    }
    if let Some(kept) = &attempt.artifacts {
        let files = text::count(kept.files, "artifact", "artifacts");
        writeln!(out, "  {files}, {}", text::bytes(kept.bytes))?;
    }
    writeln!(out, "  log: {}", text::bytes(attempt.log_bytes))?;
    let mut table = Table::new(&["  STEP", "EXIT", "TIME", "COMMAND"]);
    for step in &attempt.steps {
        table.row(vec![
            format!("  {}", sanitize::text(step.name.as_str())),
            step.exit_code.map(|code| code.to_string()).unwrap_or_default(),
            text::took(Some(step.started_at), step.finished_at, now),
            crate::cli::table::cut(&sanitize::text(&step.run), COMMAND),
        ]);
    }
    if attempt.steps.is_empty() { Ok(()) } else { table.write(out) }
}

/// The first error of the newest attempt, as compilers write it.
pub(in crate::cli) fn first_error(job: &Job) -> Option<String> {
    let error = job.attempts.last()?.diagnostics.as_ref()?.first_error.as_ref()?;
    let mut place = sanitize::text(&error.file);
    for number in [error.line, error.column].into_iter().take_while(|number| *number > 0) {
        place = format!("{place}:{number}");
    }
    if !place.is_empty() {
        place.push_str(": ");
    }
    Some(format!("{place}{} {}", paint(Style::Red, "error:"), sanitize::text(&error.message)))
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
             \x20 src/main.c:7:3: error: expected ';' after expression\n\
             \x20 commit 0123456789abcdef0123456789abcdef01234567\n\
             \n\
             attempt 1: failure · 8.0 s\n\
             \x20 clang 19.1.7 in docker/standard\n\
             \x20 1 error, 2 warnings\n\
             \x20 log: 2.0 KiB\n\
             \x20 STEP     EXIT  TIME   COMMAND\n\
             \x20 compile  2     8.0 s  make -j2\n"
        );
    }
}

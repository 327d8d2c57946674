//! Builds: the list, one with its jobs, and the summary at the end of a followed one.

use std::io::{self, Write};

use super::first_error;
use crate::{
    cli::{
        sanitize,
        style::{Style, paint, result},
        table::{Table, cut},
        text,
    },
    model::{Outcome, Timestamp, ToolchainName},
    protocol::{Build, BuildSource, Job, JobSummary},
};

/// How much of a commit's subject fits into a list.
const SUBJECT: usize = 50;

/// A list of builds.
pub(in crate::cli) fn builds(
    builds: &[Build],
    now: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    if builds.is_empty() {
        return writeln!(out, "no builds");
    }
    let mut table =
        Table::new(&["BUILD", "RESULT", "COMMIT", "TOOLCHAINS", "AGE", "TIME", "SUBJECT"]);
    for build in builds {
        let legs: Vec<&str> = build
            .jobs
            .iter()
            .filter(|job| !job.retried)
            .filter_map(|job| job.toolchain.as_ref().map(ToolchainName::as_str))
            .collect();
        let subject = build.commit_info.as_ref().map_or("", |info| &info.subject);
        table.row(vec![
            build.id.to_string(),
            result(build.state.as_str(), build.outcome),
            build.commit.short().to_owned(),
            cut(&legs.join(","), SUBJECT),
            text::age(build.created_at, now),
            text::took(Some(build.created_at), build.finished_at, now),
            cut(&sanitize::text(subject), SUBJECT),
        ]);
    }
    table.write(out)
}

/// One build.
pub(in crate::cli) fn build(build: &Build, now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    headline(build, out)?;
    if let Some(info) = &build.commit_info {
        let (subject, author) = (sanitize::text(&info.subject), sanitize::text(&info.author));
        let author = if author.is_empty() { author } else { format!(" ({author})") };
        writeln!(out, "  {}{author}", cut(&subject, 72))?;
    }
    let state = result(build.state.as_str(), build.outcome);
    let time = text::took(Some(build.created_at), build.finished_at, now);
    writeln!(out, "  {state} · {time} · asked for {}", text::age(build.created_at, now))?;
    for (name, value) in &build.labels {
        writeln!(out, "  {}: {}", sanitize::text(name), sanitize::text(value))?;
    }
    if !build.plan.message.is_empty() && (build.jobs.is_empty() || failed(&build.plan)) {
        writeln!(out, "  plan: {}", sanitize::text(&build.plan.message))?;
    }
    if build.jobs.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut table = Table::new(&["JOB", "TOOLCHAIN", "RESULT", "CAUSE", "TIME", "MESSAGE"]);
    for job in &build.jobs {
        let note = if job.retried { "(retried) " } else { "" };
        table.row(vec![
            job.id.to_string(),
            label(job),
            result(job.state.as_str(), job.outcome),
            job.cause.map(|cause| cause.to_string()).unwrap_or_default(),
            text::took(job.started_at, job.finished_at, now),
            format!("{note}{}", sanitize::text(&job.message)),
        ]);
    }
    table.write(out)
}

/// What is built: the first line of everything about a build.
pub(in crate::cli) fn headline(build: &Build, out: &mut dyn Write) -> io::Result<()> {
    let id = paint(Style::Bold, &build.id.to_string());
    match &build.source {
        BuildSource::Git(git) => {
            let url = sanitize::text(&git.url);
            let reference = git.reference.as_ref().map_or(String::new(), |r| format!(" {r}"));
            writeln!(out, "build {id} of {url}{reference} at {}", build.commit)
        }
        BuildSource::Upload(upload) => {
            let made_from = upload.base.as_ref().map_or(String::new(), |base| {
                let changed = if base.dirty { " with changes" } else { "" };
                format!(", made from {}{changed}", base.commit.short())
            });
            writeln!(out, "build {id} of {}{made_from}", build.commit)
        }
    }
}

/// How a build ended, with what helps where it did not go well. `jobs` are the newest of each leg.
pub(in crate::cli) fn summary(
    build: &Build,
    jobs: &[Job],
    now: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    if failed(&build.plan) {
        let cause = build.plan.cause.map_or("", |cause| cause.as_str());
        let message = sanitize::text(&build.plan.message);
        writeln!(out, "{}: {message}", paint(Style::Red, &format!("no jobs ({cause})")))?;
    }
    if !jobs.is_empty() {
        let headings = ["TOOLCHAIN", "RESULT", "TIME", "WARNINGS", "ERRORS", "ARTIFACTS"];
        let mut table = Table::new(&headings);
        for job in jobs {
            let summary = &job.summary;
            let newest = job.attempts.last();
            let kept = newest.and_then(|attempt| attempt.artifacts.as_ref());
            let seen = newest.and_then(|attempt| attempt.diagnostics.as_ref());
            let number = |count: Option<u32>| count.map_or(String::new(), |n| n.to_string());
            table.row(vec![
                label(summary),
                result(summary.state.as_str(), summary.outcome),
                text::took(summary.started_at, summary.finished_at, now),
                number(seen.map(|seen| seen.warnings)),
                number(seen.map(|seen| seen.errors)),
                match (kept, summary.outcome) {
                    (Some(kept), _) if kept.files > 0 => {
                        let files = text::count(kept.files, "file", "files");
                        format!("{files}, {}", text::bytes(kept.bytes))
                    }
                    (_, Some(Outcome::Success)) => "none".to_owned(),
                    _ => String::new(),
                },
            ]);
        }
        table.write(out)?;
    }
    for job in jobs.iter().filter(|job| failed(&job.summary)) {
        writeln!(out)?;
        failure(job, out)?;
    }
    Ok(())
}

/// Why a leg did not succeed: its sentence, the first error with the source around it, and how to
/// see more.
fn failure(job: &Job, out: &mut dyn Write) -> io::Result<()> {
    let summary = &job.summary;
    let state = result(summary.state.as_str(), summary.outcome);
    let message = sanitize::text(&summary.message);
    let colon = if message.is_empty() { "" } else { ": " };
    writeln!(out, "{} {state}{colon}{message}", paint(Style::Bold, &label(summary)))?;
    first_error(job, out)?;
    writeln!(out, "  the whole log:  kiln log {}", summary.id)?;
    writeln!(out, "  what it means:  kiln show {}", summary.id)
}

/// What a job is called next to others of its build.
pub(in crate::cli) fn label(job: &JobSummary) -> String {
    match &job.toolchain {
        None => "plan".to_owned(),
        Some(toolchain) if job.variant == "default" => toolchain.to_string(),
        Some(toolchain) => format!("{toolchain} {}", sanitize::text(&job.variant)),
    }
}

fn failed(job: &JobSummary) -> bool {
    job.outcome.is_some_and(|outcome| outcome != Outcome::Success)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixtures;

    fn plain(render: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        render(&mut out).unwrap();
        anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string()
    }

    #[test]
    fn a_build_is_shown_with_its_jobs() {
        let now = fixtures::at(100);
        let text = plain(|out| build(&fixtures::build(), now, out));
        assert_eq!(
            text,
            "build 01KB0Q6M3V8W2T5XJ4C9ZR7HND of https://git.example/x.git main at \
             0123456789abcdef0123456789abcdef01234567\n\
             \x20 Fix the ]0;pwned thing (Ada)\n\
             \x20 failure · 30.0 s · asked for 1 min ago\n\
             \n\
             JOB                         TOOLCHAIN  RESULT   CAUSE    TIME    MESSAGE\n\
             01KB0Q6M3V8W2T5XJ4C9ZR7HN1  gcc:14     success           12.5 s\n\
             01KB0Q6M3V8W2T5XJ4C9ZR7HN2  clang:19   failure  compile  8.0 s   the compile step \
             exited with status 2\n"
        );
    }

    #[test]
    fn the_list_has_a_line_for_each_build() {
        let now = fixtures::at(100);
        let text = plain(|out| builds(&[fixtures::build()], now, out));
        assert_eq!(
            text,
            "BUILD                       RESULT   COMMIT        TOOLCHAINS       AGE        TIME    \
             SUBJECT\n\
             01KB0Q6M3V8W2T5XJ4C9ZR7HND  failure  0123456789ab  gcc:14,clang:19  1 min ago  30.0 s  \
             Fix the ]0;pwned thing\n"
        );
        assert_eq!(plain(|out| builds(&[], now, out)), "no builds\n");
    }

    #[test]
    fn the_summary_names_the_first_error_and_the_log() {
        let now = fixtures::at(100);
        let text = plain(|out| summary(&fixtures::build(), &fixtures::jobs(), now, out));
        assert_eq!(
            text,
            "TOOLCHAIN  RESULT   TIME    WARNINGS  ERRORS  ARTIFACTS\n\
             gcc:14     success  12.5 s                    2 files, 1.5 KiB\n\
             clang:19   failure  8.0 s   2         1\n\
             \n\
             clang:19 failure: the compile step exited with status 2\n\
             \x20 src/main.c:7:2: error: expected ';' after expression\n\
             \x20   6 | int main(void) {\n\
             \x20   7 |         run()\n\
             \x20     |         ^\n\
             \x20   8 | }\n\
             \x20 the whole log:  kiln log 01KB0Q6M3V8W2T5XJ4C9ZR7HN2\n\
             \x20 what it means:  kiln show 01KB0Q6M3V8W2T5XJ4C9ZR7HN2\n"
        );
    }

    #[test]
    fn a_plan_that_failed_says_why() {
        let now = fixtures::at(100);
        let text = plain(|out| summary(&fixtures::unplanned(), &[], now, out));
        assert_eq!(text, "no jobs (recipe_invalid): .kiln.toml line 3: unknown key \"stepp\"\n");
    }
}

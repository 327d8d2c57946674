//! A followed build as plain lines, for pipes and for those who want to see everything: whole log
//! lines behind the name of their job, and a line for each change.

use std::{
    collections::{BTreeMap, HashMap},
    io,
};

use unicode_width::UnicodeWidthStr;

use super::{
    CliError, Console,
    lines::Lines,
    render, sanitize,
    style::{Style, paint, result},
    text,
};
use crate::{
    client::event_bytes,
    model::{JobId, StateName, Stream, Timestamp},
    protocol::{Build, JobSummary, LogEvent},
};

/// What was printed so far.
#[derive(Debug, Default)]
pub(super) struct Plain {
    labels: HashMap<JobId, String>,
    width: usize,
    said: HashMap<JobId, String>,
    /// Whether lines stand for themselves, and what is said about the jobs goes elsewhere.
    is_bare: bool,
    pieces: BTreeMap<(JobId, u8), Lines>,
}

impl Plain {
    /// Prints what changed in the build's jobs.
    pub(super) fn build(
        &mut self,
        build: &Build,
        now: Timestamp,
        console: &mut Console,
    ) -> io::Result<()> {
        self.learn(build);
        for job in &build.jobs {
            let state = change(job, now);
            if self.said.get(&job.id) != Some(&state) {
                self.say(job.id, &state, console)?;
                self.said.insert(job.id, state);
            }
        }
        Ok(())
    }

    /// Learns the names of the build's jobs.
    pub(super) fn learn(&mut self, build: &Build) {
        for job in &build.jobs {
            let label = render::label(job);
            self.width = self.width.max(label.width());
            self.labels.insert(job.id, label);
        }
    }

    /// Whether log lines stand for themselves, without the name of their job before them, and what
    /// is said about the job goes to the error output: there is one job only.
    pub(super) fn set_bare(&mut self, is_bare: bool) {
        self.is_bare = is_bare;
    }

    /// Whether an event would print anything.
    pub(super) fn completes(&self, job: JobId, event: &LogEvent) -> bool {
        match event {
            LogEvent::Log { text: Some(text), .. } => text.contains(['\n', '\r']),
            LogEvent::Log { .. } | LogEvent::Gap { .. } => true,
            LogEvent::Attempt { .. } | LogEvent::End(_) => {
                self.pieces.range((job, 0)..=(job, u8::MAX)).next().is_some()
            }
            LogEvent::Step { .. } | LogEvent::State { .. } => false,
        }
    }

    fn say(&self, job: JobId, what: &str, console: &mut Console) -> io::Result<()> {
        if self.is_bare {
            console.note(&format!("{} * {what}\n", self.label(job)));
            return Ok(());
        }
        console.print(&format!("{} * {what}\n", self.label(job)))
    }

    /// Prints the lines that an event completes.
    pub(super) fn log(
        &mut self,
        job: JobId,
        event: &LogEvent,
        console: &mut Console,
    ) -> Result<(), CliError> {
        let label = self.prefix(job);
        match event {
            LogEvent::Log { stream, .. } => {
                let bytes = event_bytes(event)?;
                let lines = self.pieces.entry((job, number(*stream))).or_default().push(&bytes);
                print(&label, &lines, console)?;
            }
            LogEvent::Gap { from, to, .. } => {
                self.rest(job, console)?;
                let size = text::bytes(to - from);
                self.say(job, &format!("{size} of log were not kept"), console)?;
            }
            LogEvent::Attempt { attempt } => {
                self.rest(job, console)?;
                if *attempt > 1 {
                    self.say(job, &format!("attempt {attempt}"), console)?;
                }
            }
            LogEvent::End(_) => self.rest(job, console)?,
            LogEvent::Step { .. } | LogEvent::State { .. } => {}
        }
        Ok(())
    }

    /// Prints last lines that never ended.
    fn rest(&mut self, job: JobId, console: &mut Console) -> io::Result<()> {
        let label = self.prefix(job);
        for (_, pieces) in self.pieces.range_mut((job, 0)..=(job, u8::MAX)) {
            let rest: Vec<Vec<u8>> = pieces.rest().into_iter().collect();
            print(&label, &rest, console)?;
        }
        Ok(())
    }

    /// What stands before a log line.
    fn prefix(&self, job: JobId) -> String {
        if self.is_bare { String::new() } else { format!("{} | ", self.label(job)) }
    }

    fn label(&self, job: JobId) -> String {
        let label = self.labels.get(&job).map_or("", String::as_str);
        let missing = self.width.saturating_sub(label.width());
        format!("{}{}", paint(Style::Bold, label), " ".repeat(missing))
    }
}

fn print(prefix: &str, lines: &[Vec<u8>], console: &mut Console) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let mut text = String::new();
    for line in lines {
        let line = sanitize::log_line(line);
        text.push_str(format!("{prefix}{line}").trim_end());
        text.push('\n');
    }
    console.print(&text)
}

/// Where a job is, in words. The time it runs is left out, so that this changes only with the job.
pub(super) fn change(job: &JobSummary, now: Timestamp) -> String {
    let message = sanitize::text(&job.message);
    let state = result(job.state.as_str(), job.outcome);
    let mut words = match job.state {
        StateName::Finished => {
            let time = text::took(job.started_at, job.finished_at, now);
            if time.is_empty() { state } else { format!("{state} in {time}") }
        }
        StateName::Running if job.attempt > 1 => format!("{state} (attempt {})", job.attempt),
        StateName::Running | StateName::Queued => state,
    };
    if !message.is_empty() {
        words.push_str(": ");
        words.push_str(&message);
    }
    words
}

fn number(stream: Stream) -> u8 {
    match stream {
        Stream::Stdout => 0,
        Stream::Stderr => 1,
        Stream::Kiln => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::fixtures, model::Outcome, protocol::LogStreamEnd};

    #[test]
    fn lines_are_whole_and_carry_the_name_of_their_job() {
        let (mut console, out, _) = fixtures::console();
        let mut plain = Plain::default();
        let build = fixtures::build();
        let [good, bad] = [build.jobs[0].id, build.jobs[1].id];
        let log = |stream, text: &str| LogEvent::Log {
            attempt: 1,
            offset: 0,
            at: fixtures::at(0),
            stream,
            step: None,
            text: Some(text.to_owned()),
            base64: None,
        };
        plain.build(&build, fixtures::at(9), &mut console).unwrap();
        plain.build(&build, fixtures::at(10), &mut console).unwrap();
        for (job, event) in [
            (good, log(Stream::Stdout, "one\ntw")),
            (bad, log(Stream::Stdout, "other\n")),
            (good, log(Stream::Stderr, "\u{1b}[31merr\u{1b}[2J\n")),
            (good, log(Stream::Stdout, "o\n\nlast")),
            (good, LogEvent::Gap { attempt: 1, from: 0, to: 2048 }),
            (
                good,
                LogEvent::End(LogStreamEnd {
                    outcome: Outcome::Success,
                    cause: None,
                    message: String::new(),
                }),
            ),
        ] {
            plain.log(job, &event, &mut console).unwrap();
        }
        assert_eq!(
            out.text(),
            "gcc:14   * success in 12.5 s\n\
             clang:19 * failure in 8.0 s: the compile step exited with status 2\n\
             gcc:14   | one\n\
             clang:19 | other\n\
             gcc:14   | err\n\
             gcc:14   | two\n\
             gcc:14   |\n\
             gcc:14   | last\n\
             gcc:14   * 2.0 KiB of log were not kept\n"
        );
    }
}

//! A followed build on a terminal: one line for each job, with what it does now and what it said
//! last.

use std::{collections::HashMap, fmt::Write as _, io};

use unicode_width::UnicodeWidthStr;

use super::{
    lines::Lines,
    render, sanitize,
    screen::Screen,
    style::{Style, paint, result},
    text,
};
use crate::{
    client::event_bytes,
    model::{JobId, Outcome, StateName, Timestamp},
    protocol::{Build, JobSummary, LogEvent},
};

/// What turns while a job runs.
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// The lines, and what they show.
#[derive(Debug)]
pub(super) struct Progress {
    screen: Screen,
    shown: Vec<JobSummary>,
    said: HashMap<JobId, Said>,
    turn: usize,
    is_paused: bool,
}

/// What a job's build wrote last.
#[derive(Debug, Default)]
struct Said {
    pieces: Lines,
    last: String,
}

impl Progress {
    /// No lines yet.
    pub(super) fn new(colors: bool) -> Self {
        Self {
            screen: Screen::new(colors),
            shown: Vec::new(),
            said: HashMap::new(),
            turn: 0,
            is_paused: false,
        }
    }

    /// Shows where the build's jobs are now.
    pub(super) fn build(&mut self, build: &Build, now: Timestamp) {
        // Until there are jobs, the plan is what happens; what was tried again counts no more.
        self.shown = match &build.jobs[..] {
            [] => vec![build.plan.clone()],
            jobs => jobs.iter().filter(|job| !job.retried).cloned().collect(),
        };
        self.draw(now);
    }

    /// Learns what a job's build wrote; shown with the next tick.
    pub(super) fn log(&mut self, job: JobId, event: &LogEvent) {
        let said = self.said.entry(job).or_default();
        match event {
            LogEvent::Log { .. } => {
                let Ok(bytes) = event_bytes(event) else { return };
                let lines = said.pieces.push(&bytes);
                let shown = lines
                    .iter()
                    .rev()
                    .map(|line| sanitize::text(&String::from_utf8_lossy(line)).trim().to_owned());
                if let Some(last) = shown.into_iter().find(|line| !line.is_empty()) {
                    said.last = last;
                }
            }
            LogEvent::Attempt { .. } => *said = Said::default(),
            // Sooner than the next look at the build.
            LogEvent::Step { step, name: Some(name), .. } => {
                if let Some(shown) = self.shown.iter_mut().find(|shown| shown.id == job) {
                    shown.step = Some(name.clone());
                    shown.step_number = Some(u32::from(*step) + 1);
                }
            }
            _ => {}
        }
    }

    /// Shows the time that has gone by.
    pub(super) fn tick(&mut self, now: Timestamp) {
        self.turn = (self.turn + 1) % SPINNER.len();
        self.draw(now);
    }

    /// Prints something above the lines.
    pub(super) fn above(
        &mut self,
        now: Timestamp,
        print: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        self.screen.clear();
        let printed = print();
        self.draw(now);
        printed
    }

    /// Takes the lines away until `resume`.
    pub(super) fn pause(&mut self) {
        self.is_paused = true;
        self.screen.clear();
    }

    /// Shows the lines again.
    pub(super) fn resume(&mut self, now: Timestamp) {
        self.is_paused = false;
        self.draw(now);
    }

    fn draw(&mut self, now: Timestamp) {
        if !self.is_paused {
            let lines = self.lines(Screen::size().lines(), now);
            self.screen.draw(&lines);
        }
    }

    /// At most `most` lines. If there are more jobs, those that run come first.
    fn lines(&self, most: usize, now: Timestamp) -> Vec<String> {
        let mut jobs: Vec<&JobSummary> = self.shown.iter().collect();
        let mut hidden = Vec::new();
        if jobs.len() > most {
            jobs.sort_by_key(|job| match (job.state, job.outcome) {
                (StateName::Running, _) => 0,
                (StateName::Finished, Some(Outcome::Success)) => 3,
                (StateName::Finished, _) => 1,
                (StateName::Queued, _) => 2,
            });
            hidden = jobs.split_off(most.saturating_sub(1));
        }
        let wide = |of: fn(&JobSummary) -> String| {
            jobs.iter().map(|job| plain_width(&of(job))).max().unwrap_or(0)
        };
        let (label_width, where_width) = (wide(render::label), wide(place));
        let mut lines: Vec<String> = jobs
            .iter()
            .map(|job| {
                let label = pad(&paint(Style::Bold, &render::label(job)), label_width);
                let place = pad(&place(job), where_width);
                let time = pad(&time(job, now), 7);
                let line = format!("{} {label}  {place}  {time}", self.sign(job));
                let more = self.more(job);
                if more.is_empty() { line.trim_end().to_owned() } else { format!("{line}  {more}") }
            })
            .collect();
        if !hidden.is_empty() {
            lines.push(format!("  … and {}", text::count(hidden.len() as u64, "more", "more")));
        }
        lines
    }

    fn sign(&self, job: &JobSummary) -> String {
        match (job.state, job.outcome) {
            (StateName::Queued, _) => " ".to_owned(),
            (StateName::Running, _) => paint(Style::Cyan, SPINNER[self.turn]),
            (StateName::Finished, Some(Outcome::Success)) => paint(Style::Green, "✓"),
            (StateName::Finished, Some(Outcome::Cancelled)) => paint(Style::Yellow, "-"),
            (StateName::Finished, _) => paint(Style::Red, "✗"),
        }
    }

    /// The sentence of how it ended or why it waits; while it runs, what the build wrote last.
    fn more(&self, job: &JobSummary) -> String {
        if job.state != StateName::Running {
            return sanitize::text(&job.message);
        }
        let said = self.said.get(&job.id).map_or("", |said| said.last.as_str());
        if said.is_empty() { String::new() } else { paint(Style::Dim, said) }
    }
}

/// Where a job is: its outcome, its step, or its state.
fn place(job: &JobSummary) -> String {
    if job.state != StateName::Running {
        return result(job.state.as_str(), job.outcome);
    }
    let mut words = match &job.step {
        None => paint(Style::Cyan, "preparing"),
        Some(step) => {
            let number = match (job.step_number, job.step_count) {
                (Some(number), Some(count)) if count > 1 => format!(" {number}/{count}"),
                _ => String::new(),
            };
            format!("{}{number}", paint(Style::Cyan, &sanitize::text(step.as_str())))
        }
    };
    if job.attempt > 1 {
        let _ = write!(words, " (attempt {})", job.attempt);
    }
    if job.cancel_requested {
        words.push_str(" (to be cancelled)");
    }
    words
}

/// How long it has waited, runs, or ran.
fn time(job: &JobSummary, now: Timestamp) -> String {
    match job.state {
        StateName::Queued => text::took(Some(job.created_at), None, now),
        _ => text::took(job.started_at, job.finished_at, now),
    }
}

fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(plain_width(text))))
}

fn plain_width(text: &str) -> usize {
    anstream::adapter::strip_str(text).to_string().width()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::fixtures, model::Stream};

    fn lines(progress: &Progress, most: usize, now: i64) -> Vec<String> {
        let lines = progress.lines(most, fixtures::at(now));
        lines.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect()
    }

    fn log(text: &str) -> LogEvent {
        LogEvent::Log {
            attempt: 1,
            offset: 0,
            at: fixtures::at(0),
            stream: Stream::Stdout,
            step: None,
            text: Some(text.to_owned()),
            base64: None,
        }
    }

    #[test]
    fn a_line_says_where_the_job_is_and_what_it_said_or_why_it_waits() {
        let mut progress = Progress::new(false);
        progress.shown = fixtures::build().jobs;
        assert_eq!(
            lines(&progress, 9, 99),
            [
                "✓ gcc:14    success  12.5 s",
                "✗ clang:19  failure  8.0 s    the compile step exited with status 2"
            ]
        );
        for job in &mut progress.shown {
            (job.state, job.outcome, job.finished_at) = (StateName::Running, None, None);
            job.message.clear();
        }
        let job = &mut progress.shown[1];
        (job.step_number, job.step_count) = (Some(2), Some(3));
        let id = job.id;
        progress.log(id, &log("cc -c a.c\n\u{1b}[31mcc -c\u{1b}[2J b.c\n\nhalf a li"));
        assert_eq!(
            lines(&progress, 9, 67),
            [
                "⠋ gcc:14    preparing    1 min 06 s",
                "⠋ clang:19  compile 2/3  1 min 05 s  cc -c b.c"
            ]
        );
        let job = &mut progress.shown[1];
        (job.state, job.started_at, job.attempt) = (StateName::Queued, None, 0);
        "no agent has clang:19".clone_into(&mut job.message);
        assert_eq!(
            lines(&progress, 9, 4)[1],
            "  clang:19  queued     4.0 s    no agent has clang:19"
        );
    }

    #[test]
    fn where_there_is_no_room_for_all_those_that_run_are_shown() {
        let mut progress = Progress::new(false);
        let jobs = fixtures::build().jobs;
        progress.shown = vec![jobs[0].clone(), jobs[0].clone(), jobs[1].clone()];
        let job = &mut progress.shown[2];
        (job.state, job.outcome) = (StateName::Running, None);
        let shown = lines(&progress, 2, 9);
        assert!(shown[0].contains("clang:19"), "{shown:?}");
        assert_eq!((shown.len(), shown[1].as_str()), (2, "  … and 2 more"));
    }
}

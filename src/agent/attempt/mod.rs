//! One attempt at a job, from the claim to the report.
//!
//! `supervise` is the frame: it keeps the lease (`lease`), isolates the work (`plan`, `leg`), closes
//! the session on every path (`slot`), sends the log to its end and reports. The work itself is
//! `leg`: source, sandbox, the tries (`course` says which, by what `next` knows; `tries` runs one,
//! `output` with its `steps` reads it), `collect` with `repack` and `upload`.

mod caching;
mod collect;
mod context;
mod course;
mod excerpt;
mod fetch;
mod lacking;
mod lease;
mod leg;
mod lines;
mod network;
mod next;
mod output;
mod packages;
mod plan;
mod repack;
mod report;
mod retry;
mod said;
mod slot;
mod steps;
mod supervise;
mod tries;
mod trouble;
mod upload;

pub(super) use supervise::supervise;

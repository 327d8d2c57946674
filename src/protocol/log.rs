//! Logs over HTTP: what can be asked for, and the events of a log that is followed.

use serde::{Deserialize, Serialize};

use crate::model::{Cause, Outcome, StateName, StepKind, StepName, Stream, Timestamp};

/// What of a log is wanted.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// Only one stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub stream: Option<Stream>,
    /// The attempt; default: the newest. A followed log begins with the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Only what lies after this place, written `attempt.offset` (event streams only; a
    /// `Last-Event-ID` header does the same).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// The data of one event of a followed log; the SSE event name is the variant's.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum LogEvent {
    /// Bytes of one stream.
    Log {
        /// The attempt.
        attempt: u32,
        /// Bytes of the attempt before these.
        offset: u64,
        /// When the agent saw them.
        at: Timestamp,
        /// The pipe they came from.
        stream: Stream,
        /// The step they belong to, counted from 0.
        #[serde(skip_serializing_if = "Option::is_none")]
        step: Option<u16>,
        /// The bytes, if they are UTF-8.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// The bytes in base 64, if they are not UTF-8.
        #[serde(skip_serializing_if = "Option::is_none")]
        base64: Option<String>,
    },
    /// A step began or ended; it may come twice after a reconnect.
    Step {
        /// The attempt.
        attempt: u32,
        /// Which step, counted from 0.
        step: u16,
        /// When.
        at: Timestamp,
        /// Its name, when it begins.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<StepName>,
        /// Its kind, when it begins.
        #[serde(skip_serializing_if = "Option::is_none")]
        kind: Option<StepKind>,
        /// Its exit status, when it ends.
        #[serde(skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
    },
    /// Bytes that were not kept.
    Gap {
        /// The attempt.
        attempt: u32,
        /// The first that is missing.
        from: u64,
        /// The first that is there again.
        to: u64,
    },
    /// An attempt's log begins.
    Attempt {
        /// Its number.
        attempt: u32,
    },
    /// The job's state changed.
    State {
        /// The new state.
        state: StateName,
    },
    /// Nothing comes any more.
    End(LogStreamEnd),
}

/// How the job ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LogStreamEnd {
    /// The outcome.
    pub outcome: Outcome,
    /// The cause of an outcome other than success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// One sentence for people.
    pub message: String,
}

impl LogEvent {
    /// The name of the event on the wire.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Log { .. } => "log",
            Self::Step { .. } => "step",
            Self::Gap { .. } => "gap",
            Self::Attempt { .. } => "attempt",
            Self::State { .. } => "state",
            Self::End(_) => "end",
        }
    }
}

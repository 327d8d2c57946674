//! Forges: GitHub, GitLab, Gitea and Forgejo – what their webhooks say, who signed it, and what they
//! are told.
//!
//! A delivery is taken apart in three steps, each of which can only fail in its own way: headers say
//! which forge it is (`envelope`), the signature over the bytes as they came says whether it is
//! from there (`signature`), and only then the bytes are read (`github`, `gitlab`). What comes
//! out is the same for all of them: an [`Event`].

mod envelope;
mod event;
mod github;
mod gitlab;
mod read;
mod signature;
mod status;

pub use envelope::{Envelope, NoForge};
pub use event::{BadPayload, ChangeEvent, Event, Head, PushEvent};
pub use signature::{SharedSecret, Signature};
pub use status::{CommitState, CommitStatus};

//! Builds new commits by itself: looks at the refs of watched projects, and submits what the rules say.
//!
//! Each project is looked at by one server at a time: who looks moves its next time first, in one
//! transaction. What was noticed is written after it was submitted, and a submission carries a key of
//! project, ref and commit: whatever is cut off in between is done again and makes no second build.

mod adopt;
mod again;
mod deliveries;
mod error;
mod look;
mod submit;
mod turns;

pub use again::Again;
pub use deliveries::Receipt;
pub use error::RebuildError;
pub use turns::Rebuilder;

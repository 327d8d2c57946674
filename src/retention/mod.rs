//! Retention: what has its time over goes, by rules or by hand; what is to stay stays.
//!
//! The rules are pure (`model::RetentionPolicy`). Here they are asked about one build after the other,
//! each of which goes in a transaction of its own, so that nobody waits for the sweep: rows first, then
//! objects. What a crash leaves between the two the sweep of the repository removes.

mod error;
mod rules;
mod sweep;

pub use error::RetentionError;
pub use sweep::Retention;

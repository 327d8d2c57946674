//! Secrets of projects: named values that steps of trusted builds get, sealed wherever they are stored.
//!
//! A value is sealed with a key that only servers have, so that neither the database nor a backup of
//! it tells anything. It is opened at one place, when a job that may have it is given to an agent.
//! Which builds may is decided when they are submitted, by the ref they came from: `queue` does it.

mod hooks;
mod kept;
mod key;
mod logins;
mod sessions;
mod targets;

pub use kept::{NewSecret, Secrets, SecretsError};
pub use key::{OpenError, SealingKey};

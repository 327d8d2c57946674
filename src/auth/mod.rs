//! Who may do what: agents by their tokens, people (until there are accounts) by being on this
//! machine, or by the administrator's token where the server can be reached from others.
//!
//! Tokens are 32 random bytes; the database has only their SHA-256, which is enough for values
//! nobody can guess. The enrollment token lets an agent make itself known; it lies in the data
//! directory, readable by its owner only.

mod accounts;
mod agents;
mod enrollment;
mod token;

pub use agents::{Auth, AuthError};
pub use enrollment::{
    EnrollmentError, admin_token, enrollment_token, given_secret, kept_secret, secret_key,
};

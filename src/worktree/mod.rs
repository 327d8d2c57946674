//! A folder of this machine as a tree that can be sent: what git would commit, changes included.
//!
//! First it is looked at (`walk`, by the rules of git and of `.kilnignore`), which ends at the
//! bounds before anything is read; then hashed, so that the digest is known before anything is
//! sent; then, if the server does not have it, packed. What changes between these is noticed:
//! a tree is sent as it was hashed, or not at all.

mod error;
mod hash;
mod pack;
mod repository;
mod rules;
mod walk;

pub use error::WorktreeError;
pub use hash::{Meter, Worktree, read};

//! The sealed log: an ended attempt's frames in one object that can be read in part.
//!
//! Frames in their wire form lie in independent gzip members of about 256 KiB; a last member
//! holds the index (JSON), and an empty one of fixed size, the trailer, says where that begins.
//! The whole is a valid gzip file, so that even without kiln no log is lost. Two ways in: by
//! place among the bytes of some streams (downloads, `Range`, `?stream=`), and by offset in the
//! log as the agent counted it (resuming), which goes on over what fell out: the gaps. Pure:
//! bytes come from and go to the caller. What is read is hostile until it has been checked.

mod error;
mod index;
mod read;
mod trailer;
mod write;

pub use error::{ReadError, SealError};
pub use index::{Gap, Index, Member, SealedStep, Totals};
pub use read::{Plan, Streams};
pub use trailer::TRAILER_BYTES;
pub use write::{Sealed, Sealer};

#[cfg(test)]
mod tests;

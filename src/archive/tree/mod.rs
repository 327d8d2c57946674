//! A source tree that somebody sends: what may be in it, its canonical form, and its digest.
//!
//! A tar can say the same tree in a thousand ways. What counts is the sorted list of entries: path,
//! kind and content; order, times, owners and compression do not. Both ends use this: who packs a
//! tree knows its digest before anything is sent, and who takes one in arrives at the same.

mod entry;
mod form;
mod intake;
mod tree_error;

pub use entry::{Tree, TreeBounds, TreeEntry, TreeKind};
pub use form::TarForm;
pub use intake::{Piece, read_tree};
pub use tree_error::TreeError;

//! What compilers made before: a cache for each project and image, kept on this machine.
//!
//! A job gets a copy, as a second tar beside its source, and works on that with ccache. Only a job of a
//! ref that its project trusts has what became of its copy kept in place of the old one; all others leave
//! theirs behind with their sandbox. So nothing is shared while a build runs: no job can write what
//! another reads, a hostile one can fill its own bounded workspace and no more, and a cache is whole or
//! not there. A volume that jobs share would save the copy (a tenth of a second for what a project of some
//! hundred files has), and have none of this.

mod kept;
mod pack;

pub use kept::CompilerCache;
pub(super) use kept::Place;

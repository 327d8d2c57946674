//! The helper process: everything that reads hostile bytes with libgit2 happens in it.
//!
//! It is this same program started again with a hidden argument. It has its own small address
//! space, no environment, no configuration of git, no credentials but an ssh key's file name, and
//! reaches the network only through the parent's relay. If it hangs or swells, it is killed.

mod asks;
mod child;
mod commits;
mod compare;
mod deepen;
mod dotgit;
mod index;
mod inspect;
mod pack;
mod refs;
mod remote;
mod setup;
mod spawn;
mod tags;
mod tar;
mod walk;
mod wire;

pub use child::helper_main;
pub use wire::{TreeEntry, TreeKind};

pub(super) use asks::of_text as asked_by;
pub(super) use spawn::{Allowance, Helper};
pub(super) use wire::{
    Access, Asks, Failure, FailureKind, FetchRequest, GitFolder, Inspected, Part, Reply, Request,
    SshAccess, SshKey, TreeBounds, TreeRequest, Wanted,
};

//! Git sources: which commit a ref means, its tree in a mirror, and that tree as a tar.
//!
//! Nothing is ever checked out on the host: no hooks, no filters, no path tricks. What libgit2 does
//! with hostile bytes it does in a helper process (`helper`), and what that process can reach of
//! the network goes through a gate in this one (`relay`). `Sources` is the way in.

mod address;
mod compare;
mod credentials;
mod dial;
mod error;
mod fetch;
mod helper;
mod history;
mod http;
mod mirror;
mod nested;
mod post;
mod relay;
mod sources;
mod submodules;
mod url;

pub use compare::Comparison;
pub use error::SourceError;
pub use fetch::{Checkout, FetchSpec, Fetched, MissingSubmodule, Submodules};
pub use helper::{TreeEntry, TreeKind, helper_main};
pub use post::{Post, PostAnswer};
pub use sources::{ByteStream, Inspection, Listed, RefSpec, Resolved, Sources};
pub use url::{GitUrl, LoginReach};

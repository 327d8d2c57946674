//! The web page: the files that `web/` builds, as part of the binary.
//!
//! Its scripts and styles have names with digests of what they are, so that browsers may keep them for ever,
//! and nothing of it is loaded from elsewhere: the policy that goes with the page allows no script or style
//! but these, and whatever a build, a commit or a log says is text. A program that was compiled without the
//! built files says so where the page would be.

mod files;
mod policy;

pub use files::{WebFile, file, page};
pub use policy::POLICY;

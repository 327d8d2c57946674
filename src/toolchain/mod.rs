//! Toolchains: what a name such as `gcc:14` means.
//!
//! The catalogue and the Dockerfiles are part of the binary, so that a single file is all there is
//! to install. Other images become toolchains by being named in the configuration. Pure: whether an
//! image is there is the business of `images`.

mod catalogue;
mod files;
mod kind;

pub use catalogue::{Catalogue, CatalogueError, UnknownToolchain};
pub use files::file;
pub use kind::{ImageSource, PackageTarget, Recipe, Toolchain};

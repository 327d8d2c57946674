//! Debian packages for builds: which one has what a build lacks, and images that have them.
//!
//! A set of packages becomes an image of its own on top of a toolchain's, made once with network
//! and then used without (`derive`, by the installer whose words `installer` reads). `stock` knows
//! those images and `evict` keeps them within bounds. The index of a release (`index`, read out of
//! an image by `file`) answers what has a header or library (`find`), and `advice` says it.

mod advice;
mod derive;
mod error;
mod evict;
mod file;
mod find;
mod flight;
mod index;
mod installer;
mod stock;

pub use advice::{Lacking, Lacks};
pub use derive::{Made, PackagedImage};
pub use error::PackagesError;
pub use find::Wanted;
pub use stock::{ImageInUse, PackageImageBounds, PackagesRow};

pub(super) use index::PackageIndex;
pub(super) use stock::Stock;

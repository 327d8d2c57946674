//! Toolchain images: building them, listing them, and pinning one for an attempt.
//!
//! Everything goes through the engine's API. An image is made in stages (`stage`), each labeled with
//! a digest of what it was made from, and made again only when that digest is another one. Where
//! Debian's packages come from is the machine's affair (`apt`, `host`) and not part of the digest:
//! two machines with different mirrors make the same image.

mod apt;
mod build;
mod command;
mod dockerfile;
mod engine;
mod error;
mod host;
mod inventory;
mod packages;
mod probe;
mod progress;
mod resolve;
mod root;
mod stage;

pub use command::{BuildCommand, build_command, list_command};
pub use engine::Images;
pub use error::ImagesError;
pub use inventory::{ListedImage, PresentToolchain};
pub use packages::{
    ImageInUse, Lacking, Lacks, Made, PackageImageBounds, PackagedImage, PackagesError,
    PackagesRow, Wanted,
};
pub use progress::{BuildEvent, BuildStep};
pub use resolve::PinnedImage;

//! Why an image with packages could not be made: what the recipe asks for, or the machine.

use crate::{
    images::ImagesError,
    model::{PackageName, ToolchainName},
};

/// A set of packages could not be had. Several jobs may wait for one image, so this can be cloned.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PackagesError {
    /// No package has the name.
    #[error("there is no package {package} in {place}{close}")]
    Unknown {
        /// The name.
        package: String,
        /// The release.
        place: String,
        /// Names that are close, as the rest of the sentence.
        close: String,
    },
    /// The name stands for several packages.
    #[error("{package} is no package of its own in {place}: name one of {providers}")]
    Virtual {
        /// The name.
        package: String,
        /// The release.
        place: String,
        /// What it may stand for.
        providers: String,
    },
    /// Something that is there would have to go.
    #[error(
        "{packages} cannot be installed: it would remove {removed}, which the toolchain {toolchain} has"
    )]
    Removes {
        /// What was asked for.
        packages: String,
        /// What would be removed.
        removed: String,
        /// The toolchain.
        toolchain: ToolchainName,
    },
    /// The packages do not go together.
    #[error("{packages} cannot be installed together: {problem}")]
    Unmet {
        /// What was asked for.
        packages: String,
        /// What apt says.
        problem: String,
    },
    /// Packages of this kind are of no use to the toolchain.
    #[error("{package} cannot be used with {toolchain}: {reason}")]
    Useless {
        /// The package.
        package: PackageName,
        /// The toolchain.
        toolchain: ToolchainName,
        /// Why, and what to do.
        reason: &'static str,
    },
    /// The image has no apt, or another user than root.
    #[error(
        "{toolchain} takes no packages: apt-get cannot be used in its image, which is the operator's \
         own; take another toolchain, or ask the operator for an image that has what is needed"
    )]
    Foreign {
        /// The toolchain.
        toolchain: ToolchainName,
    },
    /// The mirror could not be used.
    #[error(
        "the packages {packages} could not be fetched from this machine's Debian mirror: {problem}"
    )]
    Mirror {
        /// What was asked for.
        packages: String,
        /// The last line that says something.
        problem: String,
    },
    /// An installation that broke off.
    #[error("the packages {packages} could not be installed: {problem}")]
    Failed {
        /// What was asked for.
        packages: String,
        /// The last line that says something.
        problem: String,
    },
    /// The engine.
    #[error("{0}")]
    Engine(String),
}

impl PackagesError {
    /// Whether another try, or another machine, may have more luck.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Mirror { .. } | Self::Failed { .. } | Self::Engine(_))
    }
}

impl From<ImagesError> for PackagesError {
    fn from(error: ImagesError) -> Self {
        Self::Engine(error.to_string())
    }
}

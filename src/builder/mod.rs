//! From a tree's listing and a recipe to steps, environment and artifacts. Pure.
//!
//! `recipe_file` reads `.kiln.toml`; `detect` chooses a build system when the recipe gives no
//! steps; `environment` is what every job gets; `artifacts` chooses what is kept.

mod recipe_error;
mod recipe_file;
mod recipe_values;

mod detect;
mod environment;
mod listing;
mod systems;

mod artifacts;
mod product;

pub use artifacts::{Candidate, EntryType, Selection, Selector, SelectorError};
pub use detect::{Choice, NoChoice, choose};
pub use environment::{JobFacts, environment};
pub use listing::{FileKind, Listing, MAX_WANTED_BYTES};
pub use product::{HEAD_BYTES, is_product};
pub use recipe_error::RecipeFileError;
pub use recipe_file::{MAX_RECIPE_BYTES, RECIPE_FILE, parse};
pub use systems::{System, ToolchainFacts};

//! From a tree's listing and a recipe to steps, environment and artifacts. Pure.
//!
//! `recipe_file` reads `.kiln.toml` and `recipe_text` writes one; `plan` chooses build systems when
//! the recipe gives no steps; `environment` is what every job gets; `artifacts` chooses what is kept.

mod recipe_error;
mod recipe_file;
mod recipe_text;
mod recipe_values;

mod environment;
mod listing;
mod plan;
mod systems;

mod artifacts;
mod product;

pub use artifacts::{Candidate, EntryType, Selection, Selector, SelectorError};
pub use environment::{JobFacts, environment};
pub use listing::{FileKind, Listing, MAX_WANTED_BYTES};
pub use plan::{Choice, NoChoice, Plan, plan};
pub use product::{HEAD_BYTES, is_product};
pub use recipe_error::RecipeFileError;
pub use recipe_file::{MAX_RECIPE_BYTES, RECIPE_FILE, parse};
pub use recipe_text::recipe_text;
pub use systems::{System, ToolchainFacts};

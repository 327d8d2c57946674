//! The processes of kiln: what `kiln serve`, `kiln agent` and `kiln images` put together and run.

mod agent;
mod db;
mod images;
mod serve;
mod setup;
mod traces;

pub use agent::agent;
pub use db::db;
pub use images::images;
pub use serve::serve;

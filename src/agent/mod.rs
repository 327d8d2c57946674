//! The agent: claims jobs from a server, runs each in a fresh sandbox, sends what comes of it.
//!
//! `run` is its life and `workers` what runs now; `attempt` is one try at a job. Everything that
//! decides something is pure and apart: `driver` and `marker` (the script of the steps and what it
//! says), `mask` (no secret in what is
//! written), `verdict` (how an attempt ended). `log` carries what the build writes to the server, and
//! `ending` is how an attempt is ended early. The agent speaks to the server only through
//! `client`, and to this machine only through `ports` and the sandbox.

mod run;
mod workers;

mod admission;
mod attempt;
mod backoff;
mod ccache;
mod deps;
mod driver;
mod ending;
mod image_port;
mod log;
mod marker;
mod mask;
mod ports;
mod register;
mod room;
mod source_port;
mod status;
mod uploads;
mod verdict;

pub use admission::{Admission, memory_pressure};
pub use ccache::CompilerCache;
pub use deps::{Deps, Machine, random_nonce};
pub use ports::{
    FetchedSource, Inspection, PinnedToolchain, PortError, Received, Sources, Toolchains,
    WithPackages,
};
pub use run::run;
pub use uploads::UploadCache;

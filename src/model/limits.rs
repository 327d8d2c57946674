//! What a job may use: defaults, what a submission may ask for, and the most it can get.

use serde::{Deserialize, Serialize};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

macro_rules! limits {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $default:expr, max $max:expr, min $min:expr;)*) => {
        /// The bounds of one job. Every field has a default and a maximum that policy sets.
        /// One that a server of an earlier release does not know is the default.
        #[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(default)]
        pub struct Limits { $($(#[$doc])* #[schema(required = true)] pub $field: $type,)* }

        /// The bounds a submission or a `.kiln.toml` asks for; what is not named stays as it is.
        #[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct LimitsRequest { $($(#[$doc])*
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub $field: Option<$type>,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl Limits {
            /// The most that policy allows unless the operator says otherwise.
            pub fn default_maximum() -> Self {
                Self { $($field: $max,)* }
            }

            /// These limits with what `request` asks for, refused where it is above `maximum`.
            pub fn with(&self, request: &LimitsRequest, maximum: &Self) -> Result<Self, LimitError> {
                Ok(Self { $($field: match request.$field {
                    None => self.$field,
                    Some(value) if value < $min || value > maximum.$field => {
                        return Err(LimitError {
                            field: stringify!($field),
                            value: u64::from(value),
                            min: u64::from($min),
                            max: u64::from(maximum.$field),
                        });
                    }
                    Some(value) => value,
                },)* })
            }
        }

        impl LimitsRequest {
            /// What `over` asks for, and this for the rest.
            #[must_use]
            pub fn overridden_by(&self, over: &Self) -> Self {
                Self { $($field: over.$field.or(self.$field),)* }
            }
        }
    };
}

limits! {
    /// CPU time per wall time, in thousandths of a core.
    cpu_millis: u32 = 2_000, max 64_000, min 100_u32;
    /// Memory for the compiler and everything it starts, in bytes; workspace and /tmp come on top.
    memory_bytes: u64 = 2 * GIB, max 16 * GIB, min 32 * MIB;
    /// Size of the workspace, in bytes.
    workspace_bytes: u64 = GIB, max 8 * GIB, min MIB;
    /// Files and directories in the workspace.
    workspace_files: u64 = 65_536, max 1_000_000, min 64_u64;
    /// Size of /tmp, in bytes.
    tmp_bytes: u64 = 128 * MIB, max GIB, min MIB;
    /// Processes and threads at one time.
    processes: u32 = 512, max 4_096, min 8_u32;
    /// The largest single file, in bytes.
    file_bytes: u64 = GIB, max 8 * GIB, min MIB;
    /// Run time of all steps together, in seconds.
    wall_seconds: u32 = 15 * 60, max 2 * 3600, min 1_u32;
    /// The longest time without a byte of output, in seconds.
    silence_seconds: u32 = 5 * 60, max 2 * 3600, min 1_u32;
    /// Log that is kept, as head and tail, in bytes.
    log_bytes: u64 = 64 * MIB, max GIB, min 64 * 1024_u64;
    /// Output after which the build is ended, in bytes.
    output_bytes: u64 = GIB, max 8 * GIB, min 64 * 1024_u64;
    /// All artifacts together, in bytes.
    artifact_bytes: u64 = GIB, max 8 * GIB, min 1_u64;
    /// Number of artifacts.
    artifact_files: u64 = 10_000, max 100_000, min 1_u64;
}

/// A limit that was asked for is not allowed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("limits.{field} = {value} is not allowed here: it must be between {min} and {max}")]
pub struct LimitError {
    /// The limit's name.
    pub field: &'static str,
    /// What was asked for.
    pub value: u64,
    /// The least that makes sense.
    pub min: u64,
    /// The most that policy allows.
    pub max: u64,
}

impl Limits {
    /// No bounds at all: only for checking what an operator sets.
    pub fn unbounded() -> Self {
        Self {
            cpu_millis: u32::MAX,
            memory_bytes: u64::MAX,
            workspace_bytes: u64::MAX,
            workspace_files: u64::MAX,
            tmp_bytes: u64::MAX,
            processes: u32::MAX,
            file_bytes: u64::MAX,
            wall_seconds: u32::MAX,
            silence_seconds: u32::MAX,
            log_bytes: u64::MAX,
            output_bytes: u64::MAX,
            artifact_bytes: u64::MAX,
            artifact_files: u64::MAX,
        }
    }

    /// The container's memory bound: tmpfs pages are charged to it, so all of them count.
    /// `shm_bytes` is the size of /dev/shm, which is a tmpfs too.
    pub fn container_memory(&self, shm_bytes: u64) -> u64 {
        self.memory_bytes + self.workspace_bytes + self.tmp_bytes + shm_bytes
    }

    /// Whole cores, at least one: what `make -j` is told.
    pub fn parallelism(&self) -> u32 {
        (self.cpu_millis / 1_000).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_apply_within_the_maximum_and_name_the_field_otherwise() {
        let request = LimitsRequest { wall_seconds: Some(60), ..LimitsRequest::default() };
        let limits = Limits::default().with(&request, &Limits::default_maximum()).unwrap();
        assert_eq!((limits.wall_seconds, limits.processes), (60, 512));
        for wall_seconds in [0, 7_201] {
            let request =
                LimitsRequest { wall_seconds: Some(wall_seconds), ..LimitsRequest::default() };
            let error = Limits::default().with(&request, &Limits::default_maximum()).unwrap_err();
            assert_eq!(error.field, "wall_seconds");
        }
    }

    #[test]
    fn parallelism_is_at_least_one() {
        for (cpu_millis, expected) in [(100, 1), (1_500, 1), (2_000, 2), (64_000, 64)] {
            let limits = Limits { cpu_millis, ..Limits::default() };
            assert_eq!(limits.parallelism(), expected);
        }
    }
}

//! Ids: ULIDs, a type for each kind of thing, so that a job's id cannot be passed for a build's.
//!
//! ULIDs sort by creation time, which is what keyset paging needs, and are safe in paths and labels.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use ulid::Ulid;

use super::Timestamp;

/// The text is not an id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is not an id: ids are 26 characters of Crockford base 32, such as 01ARZ3NDEKTSV4RRFFQ69G5FAV"
)]
pub struct IdError(String);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// A new id that sorts after all that were made at an earlier millisecond.
            pub fn new(now: Timestamp) -> Self {
                let millis = u64::try_from(now.as_millis()).unwrap_or(0);
                Self(Ulid::from_parts(millis, rand::random()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                // The canonical form only: one thing has one name.
                match Ulid::from_string(text) {
                    Ok(ulid) if ulid.to_string() == text => Ok(Self(ulid)),
                    _ => Err(IdError(text.chars().take(40).collect())),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

id!(
    /// A build.
    BuildId
);
id!(
    /// A job (or the plan of a build, which is claimed like one).
    JobId
);
id!(
    /// An agent.
    AgentId
);
id!(
    /// One claim of an agent; repeating it gives the same job.
    ClaimId
);
id!(
    /// An enrollment token's, which is not the token.
    EnrollmentId
);
id!(
    /// A project.
    ProjectId
);
id!(
    /// A token's, which is not the token.
    TokenId
);
id!(
    /// A delivery of a webhook that came in.
    DeliveryId
);
id!(
    /// Somebody whom a project tells how its builds go.
    TargetId
);
id!(
    /// Something that is told to one of them.
    NoticeId
);
id!(
    /// A line of the audit log.
    AuditId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_parse_only_in_their_canonical_form() {
        let id = JobId::new(Timestamp::from_millis(1));
        assert_eq!(id.to_string().parse::<JobId>().unwrap(), id);
        for bad in [
            "",
            "1",
            "01arz3ndektsv4rrffq69g5fav",
            "01ARZ3NDEKTSV4RRFFQ69G5FAVX",
            "81ARZ3NDEKTSV4RRFFQ69G5FAV\0",
        ] {
            assert!(bad.parse::<JobId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn later_ids_sort_later() {
        let early = BuildId::new(Timestamp::from_millis(1_000));
        let late = BuildId::new(Timestamp::from_millis(1_001));
        assert!(early < late && early.to_string() < late.to_string());
    }
}

//! What is built by itself: the rules of a watched project, and what follows from them for one ref. Pure.

use globset::GlobBuilder;
use serde::{Deserialize, Serialize};

use super::{BuildId, CommitId, QueueName, ToolchainName};

/// The most patterns of one kind.
const MAX_PATTERNS: usize = 64;
/// How often a repository may be asked, and must be, in seconds.
const POLL_SECONDS: std::ops::RangeInclusive<u32> = 10..=86_400;

/// What of a project is built by itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WatchRules {
    /// Patterns of branches, without `refs/heads/`; `*` also goes over slashes.
    #[schema(max_items = 64)]
    pub branches: Vec<String>,
    /// Patterns of tags, without `refs/tags/`.
    #[schema(max_items = 64)]
    pub tags: Vec<String>,
    /// The toolchains; none means those of the commit's `.kiln.toml`, then the server's.
    #[schema(max_items = 64)]
    pub toolchains: Vec<ToolchainName>,
    /// The queue.
    #[schema(value_type = String)]
    pub queue: QueueName,
    /// Higher is earlier.
    #[schema(minimum = -100, maximum = 100)]
    pub priority: i32,
    /// How often the repository is asked, in seconds.
    #[schema(minimum = 10, maximum = 86_400)]
    pub poll_seconds: u32,
    /// Whether a newer commit ends the builds of older ones of its ref that have not ended.
    pub supersede: bool,
}

impl Default for WatchRules {
    fn default() -> Self {
        Self {
            branches: vec!["*".to_owned()],
            tags: Vec::new(),
            toolchains: Vec::new(),
            queue: QueueName::default(),
            priority: 0,
            poll_seconds: 60,
            supersede: false,
        }
    }
}

/// Rules that cannot be followed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WatchError {
    /// A pattern is none.
    #[error("{what}: {pattern:?} is not a pattern; write names with * and ?, such as release/*")]
    Pattern {
        /// Where it stands.
        what: &'static str,
        /// It.
        pattern: String,
    },
    /// There are too many.
    #[error("{0}: at most {MAX_PATTERNS} patterns")]
    TooMany(&'static str),
    /// Nothing would ever be built.
    #[error("name branches or tags to watch: there are none")]
    Nothing,
    /// Out of bounds.
    #[error("poll_seconds: between {} and {}", POLL_SECONDS.start(), POLL_SECONDS.end())]
    Poll,
    /// Out of bounds.
    #[error("priority must be between -100 and 100")]
    Priority,
}

/// A ref that is not as it was.
#[derive(Clone, Copy, Debug)]
pub struct Noticed<'a> {
    /// Its full name.
    pub name: &'a str,
    /// Where it is now; nothing if it is gone.
    pub commit: Option<&'a CommitId>,
    /// Whether the project was looked at for the first time.
    pub is_first_look: bool,
    /// Whether it is the default branch.
    pub is_default: bool,
    /// The build that there is of this commit, if there is one.
    pub built: Option<BuildId>,
}

/// What is done about a ref.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WatchDecision {
    /// It is built.
    Build,
    /// It was built before, as this.
    Built(BuildId),
    /// It is not, for this reason.
    Skip(String),
}

impl WatchRules {
    /// Whether they can be followed.
    pub fn check(&self) -> Result<(), WatchError> {
        for (what, patterns) in [("branches", &self.branches), ("tags", &self.tags)] {
            if patterns.len() > MAX_PATTERNS {
                return Err(WatchError::TooMany(what));
            }
            if let Some(bad) = patterns.iter().find(|pattern| matcher(pattern).is_none()) {
                let pattern = bad.chars().take(80).collect();
                return Err(WatchError::Pattern { what, pattern });
            }
        }
        if self.branches.is_empty() && self.tags.is_empty() {
            return Err(WatchError::Nothing);
        }
        if !POLL_SECONDS.contains(&self.poll_seconds) {
            return Err(WatchError::Poll);
        }
        if !(-100..=100).contains(&self.priority) {
            return Err(WatchError::Priority);
        }
        Ok(())
    }

    /// Whether a ref is one that is watched.
    pub fn watches(&self, name: &str) -> bool {
        let (patterns, short) =
            match (name.strip_prefix("refs/heads/"), name.strip_prefix("refs/tags/")) {
                (Some(short), _) => (&self.branches, short),
                (_, Some(short)) => (&self.tags, short),
                _ => return false,
            };
        patterns.iter().filter_map(|pattern| matcher(pattern)).any(|one| one.is_match(short))
    }

    /// What is done about a ref that is watched.
    pub fn decide(&self, noticed: &Noticed<'_>) -> WatchDecision {
        if noticed.commit.is_none() {
            return WatchDecision::Skip("it was deleted".to_owned());
        }
        if let Some(build) = noticed.built {
            return WatchDecision::Built(build);
        }
        // A repository with a thousand branches is no thousand builds on the day it is watched.
        if noticed.is_first_look && !noticed.is_default {
            return WatchDecision::Skip("it was there before the project was watched".to_owned());
        }
        WatchDecision::Build
    }
}

fn matcher(pattern: &str) -> Option<globset::GlobMatcher> {
    if pattern.is_empty() || pattern.len() > 256 || pattern.contains(char::is_control) {
        return None;
    }
    let glob = GlobBuilder::new(pattern).literal_separator(false).build().ok()?;
    Some(glob.compile_matcher())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn refs_are_watched_by_their_patterns() {
        let rules = WatchRules {
            branches: vec!["main".to_owned(), "release/*".to_owned()],
            tags: vec!["v[0-9]*".to_owned()],
            ..WatchRules::default()
        };
        for (name, is_watched) in [
            ("refs/heads/main", true),
            ("refs/heads/main2", false),
            ("refs/heads/release/1.2", true),
            ("refs/heads/release/1/2", true),
            ("refs/tags/v1", true),
            ("refs/tags/main", false),
            ("refs/pull/1/head", false),
            ("HEAD", false),
        ] {
            assert_eq!(rules.watches(name), is_watched, "{name}");
        }
        assert!(WatchRules::default().watches("refs/heads/a/b"));
        assert!(!WatchRules::default().watches("refs/tags/v1"));
    }

    #[test]
    fn each_ref_is_built_or_it_is_said_why_not() {
        let commit = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
        let build = BuildId::new(Timestamp::from_millis(1));
        let usual = Noticed {
            name: "refs/heads/main",
            commit: Some(&commit),
            is_first_look: false,
            is_default: false,
            built: None,
        };
        let rules = WatchRules::default();
        let built = rules.decide(&Noticed { built: Some(build), is_first_look: true, ..usual });
        assert_eq!(built, WatchDecision::Built(build));
        for (noticed, why) in [
            (usual, None),
            (Noticed { is_first_look: true, is_default: true, ..usual }, None),
            (Noticed { is_first_look: true, ..usual }, Some("before the project was watched")),
            (Noticed { commit: None, built: Some(build), ..usual }, Some("it was deleted")),
        ] {
            match (rules.decide(&noticed), why) {
                (WatchDecision::Build, None) => {}
                (WatchDecision::Skip(said), Some(why)) => assert!(said.contains(why), "{said}"),
                (decision, why) => panic!("{decision:?} {why:?}"),
            }
        }
    }

    #[test]
    fn rules_that_cannot_be_followed_are_refused() {
        let base = WatchRules::default();
        assert_eq!(base.check(), Ok(()));
        for bad in [
            WatchRules { branches: vec!["[".to_owned()], ..base.clone() },
            WatchRules { tags: vec![String::new()], ..base.clone() },
            WatchRules { branches: vec!["a".to_owned(); 65], ..base.clone() },
            WatchRules { branches: Vec::new(), ..base.clone() },
            WatchRules { poll_seconds: 9, ..base.clone() },
            WatchRules { priority: 101, ..base.clone() },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}

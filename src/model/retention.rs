//! How long builds and what belongs to them are kept: the rules, and what follows from them for one
//! build. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// The rules that count for a build. Nought days or builds mean: for ever, any number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetentionPolicy {
    /// After how many days a build goes with everything.
    pub build_days: u32,
    /// After how many days its artifacts go.
    pub artifact_days: u32,
    /// After how many days its logs go.
    pub log_days: u32,
    /// After how many days the tree goes that was uploaded for it, unless another build needs it.
    pub upload_days: u32,
    /// How many builds of one branch are kept, the newest.
    pub builds_per_branch: u32,
    /// Whether the newest success of each branch is kept whole.
    pub keep_last_success: bool,
    /// Whether builds of tags are kept whole.
    pub keep_tags: bool,
}

impl Default for RetentionPolicy {
    fn default() -> Self {
        Self {
            build_days: 365,
            artifact_days: 90,
            log_days: 180,
            upload_days: 90,
            builds_per_branch: 0,
            keep_last_success: true,
            keep_tags: true,
        }
    }
}

/// Rules as they are said: what is not said is as below them.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionRules {
    /// After how many days a build goes with everything; 0: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_days: Option<u32>,
    /// After how many days its artifacts go; 0: with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_days: Option<u32>,
    /// After how many days its logs go; 0: with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_days: Option<u32>,
    /// After how many days the tree goes that was uploaded for it; 0: with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_days: Option<u32>,
    /// How many builds of one branch are kept, the newest; 0: any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builds_per_branch: Option<u32>,
    /// Whether the newest success of each branch is kept whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_last_success: Option<bool>,
    /// Whether builds of tags are kept whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_tags: Option<bool>,
}

impl RetentionRules {
    /// These rules over others.
    pub fn over(&self, below: &RetentionPolicy) -> RetentionPolicy {
        RetentionPolicy {
            build_days: self.build_days.unwrap_or(below.build_days),
            artifact_days: self.artifact_days.unwrap_or(below.artifact_days),
            log_days: self.log_days.unwrap_or(below.log_days),
            upload_days: self.upload_days.unwrap_or(below.upload_days),
            builds_per_branch: self.builds_per_branch.unwrap_or(below.builds_per_branch),
            keep_last_success: self.keep_last_success.unwrap_or(below.keep_last_success),
            keep_tags: self.keep_tags.unwrap_or(below.keep_tags),
        }
    }
}

/// What is known of a finished build.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct BuildFacts {
    /// When its last job ended.
    pub finished_at: Timestamp,
    /// Whether somebody said that it stays.
    pub is_pinned: bool,
    /// Whether it is of a tag.
    pub is_tag: bool,
    /// Whether it is the newest success of its branch.
    pub is_last_success: bool,
    /// Whether as many of its branch as are kept are newer.
    pub is_beyond_count: bool,
    /// What of it has gone, or never was.
    pub gone: Parts,
}

/// Parts of a build that can go while it stays.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Parts {
    /// Its artifacts.
    pub artifacts: bool,
    /// Its logs.
    pub logs: bool,
    /// The tree that was uploaded for it.
    pub upload: bool,
}

impl Parts {
    /// The artifacts alone.
    pub const ARTIFACTS: Self = Self { artifacts: true, logs: false, upload: false };

    /// Those that are meant, each with its name and its rule.
    pub fn named(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let all = [
            (self.artifacts, "artifacts", "artifact_days"),
            (self.logs, "logs", "log_days"),
            (self.upload, "upload", "upload_days"),
        ];
        all.into_iter().filter(|(is, ..)| *is).map(|(_, what, rule)| (what, rule))
    }
}

/// What becomes of a build.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It stays as it is.
    Stays,
    /// It stays, without these.
    Shrinks(Parts),
    /// It goes with everything, by this rule.
    Goes(&'static str),
}

impl RetentionPolicy {
    /// What becomes of a build now.
    pub fn fate(&self, facts: &BuildFacts, now: Timestamp) -> Fate {
        let is_kept = facts.is_pinned
            || (self.keep_tags && facts.is_tag)
            || (self.keep_last_success && facts.is_last_success);
        if is_kept {
            return Fate::Stays;
        }
        let age = now.since(facts.finished_at);
        let is_over = |days: u32| days > 0 && age >= Duration::from_secs(u64::from(days) * 86_400);
        if is_over(self.build_days) {
            return Fate::Goes("build_days");
        }
        if self.builds_per_branch > 0 && facts.is_beyond_count {
            return Fate::Goes("builds_per_branch");
        }
        let parts = Parts {
            artifacts: !facts.gone.artifacts && is_over(self.artifact_days),
            logs: !facts.gone.logs && is_over(self.log_days),
            upload: !facts.gone.upload && is_over(self.upload_days),
        };
        if parts == Parts::default() { Fate::Stays } else { Fate::Shrinks(parts) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn facts() -> BuildFacts {
        BuildFacts {
            finished_at: Timestamp::from_millis(0),
            is_pinned: false,
            is_tag: false,
            is_last_success: false,
            is_beyond_count: false,
            gone: Parts { upload: true, ..Parts::default() },
        }
    }

    #[test]
    fn what_becomes_of_a_build_follows_from_its_age_and_what_keeps_it() {
        let policy = RetentionPolicy {
            build_days: 10,
            artifact_days: 3,
            log_days: 5,
            ..RetentionPolicy::default()
        };
        let fate =
            |days: i64, facts: BuildFacts| policy.fate(&facts, Timestamp::from_millis(days * DAY));
        let both = |artifacts, logs| Fate::Shrinks(Parts { artifacts, logs, upload: false });
        for (days, expected) in [
            (0, Fate::Stays),
            (2, Fate::Stays),
            (3, both(true, false)),
            (5, both(true, true)),
            (9, both(true, true)),
            (10, Fate::Goes("build_days")),
            (9_999, Fate::Goes("build_days")),
        ] {
            assert_eq!(fate(days, facts()), expected, "{days}");
        }
        assert_eq!(
            fate(4, BuildFacts { gone: Parts { upload: true, ..Parts::ARTIFACTS }, ..facts() }),
            Fate::Stays
        );
        let all = Parts { artifacts: true, logs: true, upload: true };
        let gone = BuildFacts { gone: all, ..facts() };
        assert_eq!(fate(9, gone), Fate::Stays);
        for kept in [
            BuildFacts { is_pinned: true, ..facts() },
            BuildFacts { is_tag: true, ..facts() },
            BuildFacts { is_last_success: true, ..facts() },
        ] {
            assert_eq!(fate(9_999, kept), Fate::Stays, "{kept:?}");
        }
        let beyond = BuildFacts { is_beyond_count: true, ..facts() };
        assert_eq!(fate(0, beyond), Fate::Stays, "any number");
    }

    #[test]
    fn counts_and_exceptions_are_as_the_rules_say() {
        let base = RetentionPolicy::default();
        let now = Timestamp::from_millis(DAY);
        let rules = RetentionRules { builds_per_branch: Some(5), ..RetentionRules::default() };
        let policy = rules.over(&base);
        let beyond = BuildFacts { is_beyond_count: true, ..facts() };
        assert_eq!(policy.fate(&beyond, now), Fate::Goes("builds_per_branch"));
        let tag = BuildFacts { is_tag: true, ..beyond };
        assert_eq!(policy.fate(&tag, now), Fate::Stays);
        let none = RetentionRules { keep_tags: Some(false), ..rules }.over(&base);
        assert_eq!(none.fate(&tag, now), Fate::Goes("builds_per_branch"));
        let ever = RetentionRules {
            build_days: Some(0),
            artifact_days: Some(0),
            log_days: Some(0),
            ..RetentionRules::default()
        };
        let late = Timestamp::from_millis(100_000 * DAY);
        assert_eq!(ever.over(&base).fate(&facts(), late), Fate::Stays);
        // A clock that was set back makes nothing old.
        let early = Timestamp::from_millis(-DAY);
        assert_eq!(base.fate(&facts(), early), Fate::Stays);
    }
}

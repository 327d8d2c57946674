//! What is built by itself: the rules of a watched project, and what follows from them for one ref. Pure.

use globset::GlobBuilder;
use serde::{Deserialize, Serialize};

use super::{
    ArtifactRules, BuildId, CommitId, QueueName, Recipe, Step, StepKind, StepName, ToolchainName,
};

/// The most patterns of one kind.
const MAX_PATTERNS: usize = 64;
/// What in a commit's message asks for no build, in any case of letters.
const SKIP: [&str; 4] = ["[skip ci]", "[ci skip]", "[no ci]", "[skip kiln]"];
/// How often a repository may be asked, and must be, in seconds.
pub const POLL_SECONDS: std::ops::RangeInclusive<u32> = 10..=86_400;

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
    /// Patterns of paths: a commit that changes none of them is not built. None means all.
    #[schema(max_items = 64)]
    pub paths: Vec<String>,
    /// Patterns of paths that do not count: a commit that changes nothing else is not built.
    #[schema(max_items = 64)]
    pub ignore_paths: Vec<String>,
    /// Which pull and merge requests into a watched branch are built; a webhook tells of them.
    pub pull_requests: PullRequests,
    /// The toolchains where the commit's `.kiln.toml` names none; none means the server's.
    #[schema(max_items = 64)]
    pub toolchains: Vec<ToolchainName>,
    /// The steps where the commit's `.kiln.toml` has none; none means that they are found out.
    #[schema(max_items = 32)]
    pub steps: Vec<WatchStep>,
    /// What is kept where the commit's `.kiln.toml` does not say.
    pub artifacts: ArtifactRules,
    /// The queue.
    #[schema(value_type = String)]
    pub queue: QueueName,
    /// Higher is earlier.
    #[schema(minimum = -100, maximum = 100)]
    pub priority: i32,
    /// How often the repository is asked, in seconds; default: as the server's settings say.
    #[schema(minimum = 10, maximum = 86_400)]
    pub poll_seconds: Option<u32>,
    /// Whether a newer commit ends the builds of older ones of its ref that have not ended.
    pub supersede: bool,
}

/// A step of a project's own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WatchStep {
    /// Its name; `configure`, `compile`, `test` and `install` say what kind it is.
    pub name: StepName,
    /// What `sh -c` runs in the source folder.
    pub run: String,
}

/// Which pull and merge requests are built.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PullRequests {
    /// None.
    None,
    /// Those from branches of the repository itself, which only its own people can make.
    #[default]
    Own,
    /// Also those from forks: anybody can have anything built then, without secrets and without
    /// changing the compiler cache.
    Forks,
}

impl PullRequests {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Own, Self::Forks];

    /// The policy as it is written in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Own => "own",
            Self::Forks => "forks",
        }
    }

    /// The policy that is written `text`.
    pub fn from_name(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == text)
    }
}

impl Default for WatchRules {
    fn default() -> Self {
        Self {
            branches: vec!["*".to_owned()],
            tags: Vec::new(),
            paths: Vec::new(),
            ignore_paths: Vec::new(),
            pull_requests: PullRequests::default(),
            toolchains: Vec::new(),
            steps: Vec::new(),
            artifacts: ArtifactRules::default(),
            queue: QueueName::default(),
            priority: 0,
            poll_seconds: None,
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
    /// A step that cannot be one, or what is kept.
    #[error(transparent)]
    Recipe(#[from] super::RecipeError),
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
    /// Where it comes from, if it is a pull or merge request.
    pub request: Option<MergeRequest<'a>>,
    /// What is new at the commit, once somebody has looked.
    pub news: Option<News<'a>>,
}

/// A pull or merge request.
#[derive(Clone, Copy, Debug)]
pub struct MergeRequest<'a> {
    /// The branch it is to go into, without `refs/heads/`.
    pub target: &'a str,
    /// Whether it comes from another repository.
    pub is_fork: bool,
}

/// What is new at a commit.
#[derive(Clone, Copy, Debug)]
pub struct News<'a> {
    /// What it says.
    pub message: &'a str,
    /// The paths that are not as they were; nothing if that is not known.
    pub paths: Option<&'a [String]>,
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
        for (what, patterns) in [
            ("branches", &self.branches),
            ("tags", &self.tags),
            ("paths", &self.paths),
            ("ignore_paths", &self.ignore_paths),
        ] {
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
        if self.poll_seconds.is_some_and(|seconds| !POLL_SECONDS.contains(&seconds)) {
            return Err(WatchError::Poll);
        }
        if !(-100..=100).contains(&self.priority) {
            return Err(WatchError::Priority);
        }
        self.recipe().validate()?;
        Ok(())
    }

    /// What builds do where neither the commit nor the submission says anything.
    pub fn recipe(&self) -> Recipe {
        let step = |step: &WatchStep| Step {
            name: step.name.clone(),
            kind: StepKind::of_name(&step.name),
            run: step.run.clone(),
        };
        Recipe {
            toolchains: self.toolchains.clone(),
            steps: self.steps.iter().map(step).collect(),
            artifacts: self.artifacts.clone(),
            ..Recipe::default()
        }
    }

    /// Whether it matters which paths a commit changes.
    pub fn minds_paths(&self) -> bool {
        !self.paths.is_empty() || !self.ignore_paths.is_empty()
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

    /// What is done about a ref that is watched. Without the commit's news, `Build` is no more than
    /// that nothing else speaks against it.
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
        if let Some(why) = noticed.request.and_then(|request| self.refuses(request)) {
            return WatchDecision::Skip(why);
        }
        let Some(news) = noticed.news else { return WatchDecision::Build };
        // Who tags a commit means that one.
        let is_tag = noticed.name.starts_with("refs/tags/");
        let said = news.message.to_ascii_lowercase();
        if let (false, Some(mark)) = (is_tag, SKIP.iter().find(|mark| said.contains(**mark))) {
            return WatchDecision::Skip(format!("its message says {mark}"));
        }
        if let (false, Some(paths)) = (is_tag, news.paths)
            && !self.counts_any(paths)
        {
            return WatchDecision::Skip("it changes no path that counts".to_owned());
        }
        WatchDecision::Build
    }

    fn refuses(&self, request: MergeRequest<'_>) -> Option<String> {
        if !self.watches(&format!("refs/heads/{}", request.target)) {
            return Some("it is to go into a branch that is not watched".to_owned());
        }
        let why = match (self.pull_requests, request.is_fork) {
            (PullRequests::None, _) => "pull requests of the project are not built",
            (PullRequests::Own, true) => "pull requests from forks are not built",
            (PullRequests::Own, false) | (PullRequests::Forks, _) => return None,
        };
        Some(why.to_owned())
    }

    fn counts_any(&self, changed: &[String]) -> bool {
        let all = |patterns: &[String]| patterns.iter().filter_map(|one| matcher(one)).collect();
        let (wanted, ignored): (Vec<_>, Vec<_>) = (all(&self.paths), all(&self.ignore_paths));
        let any = |matchers: &[globset::GlobMatcher], path: &str| {
            matchers.iter().any(|matcher| matcher.is_match(path))
        };
        let counts =
            |path: &String| (wanted.is_empty() || any(&wanted, path)) && !any(&ignored, path);
        !self.minds_paths() || changed.iter().any(counts)
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
            request: None,
            news: None,
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
    fn what_a_commit_says_and_changes_decides() {
        let commit = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
        let strings =
            |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let rules = |paths: &[&str], ignore: &[&str]| WatchRules {
            paths: strings(paths),
            ignore_paths: strings(ignore),
            ..WatchRules::default()
        };
        for (name, message, paths, ignore, changed, is_built) in [
            ("refs/heads/a", "one", &[][..], &[][..], Some(&["a.c"][..]), true),
            ("refs/heads/a", "docs [Skip CI]", &[], &[], Some(&["a.c"]), false),
            ("refs/heads/a", "subject\n\nwhy: [no ci]", &[], &[], None, false),
            ("refs/tags/a", "docs [skip ci]", &[], &[], None, true),
            ("refs/heads/a", "skip ci", &[], &[], None, true),
            ("refs/heads/a", "", &["src/**"], &[], Some(&["doc/a", "src/x/a.c"]), true),
            ("refs/heads/a", "", &["src/**"], &[], Some(&["doc/a"]), false),
            ("refs/heads/a", "", &["src/**"], &[], None, true),
            ("refs/heads/a", "", &[], &["doc/*", "*.md"], Some(&["doc/a", "README.md"]), false),
            ("refs/heads/a", "", &[], &["doc/*", "*.md"], Some(&["doc/a", "a.c"]), true),
            ("refs/heads/a", "", &["src/*"], &["*.md"], Some(&["src/a.md"]), false),
            ("refs/heads/a", "", &["src/*"], &["*.md"], Some(&["src/a.md", "src/a.c"]), true),
            // A commit that changes nothing, such as one that starts the same build again.
            ("refs/heads/a", "", &["src/*"], &[], Some(&[]), false),
            ("refs/heads/a", "", &[], &[], Some(&[]), true),
            ("refs/tags/a", "", &["src/*"], &[], Some(&["doc/a"]), true),
        ] {
            let changed = changed.map(strings);
            let noticed = Noticed {
                name,
                commit: Some(&commit),
                is_first_look: false,
                is_default: false,
                built: None,
                request: None,
                news: Some(News { message, paths: changed.as_deref() }),
            };
            let decision = rules(paths, ignore).decide(&noticed);
            assert_eq!(decision == WatchDecision::Build, is_built, "{noticed:?} {decision:?}");
        }
    }

    #[test]
    fn requests_are_built_as_far_as_the_project_says() {
        let commit = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
        for (policy, target, is_fork, why) in [
            (PullRequests::Own, "main", false, None),
            (PullRequests::Own, "main", true, Some("forks")),
            (PullRequests::Own, "other", false, Some("not watched")),
            (PullRequests::Forks, "main", true, None),
            (PullRequests::Forks, "other", true, Some("not watched")),
            (PullRequests::None, "main", false, Some("not built")),
        ] {
            let branches = vec!["main".to_owned()];
            let rules = WatchRules { branches, pull_requests: policy, ..WatchRules::default() };
            let noticed = Noticed {
                name: "refs/pull/1/head",
                commit: Some(&commit),
                is_first_look: false,
                is_default: false,
                built: None,
                request: Some(MergeRequest { target, is_fork }),
                news: None,
            };
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
            WatchRules { poll_seconds: Some(9), ..base.clone() },
            WatchRules { priority: 101, ..base.clone() },
            WatchRules { paths: vec!["[".to_owned()], ..base.clone() },
            WatchRules { ignore_paths: vec![String::new()], ..base.clone() },
            WatchRules {
                steps: vec![WatchStep { name: "compile".parse().unwrap(), run: String::new() }],
                ..base.clone()
            },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}

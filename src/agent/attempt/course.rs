//! The tries of one leg: what is run now, what may still be, and when there is another.
//!
//! Each try has a session of its own, so that nothing half-made of the one before is in its way.

use std::{collections::VecDeque, fmt::Write as _, time::Duration};

use super::{
    caching::Cached,
    context::Context,
    leg::Leg,
    next::{self, Failure},
    tries::{Tried, Try},
    trouble::Trouble,
};
use crate::{
    agent::{ports::Inspection, verdict::Judged},
    builder::{self, Candidate, Choice, EntryType, JobFacts, Plan, Selector, System},
    diagnostics::SourceTree,
    model::Environment,
    sandbox::{EntryKind, Session, WorkspaceEntry},
};

/// What decides about tries.
#[derive(Debug)]
pub(super) struct Course {
    /// The files of the source.
    tree: SourceTree,
    choice: Choice,
    others: VecDeque<Choice>,
    /// Whether make is to run one job at a time.
    one_job: bool,
    first_step: u16,
    ran: Duration,
    /// What became of the systems before.
    before: Vec<String>,
}

impl Course {
    /// Begins with the first choice.
    pub(super) fn new(plan: Plan, tree: SourceTree) -> Self {
        Self {
            tree,
            choice: plan.first,
            others: plan.others.into(),
            one_job: false,
            first_step: 0,
            ran: Duration::ZERO,
            before: Vec::new(),
        }
    }

    /// The environment of the steps that come next.
    pub(super) fn environment(&self, facts: JobFacts<'_>, leg: Leg<'_>) -> Environment {
        let mut system = self.choice.env.clone();
        if self.one_job {
            system.insert("MAKEFLAGS".to_owned(), "-j1".to_owned());
        }
        builder::environment(facts, &system, &leg.recipe.env)
    }

    /// How many steps the log has when those that come next have run.
    pub(super) fn step_count(&self) -> u32 {
        let next = u32::try_from(self.choice.steps.len()).unwrap_or(u32::MAX);
        next.saturating_add(self.first_step.into())
    }

    /// What comes next.
    pub(super) fn next<'a>(
        &'a self,
        leg: Leg<'a>,
        env: &'a Environment,
        cache: Option<&Cached>,
    ) -> Try<'a> {
        Try {
            cache_bytes: cache.map(Cached::most),
            leg,
            steps: &self.choice.steps,
            env,
            tree: &self.tree,
            first_step: self.first_step,
            ran_before: self.ran,
        }
    }

    /// Whether there is another try, which `next` then gives; says why in the log.
    pub(super) async fn goes_on(
        &mut self,
        (cx, leg, found): (&Context, Leg<'_>, &Inspection),
        session: &mut dyn Session,
        tried: &Tried,
    ) -> Result<bool, Trouble> {
        self.ran = tried.ran;
        if cx.ending.is_stopped() || tried.exit.oom_killed {
            return Ok(false);
        }
        let most = usize::try_from(leg.limits.workspace_files).unwrap_or(usize::MAX);
        let line = if tried.judged.is_success() {
            if !self.may_have_made_nothing(leg) || makes(leg, found, &session.list(most).await?) {
                return Ok(false);
            }
            self.other("it succeeded and made nothing", &tried.judged)
        } else {
            let Some(failure) = self.failure(tried) else { return Ok(false) };
            if let Some(why) = next::own_reason(&failure) {
                self.other(why, &tried.judged)
            } else if let Some(file) = next::missed_file(&failure).filter(|_| self.may_race(leg)) {
                let entries = session.list(most).await?;
                let was_made = entries.iter().any(|entry| {
                    entry.kind == EntryKind::File
                        && next::is_it(&file, &entry.path)
                        && !found.listing.contains(&entry.path)
                });
                was_made.then(|| self.alone(&file))
            } else {
                None
            }
        };
        let Some(line) = line else { return Ok(false) };
        self.first_step = self.first_step.saturating_add(tried.told.started);
        cx.log.say(line).await;
        Ok(true)
    }

    /// The judgment with what became of the systems before, and with the submodules that may be
    /// the reason.
    pub(super) fn judgment(&self, judged: Judged, found: &Inspection) -> Judged {
        if judged.is_success() {
            return judged;
        }
        let mut message = judged.message;
        let absent = found.left_out.iter().chain(&found.missing);
        let named: Vec<&str> =
            absent.map(String::as_str).filter(|one| names(&message, one)).collect();
        if !named.is_empty() {
            message.push_str("; this is a submodule that is not in the tree: ");
            message.push_str(&named.join(", "));
        }
        if !self.before.is_empty() {
            let _ = write!(message, " (before that, {})", self.before.join("; "));
        }
        Judged { message, ..judged }
    }

    fn failure<'a>(&self, tried: &'a Tried) -> Option<Failure<'a>> {
        let (index, _) = tried.told.failed?;
        let index = usize::from(index);
        Some(Failure {
            judged: &tried.judged,
            system: self.choice.system,
            kind: self.choice.steps.get(index)?.kind,
            status: tried.exit.code,
            said: &tried.told.diagnostics.get(index)?.summary,
        })
    }

    /// Takes the next system, if there is one.
    fn other(&mut self, why: &str, judged: &Judged) -> Option<String> {
        let other = self.others.pop_front()?;
        let old = std::mem::replace(&mut self.choice, other);
        let message = if judged.is_success() { "made nothing" } else { &judged.message };
        self.before.push(format!("{}: {message}", old.system));
        self.one_job = false;
        Some(format!(
            "{} does not work here: {why}. The tree has something else, so once more from the \
             beginning. {}",
            old.system, self.choice.reason
        ))
    }

    /// Takes the same again with one job at a time.
    fn alone(&mut self, file: &str) -> String {
        self.one_job = true;
        format!(
            "{} was not there when it was needed, and was made a moment later: the Makefile does \
             not say what needs it. Once more from the beginning, with one job at a time (-j1)",
            file.trim_end_matches('.')
        )
    }

    fn may_race(&self, leg: Leg<'_>) -> bool {
        !self.one_job && leg.limits.parallelism() > 1 && !leg.recipe.env.0.contains_key("MAKEFLAGS")
    }

    /// Makefiles and scripts that people wrote may only tell what to do first, and succeed.
    fn may_have_made_nothing(&self, leg: Leg<'_>) -> bool {
        let rules = &leg.recipe.artifacts;
        !self.others.is_empty()
            && matches!(self.choice.system, System::Make | System::Configure)
            && rules.include.is_empty()
            && rules.required.is_empty()
    }
}

/// Whether a message names a submodule, given as its path and maybe a reason in parentheses.
fn names(message: &str, submodule: &str) -> bool {
    let path = submodule.split(" (").next().unwrap_or(submodule);
    !path.is_empty() && message.contains(path)
}

/// Whether the build made a program or a library, as far as names and modes tell.
fn makes(leg: Leg<'_>, found: &Inspection, entries: &[WorkspaceEntry]) -> bool {
    let Ok(selector) = Selector::new(&leg.recipe.artifacts) else { return true };
    let candidates = entries.iter().map(|entry| Candidate {
        path: &entry.path,
        kind: if entry.kind == EntryKind::File { EntryType::File } else { EntryType::Other },
        mode: entry.mode,
    });
    !selector.select(|path| found.listing.contains(path), candidates).likely.is_empty()
}

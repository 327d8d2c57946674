//! kiln's own lines in a log: what was fetched, what it runs in, what is not as usual. Short facts.

use std::time::Duration;

use crate::{
    agent::{
        ports::{Inspection, PinnedToolchain, Received},
        verdict::{Judged, size},
    },
    model::{Limits, Step, StepName, ToolchainName},
    protocol::{ClaimedSecret, ClaimedSecrets, ClaimedSource},
    source::Submodules,
};

/// How many names a line shows.
const SHOWN: usize = 5;

/// What was fetched.
pub(super) fn fetched(source: &ClaimedSource, received: Received, took: Duration) -> String {
    let how = if received.from_cache {
        "already here".to_owned()
    } else {
        format!("{} received", size(received.bytes))
    };
    format!("Source: {source}, {how}, {}", seconds(took))
}

/// What it runs in.
pub(super) fn toolchain(name: &ToolchainName, pinned: &PinnedToolchain) -> String {
    format!("Toolchain: {name}, {}, image {}", pinned.compiler, short(&pinned.image.0))
}

/// Which secrets it gets, which it does not and why, and which nobody gets.
pub(super) fn secrets(secrets: &ClaimedSecrets, steps: &[Step]) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(why) = &secrets.withheld {
        lines.push(format!("Secrets: none for this build, because {why}"));
    }
    let has = |name: &StepName| steps.iter().any(|step| step.name == *name);
    let of = |secret: &ClaimedSecret| {
        let names: Vec<_> = secret.steps.iter().map(StepName::as_str).collect();
        if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
    };
    let is_used = |secret: &&ClaimedSecret| secret.steps.is_empty() || secret.steps.iter().any(has);
    let (used, unused): (Vec<_>, Vec<_>) = secrets.given.iter().partition(is_used);
    for (what, list) in
        [("Secrets", used), ("Secrets for steps that this build does not have", unused)]
    {
        if !list.is_empty() {
            let names = list.iter().map(|secret| format!("{}{}", secret.name, of(secret)));
            lines.push(format!("{what}: {}", names.collect::<Vec<_>>().join(", ")));
        }
    }
    lines
}

/// What was there of a compiler cache.
pub(super) fn cache_loaded(bytes: u64, took: Duration) -> String {
    format!("Compiler cache: {} brought in, {}", size(bytes), seconds(took))
}

/// What a compiler cache was good for.
pub(super) fn cache_used(hits: u64, misses: u64) -> String {
    let all = hits + misses;
    let share = hits.saturating_mul(100) / all.max(1);
    format!("Compiler cache: {hits} of {all} compilations came from it ({share} %)")
}

/// An image's id, as short as engines show it.
pub(super) fn short(image: &str) -> &str {
    let image = image.strip_prefix("sha256:").unwrap_or(image);
    image.get(..12).unwrap_or(image)
}

/// An age for people.
pub(super) fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// Which submodules are not there, and why: one line for each reason.
pub(super) fn submodules(wish: Submodules, found: &Inspection) -> Vec<String> {
    let left_out = match wish {
        Submodules::LeftOut => "Submodules left out (submodules = true in .kiln.toml fetches them)",
        Submodules::IfPossible | Submodules::Fetched => {
            "Submodules left out (.gitmodules says no URL for them)"
        }
    };
    let missing = "Submodules that could not be fetched, their folders are empty";
    [(left_out, &found.left_out), (missing, &found.missing)]
        .into_iter()
        .filter_map(|(what, names)| Some(format!("{what}: {}", some_of(names)?)))
        .collect()
}

/// What version scripts will not find.
pub(super) fn history(problem: &str) -> String {
    format!("Version scripts may find no tag: {problem}")
}

/// A failure, with what may be behind it.
pub(super) fn for_want_of(judged: Judged, missing: &[String]) -> Judged {
    match some_of(missing) {
        Some(names) if !judged.is_success() => {
            let message = format!("{}; without submodules {names}", judged.message);
            Judged { message, ..judged }
        }
        _ => judged,
    }
}

/// The first of some names; none if there are none.
fn some_of(names: &[String]) -> Option<String> {
    let (first, more) = names.split_at(names.len().min(SHOWN));
    let more = match more.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!first.is_empty()).then(|| format!("{}{more}", first.join(", ")))
}

/// The bounds that are not the default ones; none if all are.
pub(super) fn limits(limits: &Limits) -> Option<String> {
    let value = |limits: &Limits| serde_json::to_value(limits).unwrap_or_default();
    let (given, usual) = (value(limits), value(&Limits::default()));
    let given = given.as_object()?;
    let differ: Vec<String> = given
        .iter()
        .filter(|(name, value)| usual.get(name.as_str()) != Some(value))
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    (!differ.is_empty()).then(|| format!("Limits: {}", differ.join(", ")))
}

/// How it ended.
pub(super) fn ended(judged: &Judged, took: Duration) -> String {
    match judged.verdict.cause() {
        None => format!("Success, {}", seconds(took)),
        Some(cause) => {
            let outcome = cause.outcome();
            format!(
                "{} ({cause}), {}: {}",
                capital(outcome.as_str()),
                seconds(took),
                judged.message
            )
        }
    }
}

/// A time for people.
pub(super) fn seconds(time: Duration) -> String {
    match time.as_millis() {
        millis @ 0..1_000 => format!("{millis} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

fn capital(word: &str) -> String {
    let (first, rest) = word.split_at(word.len().min(1));
    first.to_ascii_uppercase() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Cause;

    #[test]
    fn lines_say_what_is_not_as_usual_and_nothing_else() {
        assert_eq!(limits(&Limits::default()), None);
        let tight = Limits { wall_seconds: 60, processes: 9, ..Limits::default() };
        assert_eq!(limits(&tight).unwrap(), "Limits: processes = 9, wall_seconds = 60");
        assert_eq!(some_of(&[]), None);
        let names: Vec<String> = (0..7).map(|n| format!("lib/{n}")).collect();
        assert!(some_of(&names).unwrap().ends_with("lib/3, lib/4 and 2 more"));
    }

    #[test]
    fn the_last_line_says_how_it_ended() {
        let took = Duration::from_millis(3_240);
        assert_eq!(ended(&Judged::SUCCESS, took), "Success, 3.2 s");
        let judged = Judged::failed(Cause::WallTime, "ran longer than 3 s");
        assert_eq!(ended(&judged, took), "Timeout (wall_time), 3.2 s: ran longer than 3 s");
    }
}

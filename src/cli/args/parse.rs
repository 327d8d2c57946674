//! Values that only the command line writes this way.

use std::collections::BTreeMap;

use crate::{
    cli::CliError,
    model::{Outcome, PullRequests, Role, Stream, TargetKind},
    protocol::{BuildState, SeverityFilter},
};

/// `NAME=VALUE`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it NAME=VALUE".to_owned()),
    }
}

/// Variables that were given one by one.
pub(super) fn variables(pairs: &[(String, String)]) -> Result<BTreeMap<String, String>, CliError> {
    let mut all = BTreeMap::new();
    for (name, value) in pairs {
        if all.insert(name.clone(), value.clone()).is_some() {
            return Err(CliError::Usage(format!("--env {name} is given twice")));
        }
    }
    Ok(all)
}

/// A time such as `90s`, `20m` or `1h`, in seconds.
pub(super) fn seconds(text: &str) -> Result<u32, String> {
    let (number, unit) = text.split_at(text.len() - usize::from(text.ends_with(['s', 'm', 'h'])));
    let factor = match unit {
        "h" => 3600,
        "m" => 60,
        _ => 1,
    };
    let seconds = number.parse::<u32>().ok().and_then(|number| number.checked_mul(factor));
    seconds
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| "write a time such as 90s, 20m or 1h".to_owned())
}

/// The same, and `30d`.
pub(super) fn days_or_seconds(text: &str) -> Result<u64, String> {
    let Some(days) = text.strip_suffix('d') else {
        return seconds(text).map(u64::from).map_err(|_| "write a time such as 24h or 30d".into());
    };
    let days = days.parse::<u32>().ok().filter(|days| *days > 0);
    days.map(|days| u64::from(days) * 24 * 3600)
        .ok_or_else(|| "write a time such as 24h or 30d".to_owned())
}

/// A role.
pub(super) fn role(text: &str) -> Result<Role, String> {
    Role::from_name(text).ok_or_else(|| {
        let all = Role::ALL.map(Role::as_str).join(", ");
        match text {
            "agent" => format!("roles are {all}; agents are let in by `kiln agents enroll`"),
            _ => format!("roles are {all}"),
        }
    })
}

/// Which pull requests are built.
pub(super) fn pull_requests(text: &str) -> Result<PullRequests, String> {
    let all = PullRequests::ALL.map(PullRequests::as_str).join(", ");
    PullRequests::from_name(text).ok_or_else(|| format!("there are {all}"))
}

/// Whom a project tells.
pub(super) fn target_kind(text: &str) -> Result<TargetKind, String> {
    let all = TargetKind::ALL.map(TargetKind::as_str).join(", ");
    TargetKind::from_name(text).ok_or_else(|| format!("there are {all}"))
}

/// Which diagnostics.
pub(super) fn severity(text: &str) -> Result<SeverityFilter, String> {
    match text {
        "error" => Ok(SeverityFilter::Error),
        "warning" => Ok(SeverityFilter::Warning),
        _ => Err("there are error and warning".to_owned()),
    }
}

/// A build's state.
pub(super) fn state(text: &str) -> Result<BuildState, String> {
    let all = BuildState::ALL;
    all.into_iter()
        .find(|state| state.as_str() == text)
        .ok_or_else(|| format!("states are {}", all.map(BuildState::as_str).join(", ")))
}

/// An outcome.
pub(super) fn outcome(text: &str) -> Result<Outcome, String> {
    Outcome::from_name(text)
        .ok_or_else(|| "outcomes are success, failure, error, timeout, cancelled".to_owned())
}

/// One of the two pipes of a build.
pub(super) fn stream(text: &str) -> Result<Stream, String> {
    match text {
        "stdout" => Ok(Stream::Stdout),
        "stderr" => Ok(Stream::Stderr),
        _ => Err("streams are stdout and stderr".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_or_are_seconds() {
        for (text, expected) in [("90", 90), ("90s", 90), ("20m", 1200), ("2h", 7200)] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for bad in ["", "s", "0", "0m", "-1", "1d", "1.5h", "99999999h", "é"] {
            assert!(seconds(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_value_may_contain_an_equals_sign() {
        assert_eq!(pair("A=-O=2"), Ok(("A".to_owned(), "-O=2".to_owned())));
        assert!(pair("A").is_err() && pair("=x").is_err());
    }
}

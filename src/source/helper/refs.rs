//! Which commit a name means, among the refs that a remote advertises.
//!
//! A short name is looked for where git looks: as a branch, then as a tag (the commit behind an
//! annotated one), then as a full name.

use std::collections::BTreeMap;

use super::wire::{Failure, FailureKind, Wanted};
use crate::source::error::foreign;

/// One advertised ref.
#[derive(Debug, Clone, Copy)]
pub(super) struct Advertised<'a> {
    pub(super) name: &'a str,
    pub(super) id: &'a str,
    pub(super) target: Option<&'a str>,
}

/// The name and id of the ref that is wanted.
pub(super) fn find(
    refs: &[Advertised<'_>],
    wanted: &Wanted,
) -> Result<(Option<String>, String), Failure> {
    if refs.is_empty() {
        return Err(Failure::new(FailureKind::UnknownRef, "the repository is empty"));
    }
    let id_of = |name: &str| refs.iter().find(|one| one.name == name).map(|one| one.id.to_owned());
    let name = match wanted {
        Wanted::Ref(name) if name != "HEAD" => name,
        _ => return head(refs),
    };
    let candidates = [format!("refs/heads/{name}"), format!("refs/tags/{name}"), name.clone()];
    for full in candidates {
        if !full.starts_with("refs/") {
            continue;
        }
        if let Some(id) = id_of(&format!("{full}^{{}}")).or_else(|| id_of(&full)) {
            return Ok((Some(full), id));
        }
    }
    Err(Failure::new(FailureKind::UnknownRef, unknown(refs, name)))
}

/// Every branch and tag with its commit, the one behind an annotated tag; and the default branch.
pub(super) fn all(refs: &[Advertised<'_>]) -> (Vec<(String, String)>, Option<String>) {
    let mut found: BTreeMap<&str, &str> = BTreeMap::new();
    for one in refs {
        let name = one.name.strip_suffix("^{}").unwrap_or(one.name);
        if name.starts_with("refs/heads/") || name.starts_with("refs/tags/") {
            let is_behind = name.len() < one.name.len();
            if is_behind || !found.contains_key(name) {
                found.insert(name, one.id);
            }
        }
    }
    let default = head(refs).ok().and_then(|(name, _)| name);
    let owned = |(name, id): (&str, &str)| (name.to_owned(), id.to_owned());
    (found.into_iter().map(owned).collect(), default)
}

fn head(refs: &[Advertised<'_>]) -> Result<(Option<String>, String), Failure> {
    let Some(head) = refs.iter().find(|one| one.name == "HEAD") else {
        let text = "the repository has no default branch: name a branch or tag as `ref`";
        return Err(Failure::new(FailureKind::UnknownRef, text));
    };
    let same = |one: &&Advertised<'_>| one.id == head.id && one.name.starts_with("refs/heads/");
    let guess = || refs.iter().find(same).map(|one| one.name);
    Ok((head.target.or_else(guess).map(str::to_owned), head.id.to_owned()))
}

/// Refs that are looked at for near names: enough for people, and bounded for everyone else.
const MAX_COMPARED: usize = 20_000;
/// Near names that are shown.
const MAX_SHOWN: usize = 5;

fn unknown(refs: &[Advertised<'_>], wanted: &str) -> String {
    let short = |name: &str| -> Option<String> {
        let name = name.strip_prefix("refs/heads/").or_else(|| name.strip_prefix("refs/tags/"))?;
        (!name.ends_with("^{}")).then(|| name.to_owned())
    };
    let mut near: Vec<(usize, String)> = refs
        .iter()
        .take(MAX_COMPARED)
        .filter_map(|one| short(one.name))
        .filter_map(|name| Some((distance(wanted, &name)?, name)))
        .collect();
    near.sort();
    near.dedup();
    let shown: Vec<_> = near.iter().take(MAX_SHOWN).map(|(_, name)| foreign(name)).collect();
    let wanted = foreign(wanted);
    if shown.is_empty() {
        format!("the repository has no branch or tag {wanted}")
    } else {
        format!("the repository has no branch or tag {wanted}; near it: {}", shown.join(", "))
    }
}

/// How far two names are apart; none if they have nothing to do with each other.
fn distance(wanted: &str, name: &str) -> Option<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (
        wanted.to_lowercase().chars().take(64).collect(),
        name.to_lowercase().chars().take(64).collect(),
    );
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(diagonal + 1).min(row[j] + 1);
        }
    }
    let edits = row[b.len()];
    let contains = wanted.len() >= 3 && name.to_lowercase().contains(&wanted.to_lowercase());
    (edits <= 2.max(a.len() / 3) || contains).then_some(edits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFS: &[Advertised<'_>] = &[
        Advertised { name: "HEAD", id: "1", target: Some("refs/heads/main") },
        Advertised { name: "refs/heads/main", id: "1", target: None },
        Advertised { name: "refs/heads/both", id: "2", target: None },
        Advertised { name: "refs/heads/feature/x", id: "3", target: None },
        Advertised { name: "refs/tags/both", id: "4", target: None },
        Advertised { name: "refs/tags/v1.0", id: "5", target: None },
        Advertised { name: "refs/tags/v1.0^{}", id: "6", target: None },
        Advertised { name: "refs/pull/7/head", id: "7", target: None },
    ];

    #[test]
    fn names_are_looked_for_where_git_looks() {
        for (wanted, name, id) in [
            (Wanted::Default, "refs/heads/main", "1"),
            (Wanted::Ref("HEAD".into()), "refs/heads/main", "1"),
            (Wanted::Ref("main".into()), "refs/heads/main", "1"),
            (Wanted::Ref("both".into()), "refs/heads/both", "2"),
            (Wanted::Ref("refs/tags/both".into()), "refs/tags/both", "4"),
            (Wanted::Ref("feature/x".into()), "refs/heads/feature/x", "3"),
            (Wanted::Ref("v1.0".into()), "refs/tags/v1.0", "6"),
            (Wanted::Ref("refs/pull/7/head".into()), "refs/pull/7/head", "7"),
        ] {
            assert_eq!(find(REFS, &wanted), Ok((Some(name.to_owned()), id.to_owned())));
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_near_ones() {
        for (wanted, near) in [
            ("mian", "; near it: main"),
            ("v1.1", "; near it: v1.0"),
            ("feature", "; near it: feature/x"),
            ("zzzzzzzzz", ""),
            ("pull/7/head", ""),
        ] {
            let error = find(REFS, &Wanted::Ref(wanted.into())).unwrap_err();
            assert_eq!(error.kind, FailureKind::UnknownRef);
            let text = format!("the repository has no branch or tag {wanted}{near}");
            assert_eq!(error.text, text);
        }
        assert_eq!(find(&[], &Wanted::Default).unwrap_err().text, "the repository is empty");
    }
}

//! Tags: those of a mirror, and what they stand for.

use std::collections::BTreeSet;

use git2::{ObjectType, Odb, Oid, Reference, Repository};

/// Where a mirror keeps the tags of its remote.
pub(super) const IN_MIRROR: &str = "refs/kiln-tags/";
/// The largest tag object that is read, in bytes.
const MAX_TAG_OBJECT: usize = 1 << 20;
/// Tags of tags that are followed.
const MAX_NESTED: usize = 4;
/// The longest name of a tag that is passed on, in bytes.
const MAX_NAME: usize = 200;

/// A tag of a commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Tag {
    /// Without `refs/tags/`.
    pub(super) name: String,
    /// What its ref points to.
    pub(super) id: Oid,
    pub(super) commit: Oid,
    /// The tag objects between; none for one without a message.
    pub(super) objects: Vec<Oid>,
}

/// The full name of a tag, if it is one that git takes.
pub(super) fn full_name(name: &str) -> Option<String> {
    let full = format!("refs/tags/{name}");
    // Git takes them as they are, but scripts put them into file names and command lines.
    let is_plain = name.len() <= MAX_NAME && !name.starts_with('-');
    (is_plain && Reference::is_valid_name(&full)).then_some(full)
}

/// The tags in a mirror that lead to a commit which is there, in the order of their names.
pub(super) fn of_mirror(repository: &Repository, odb: &Odb<'_>) -> Vec<Tag> {
    let Ok(found) = repository.references_glob(&format!("{IN_MIRROR}*")) else { return Vec::new() };
    let tags = found.flatten().filter_map(|reference| {
        let name = reference.name().ok()?.strip_prefix(IN_MIRROR)?.to_owned();
        full_name(&name)?;
        let id = reference.target()?;
        let (commit, objects) = peel(odb, id)?;
        Some(Tag { name, id, commit, objects })
    });
    let mut tags: Vec<Tag> = tags.collect();
    tags.sort_by(|a, b| a.name.cmp(&b.name));
    tags
}

/// Forgets the tags that are not among `names`, which are without `refs/tags/`.
pub(super) fn keep_only(repository: &Repository, names: &BTreeSet<&str>) {
    let Ok(found) = repository.references_glob(&format!("{IN_MIRROR}*")) else { return };
    for mut reference in found.flatten() {
        let is_kept = reference
            .name()
            .ok()
            .and_then(|name| name.strip_prefix(IN_MIRROR))
            .is_some_and(|name| names.contains(name));
        if !is_kept {
            // One that stays is only a tag that was moved away: the next fetch tries again.
            let _ = reference.delete();
        }
    }
}

/// The commit behind a tag, with the tag objects that lead to it.
fn peel(odb: &Odb<'_>, id: Oid) -> Option<(Oid, Vec<Oid>)> {
    let (mut at, mut objects) = (id, Vec::new());
    for _ in 0..=MAX_NESTED {
        let (size, kind) = odb.read_header(at).ok()?;
        match kind {
            ObjectType::Commit => return Some((at, objects)),
            ObjectType::Tag if size <= MAX_TAG_OBJECT => objects.push(at),
            _ => return None,
        }
        let object = odb.read(at).ok()?;
        let target = object.data().strip_prefix(b"object ")?.get(..40)?;
        at = Oid::from_str(str::from_utf8(target).ok()?).ok()?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_git_or_a_shell_could_trip_over_are_left_out() {
        for name in ["v1.0", "release/2", "ünïcode", "a$b", "v1+rc"] {
            assert_eq!(full_name(name), Some(format!("refs/tags/{name}")));
        }
        let long = "n".repeat(300);
        for name in ["", "../../config", "a..b", "a b", "a\nb", "-rf", "x.lock", "a~1", &long] {
            assert_eq!(full_name(name), None, "{name:?}");
        }
    }
}

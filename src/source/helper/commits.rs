//! The history behind a commit, and how much of it `git describe` needs.
//!
//! Describe counts the commits that the nearest tag does not have. With its history cut off it
//! counts what is left, so the cut must be where that makes no difference: every commit at which
//! history ends has to be one that the tag has, too. Then what is below is the tag's as well, and
//! no tag down there can be nearer.

use std::collections::{HashMap, VecDeque};

use git2::{Odb, Oid};

/// The most commits that are looked at: their numbers are held in memory.
const MAX_COMMITS: usize = 50_000;
/// The largest commit object that is read, in bytes.
const MAX_COMMIT_OBJECT: usize = 1 << 20;
/// The nearest tags that are compared with each other: git itself looks at ten.
const MAX_COMPARED: usize = 32;

/// Commits reachable from one, by their distance from it.
#[derive(Debug, Default)]
pub(super) struct History {
    nodes: Vec<Node>,
    by_id: HashMap<Oid, usize>,
}

#[derive(Debug)]
struct Node {
    id: Oid,
    /// The fewest steps from the first commit.
    level: u32,
    /// Those that are here.
    parents: Vec<usize>,
    /// Whether some are not.
    is_cut: bool,
}

/// As much of a history as is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// Its commits, the nearest first.
    pub(super) commits: Vec<Oid>,
    /// Those whose parents are not shown.
    pub(super) shallow: Vec<Oid>,
}

impl History {
    /// Reads what there is of the history of `head`.
    pub(super) fn read(odb: &Odb<'_>, head: Oid) -> Self {
        Self::new(head, |id| parents(odb, id))
    }

    /// `parents` gives none for a commit that is not there.
    fn new(head: Oid, parents: impl Fn(Oid) -> Option<Vec<Oid>>) -> Self {
        let mut history = Self::default();
        let Some(first) = parents(head) else { return history };
        history.push(head, 0);
        let mut waiting = VecDeque::from([(0, first)]);
        while let Some((index, ids)) = waiting.pop_front() {
            for id in ids {
                let known = history.by_id.get(&id).copied();
                let parent = known.or_else(|| {
                    let above = (history.nodes.len() < MAX_COMMITS).then(|| parents(id))??;
                    let new = history.push(id, history.nodes[index].level + 1);
                    waiting.push_back((new, above));
                    Some(new)
                });
                match parent {
                    Some(parent) => history.nodes[index].parents.push(parent),
                    None => history.nodes[index].is_cut = true,
                }
            }
        }
        history
    }

    fn push(&mut self, id: Oid, level: u32) -> usize {
        let index = self.nodes.len();
        self.nodes.push(Node { id, level, parents: Vec::new(), is_cut: false });
        self.by_id.insert(id, index);
        index
    }

    /// Whether a commit is a part of it.
    pub(super) fn contains(&self, id: Oid) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Those of `ids` that are a part of it, the nearest first.
    pub(super) fn nearest(&self, ids: impl IntoIterator<Item = Oid>) -> Vec<Oid> {
        let mut found: Vec<usize> =
            ids.into_iter().filter_map(|id| self.by_id.get(&id).copied()).collect();
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|index| self.nodes[index].id).collect()
    }

    /// Whether all of it is needed and there is more: nothing in it is enough for describe.
    pub(super) fn is_too_short(&self, tags: &[Oid]) -> bool {
        let levels = self.levels();
        !self.is_enough(levels, tags)
    }

    /// As little as gives the same answers as the whole, as far as the whole is here.
    pub(super) fn shown(&self, tags: &[Oid]) -> Shown {
        let levels = self.levels();
        let mut most = 1;
        while most < levels && !self.is_enough(most, tags) {
            most *= 2;
        }
        self.cut(most.min(levels))
    }

    /// All that is here.
    pub(super) fn all(&self) -> Shown {
        self.cut(self.levels())
    }

    /// Only the first commit.
    pub(super) fn head(&self) -> Shown {
        self.cut(1)
    }

    fn levels(&self) -> u32 {
        // They are in the order of their level.
        self.nodes.last().map_or(0, |node| node.level + 1)
    }

    fn cut(&self, levels: u32) -> Shown {
        let count = self.count(levels);
        let shallow = (0..count).filter(|&index| self.ends_at(index, count));
        Shown {
            shallow: shallow.map(|index| self.nodes[index].id).collect(),
            commits: self.nodes[..count].iter().map(|node| node.id).collect(),
        }
    }

    fn count(&self, levels: u32) -> usize {
        self.nodes.partition_point(|node| node.level < levels)
    }

    /// Whether history ends at a commit when so many are shown: git then takes it for one without
    /// parents, also if some of them are shown.
    fn ends_at(&self, index: usize, count: usize) -> bool {
        let node = &self.nodes[index];
        node.is_cut || node.parents.iter().any(|&parent| parent >= count)
    }

    fn is_enough(&self, levels: u32, tags: &[Oid]) -> bool {
        let count = self.count(levels);
        let ends: Vec<usize> = (0..count).filter(|&index| self.ends_at(index, count)).collect();
        if ends.is_empty() {
            return true;
        }
        let mut tagged: Vec<usize> = tags
            .iter()
            .filter_map(|id| self.by_id.get(id).copied())
            .filter(|&index| index < count)
            .collect();
        tagged.sort_unstable();
        let reached = tagged.iter().take(MAX_COMPARED).map(|&tag| self.reached(tag, count));
        // Of what is cut off, one can only be taken for nearer than it is: if the nearest is exact
        // then it is the nearest.
        let nearest = reached.max_by_key(|has| has.iter().filter(|&&has| has).count());
        nearest.is_some_and(|has| ends.iter().all(|&end| has[end]))
    }

    /// The commits that can be reached from one of them.
    fn reached(&self, from: usize, count: usize) -> Vec<bool> {
        let mut has = vec![false; count];
        let mut stack = vec![from];
        while let Some(index) = stack.pop() {
            if !std::mem::replace(&mut has[index], true) && !self.ends_at(index, count) {
                stack.extend(&self.nodes[index].parents);
            }
        }
        has
    }
}

/// The parents that a commit names, whatever a shallow mirror says of it; none if it is not there.
fn parents(odb: &Odb<'_>, id: Oid) -> Option<Vec<Oid>> {
    let (size, kind) = odb.read_header(id).ok()?;
    if kind != git2::ObjectType::Commit || size > MAX_COMMIT_OBJECT {
        return None;
    }
    let object = odb.read(id).ok()?;
    let lines = object.data().split(|&b| b == b'\n');
    let head = lines.skip(1).map_while(|line| line.strip_prefix(b"parent "));
    head.map(|id| Oid::from_str(str::from_utf8(id).ok()?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> Oid {
        Oid::from_str(&format!("{number:040x}")).unwrap()
    }

    /// Rows of a commit and its parents; the first is where it begins.
    fn history(rows: &[(usize, &[usize])]) -> History {
        History::new(id(rows[0].0), |wanted| {
            let row = rows.iter().find(|(commit, _)| id(*commit) == wanted)?;
            Some(row.1.iter().map(|&parent| id(parent)).collect())
        })
    }

    fn shown(history: &History, tags: &[usize]) -> (usize, usize) {
        let tags: Vec<Oid> = tags.iter().map(|&tag| id(tag)).collect();
        let shown = history.shown(&tags);
        (shown.commits.len(), shown.shallow.len())
    }

    #[test]
    fn a_line_is_cut_at_its_tag_or_a_little_below() {
        let rows: Vec<(usize, Vec<usize>)> = (1..=20).rev().map(|n| (n, vec![n - 1])).collect();
        let mut rows: Vec<_> = rows.iter().map(|(n, up)| (*n, up.as_slice())).collect();
        rows[19].1 = &[];
        let line = history(&rows);
        for (tags, expected) in [
            (&[20][..], (1, 1)),
            (&[19], (2, 1)),
            (&[18, 3], (4, 1)),
            (&[2], (20, 0)),
            (&[], (20, 0)),
            (&[77], (20, 0)),
        ] {
            assert_eq!(shown(&line, tags), expected, "{tags:?}");
            assert!(!line.is_too_short(&[]), "the whole is here");
        }
        assert_eq!((line.all().commits.len(), line.head().commits), (20, vec![id(20)]));
    }

    #[test]
    fn a_side_branch_from_before_the_tag_is_shown_to_where_it_began() {
        // 9 merges 8 and the long side 7-6-5, which left at 1; the tag is on 8's parent 4.
        let rows: &[(usize, &[usize])] = &[
            (9, &[8, 7]),
            (8, &[4]),
            (7, &[6]),
            (6, &[5]),
            (5, &[1]),
            (4, &[3]),
            (3, &[2]),
            (2, &[1]),
            (1, &[0]),
            (0, &[]),
        ];
        assert_eq!(shown(&history(rows), &[4]), (10, 0));
        assert_eq!(shown(&history(rows), &[9]), (1, 1));
    }

    #[test]
    fn what_is_not_here_is_too_short_unless_the_tag_has_it() {
        let rows: &[(usize, &[usize])] = &[(5, &[4]), (4, &[3]), (3, &[2])];
        let cut = history(rows);
        for (tags, short) in [(&[][..], true), (&[2], true), (&[3], false), (&[4, 1], false)] {
            let tags: Vec<Oid> = tags.iter().map(|&tag| id(tag)).collect();
            assert_eq!(cut.is_too_short(&tags), short, "{tags:?}");
        }
        assert_eq!(cut.all().shallow, [id(3)]);
        assert!(cut.contains(id(4)) && !cut.contains(id(2)));
        assert_eq!(cut.nearest([id(3), id(1), id(5)]), [id(5), id(3)]);
    }
}

//! The `.git` of a source: what a clone would have of it, as far as build scripts ask.
//!
//! It is made from nothing: settings that are constants, refs in one file whose names were checked,
//! objects that are read by their ids, no hooks. `git describe`, `rev-parse`, `log -1` and `status`
//! say in it what they say in a clone. Files' contents are not in it: they are unpacked beside it,
//! and git only needs the ids that the index has of them.

use std::{collections::HashSet, fmt::Write as _, io};

use git2::{ObjectType, Odb, Oid, Reference};

use super::{
    commits::{History, Shown},
    index,
    pack::Pack,
    tags::{self, Tag},
    walk::{Source, Walked, damaged},
    wire::{Asks, Failure, FailureKind, GitFolder, TreeKind},
};

/// The largest pack of a `.git`: beyond it only the commit itself is shown.
const MAX_PACK: usize = 64 << 20;
/// What the trees of older commits may take together: without them `git log PATH` cannot say when
/// a file was changed, but nothing else is missing.
const MAX_OLD_TREES: usize = 4 << 20;
/// The most tags of a `.git`.
const MAX_TAGS: usize = 2_000;
/// Sizes and times of files decide alone whether they are unchanged: nobody can know yet what inode
/// they will have. No garbage collection: what is missing would trouble it.
const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\
    \tlogallrefupdates = false\n\ttrustctime = false\n\tcheckStat = minimal\n[gc]\n\tauto = 0\n";
/// Files are unpacked byte for byte: comparing them must not convert anything either.
const ATTRIBUTES: &str = "* -text -ident -filter -working-tree-encoding\n";

/// A folder or file of a `.git`, by its path in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    Folder(&'static str),
    File(String, Vec<u8>),
}

/// What is in the `.git` of a source whose files have this time, in seconds.
pub(super) fn compose(
    source: &Source,
    entries: &[Walked],
    wish: &GitFolder,
    time: u64,
) -> Result<Vec<Item>, Failure> {
    let (repository, commit) = source.root();
    let odb = repository.odb().map_err(|e| damaged(&e))?;
    let head = Oid::from_str(commit.as_str()).map_err(|e| damaged(&e))?;
    let history = History::read(&odb, head);
    let tags: Vec<Tag> = tags::of_mirror(repository, &odb)
        .into_iter()
        .filter(|tag| history.contains(tag.commit))
        .collect();
    let trees: Vec<Oid> = own_trees(repository, head, entries)?;
    let mut folder = None;
    for shown in [shown(&history, &tags, wish.asks), history.head()] {
        folder = Folder { odb: &odb, shown, tags: &tags, pack: Pack::new() }.packed(&trees)?;
        if folder.is_some() {
            break;
        }
    }
    let text = "the source's folders and history are too large for a .git";
    let (shown, pack) = folder.ok_or_else(|| Failure::new(FailureKind::TooLarge, text))?;

    let branch = wish
        .branch
        .as_ref()
        .filter(|name| name.starts_with("refs/heads/") && Reference::is_valid_name(name));
    let at = branch.map_or_else(|| format!("{head}\n"), |name| format!("ref: {name}\n"));
    let refs = refs(&shown, &tags, branch.map(|name| (name.as_str(), head)));
    let own = entries.iter().filter(|entry| entry.part == 0);
    let packed = pack.finish();
    let mut shallow = String::new();
    for id in &shown.shallow {
        let _ = writeln!(shallow, "{id}");
    }
    let mut items = vec![
        Item::Folder(""),
        Item::Folder("info/"),
        Item::Folder("objects/"),
        Item::Folder("objects/pack/"),
        Item::Folder("refs/"),
        Item::Folder("refs/heads/"),
        Item::Folder("refs/tags/"),
        Item::File("HEAD".to_owned(), at.into_bytes()),
        Item::File("config".to_owned(), CONFIG.into()),
        Item::File("info/attributes".to_owned(), ATTRIBUTES.into()),
        Item::File("packed-refs".to_owned(), refs.into_bytes()),
        Item::File(format!("objects/pack/{}.pack", packed.name), packed.pack),
        Item::File(format!("objects/pack/{}.idx", packed.name), packed.index),
        Item::File("index".to_owned(), index::write(own, time)),
    ];
    if !shallow.is_empty() {
        items.push(Item::File("shallow".to_owned(), shallow.into_bytes()));
    }
    Ok(items)
}

/// How much of a history answers what is asked.
fn shown(history: &History, tags: &[Tag], asks: Asks) -> Shown {
    let all: Vec<Oid> = tags.iter().map(|tag| tag.commit).collect();
    let annotated: Vec<Oid> =
        tags.iter().filter(|tag| !tag.objects.is_empty()).map(|tag| tag.commit).collect();
    match asks {
        Asks::Everything => history.all(),
        Asks::Tag if !all.is_empty() => {
            let nearest = history.shown(&all);
            // Without --tags, describe takes only those with a message.
            if annotated.is_empty() {
                return nearest;
            }
            let with_message = history.shown(&annotated);
            let is_more = with_message.commits.len() > nearest.commits.len();
            if is_more { with_message } else { nearest }
        }
        Asks::Tag | Asks::Head => history.head(),
    }
}

/// The trees of the commit that is built.
fn own_trees(
    repository: &git2::Repository,
    head: Oid,
    entries: &[Walked],
) -> Result<Vec<Oid>, Failure> {
    let root = repository.find_commit(head).map_err(|e| damaged(&e))?.tree_id();
    let folders =
        entries.iter().filter(|entry| entry.part == 0 && entry.kind == TreeKind::Directory);
    let mut seen = HashSet::new();
    let trees = std::iter::once(root).chain(folders.map(|entry| entry.id));
    Ok(trees.filter(|id| seen.insert(*id)).collect())
}

/// One file with all refs: a name in it never becomes a path.
fn refs(shown: &Shown, tags: &[Tag], branch: Option<(&str, Oid)>) -> String {
    let commits: HashSet<Oid> = shown.commits.iter().copied().collect();
    let tags = tags.iter().filter(|tag| commits.contains(&tag.commit)).take(MAX_TAGS);
    let mut lines: Vec<(String, String)> = tags
        .filter_map(|tag| {
            let name = tags::full_name(&tag.name)?;
            let mut line = format!("{} {name}\n", tag.id);
            if !tag.objects.is_empty() {
                let _ = writeln!(line, "^{}", tag.commit);
            }
            Some((name, line))
        })
        .collect();
    lines.extend(branch.map(|(name, head)| (name.to_owned(), format!("{head} {name}\n"))));
    lines.sort();
    let header = "# pack-refs with: peeled fully-peeled sorted \n".to_owned();
    lines.into_iter().fold(header, |all, (_, line)| all + &line)
}

struct Folder<'a> {
    odb: &'a Odb<'a>,
    shown: Shown,
    tags: &'a [Tag],
    pack: Pack,
}

impl Folder<'_> {
    /// Packs the commits, their tags and their trees; none if that is too much.
    fn packed(mut self, trees: &[Oid]) -> Result<Option<(Shown, Pack)>, Failure> {
        let mut ids = self.shown.commits.clone();
        let commits: HashSet<Oid> = ids.iter().copied().collect();
        let tags = self.tags.iter().filter(|tag| commits.contains(&tag.commit)).take(MAX_TAGS);
        ids.extend(tags.flat_map(|tag| &tag.objects));
        ids.extend(trees);
        let mut seen = HashSet::new();
        for id in ids.into_iter().filter(|id| seen.insert(*id)) {
            self.add(id)?;
            if self.pack.len() > MAX_PACK {
                return Ok(None);
            }
        }
        self.old_trees(seen)?;
        Ok(Some((self.shown, self.pack)))
    }

    /// The trees of the older commits, as far as they are here and small enough.
    fn old_trees(&mut self, mut seen: HashSet<Oid>) -> Result<(), Failure> {
        let most = self.pack.len() + MAX_OLD_TREES;
        for commit in self.shown.commits.clone().into_iter().skip(1) {
            let object = self.odb.read(commit).map_err(|e| damaged(&e))?;
            let root = object.data().strip_prefix(b"tree ").and_then(|rest| rest.get(..40));
            let root = root.and_then(|id| Oid::from_str(str::from_utf8(id).ok()?).ok());
            let mut stack: Vec<Oid> = root.into_iter().collect();
            while let Some(id) = stack.pop() {
                if self.pack.len() > most {
                    return Ok(());
                }
                if seen.insert(id) && self.odb.exists(id) {
                    stack.extend(self.add(id)?);
                }
            }
        }
        Ok(())
    }

    /// Adds an object; says which trees are in it.
    fn add(&mut self, id: Oid) -> Result<Vec<Oid>, Failure> {
        let object = self.odb.read(id).map_err(|e| damaged(&e))?;
        let full = |e: io::Error| Failure::new(FailureKind::TooLarge, e.to_string());
        self.pack.add(id, object.kind(), object.data()).map_err(full)?;
        Ok(if object.kind() == ObjectType::Tree { folders(object.data()) } else { Vec::new() })
    }
}

/// The ids of the folders in a tree object: a mode, a space, a name, NUL, an id of twenty bytes.
fn folders(mut tree: &[u8]) -> Vec<Oid> {
    let mut folders = Vec::new();
    while let Some(end) = tree.iter().position(|&b| b == 0) {
        let Some(id) = tree.get(end + 1..end + 21) else { break };
        if tree.starts_with(b"40000 ") || tree.starts_with(b"040000 ") {
            folders.extend(Oid::from_bytes(id));
        }
        tree = &tree[end + 21..];
    }
    folders
}

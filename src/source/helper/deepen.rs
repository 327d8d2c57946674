//! Fetches as much of a commit's history as its version scripts need, and the tags in it.
//!
//! A remote that was asked for one commit only is asked for more in steps, until the nearest tag is
//! reached: most projects are tagged every few hundred commits, and few need everything. Whatever
//! goes wrong here does not stop the build; it is said, and the scripts find what is there.

use std::collections::{BTreeMap, BTreeSet};

use git2::{Direction, Oid, Remote, Repository};

use super::{
    commits::History,
    remote::{self, Fetch, UNSHALLOW},
    tags,
    wire::{Asks, Failure, FetchRequest, Reply},
};

/// How deep each step goes; the last is to the end.
const STEPS: [i32; 4] = [64, 512, 4_096, UNSHALLOW];
/// The most tags whose objects are asked for: those nearest to the commit.
const MAX_TAGS: usize = 64;

/// A tag that the remote advertises.
#[derive(Debug)]
struct Advertised {
    /// What the ref points to.
    id: Oid,
    /// The commit behind a tag object, as the remote says.
    peeled: Option<Oid>,
}

pub(super) fn deepen(request: &FetchRequest, asks: Asks) -> Result<Reply, Failure> {
    let repository = remote::open_or_init(&request.mirror)?;
    let advertised = advertised(request)?;
    let names: BTreeSet<&str> = advertised.keys().map(String::as_str).collect();
    tags::keep_only(&repository, &names);
    let mut deepening = Deepening { request, repository: &repository, asks, bytes: 0 };
    let problem = remote::marked(request, || Ok(deepening.run(&advertised)))?;
    let note = match problem {
        Some(problem) => Some(problem),
        None if advertised.is_empty() && asks == Asks::Tag => {
            Some("the repository has no tags".to_owned())
        }
        None => None,
    };
    Ok(Reply::Deepened { bytes: deepening.bytes, note })
}

struct Deepening<'a> {
    request: &'a FetchRequest,
    repository: &'a Repository,
    asks: Asks,
    bytes: u64,
}

impl Deepening<'_> {
    /// Says what is wrong, if history or tags are not all there.
    fn run(&mut self, advertised: &BTreeMap<String, Advertised>) -> Option<String> {
        let is_local = self.request.access.url.starts_with("file:");
        let mut problem = None;
        for depth in STEPS {
            // Of a repository on this machine everything came with the first fetch.
            if is_local || advertised.is_empty() || !self.is_too_short(advertised) {
                break;
            }
            problem = self.step(depth).err().map(|failure| failure.text);
            if problem.is_some() {
                break;
            }
        }
        if let Some(problem) = problem {
            return Some(format!("the history could not be fetched to the nearest tag: {problem}"));
        }
        self.tags(advertised).err().map(|failure| {
            format!("the tags of the repository could not be fetched: {}", failure.text)
        })
    }

    fn history(&self) -> History {
        let head = Oid::from_str(self.request.commit.as_str());
        let (Ok(head), Ok(odb)) = (head, self.repository.odb()) else { return History::default() };
        History::read(&odb, head)
    }

    fn is_too_short(&self, advertised: &BTreeMap<String, Advertised>) -> bool {
        let history = self.history();
        if self.asks == Asks::Everything {
            return history.is_too_short(&[]);
        }
        let all: Vec<Oid> = advertised.values().map(Advertised::commit).collect();
        let annotated: Vec<Oid> = advertised.values().filter_map(|tag| tag.peeled).collect();
        history.is_too_short(&all) || (!annotated.is_empty() && history.is_too_short(&annotated))
    }

    /// Asks for more of the history: by the commit's id, else by the ref that led to it.
    fn step(&mut self, depth: i32) -> Result<(), Failure> {
        let commit = &self.request.commit;
        let by_id = format!("+{commit}:refs/kiln/{commit}");
        let by_name = self.request.hint.iter().map(|hint| format!("+{hint}:refs/kiln-hint/head"));
        let mut result = Ok(());
        for refspec in std::iter::once(by_id).chain(by_name) {
            result = self.fetch(&[refspec], depth);
            if result.is_ok() {
                break;
            }
        }
        result
    }

    /// Has the nearest tags in the mirror, with their objects.
    fn tags(&mut self, advertised: &BTreeMap<String, Advertised>) -> Result<(), Failure> {
        let history = self.history();
        let near = history.nearest(advertised.values().map(Advertised::commit));
        let near: BTreeSet<Oid> = near.into_iter().take(MAX_TAGS).collect();
        let near = advertised.iter().filter(|(_, tag)| near.contains(&tag.commit()));
        let odb = self.repository.odb().map_err(|e| remote::mirror_failed(&e))?;
        let (there, absent): (Vec<_>, Vec<_>) = near.partition(|(_, tag)| odb.exists(tag.id));
        for (name, tag) in there {
            let name = format!("{}{name}", tags::IN_MIRROR);
            // Two names of which one is a folder of the other cannot both be kept.
            let _ = self.repository.reference(&name, tag.id, true, "fetched");
        }
        let refspecs: Vec<String> = absent
            .into_iter()
            .map(|(name, _)| format!("+refs/tags/{name}:{}{name}", tags::IN_MIRROR))
            .collect();
        if refspecs.is_empty() { Ok(()) } else { self.fetch(&refspecs, 0) }
    }

    fn fetch(&mut self, refspecs: &[String], depth: i32) -> Result<(), Failure> {
        let fetch = Fetch::new(self.request, self.repository, self.bytes);
        let result = fetch.run(refspecs, depth);
        self.bytes = fetch.received();
        result
    }
}

impl Advertised {
    fn commit(&self) -> Oid {
        self.peeled.unwrap_or(self.id)
    }
}

/// The tags that the remote has now, by their names without `refs/tags/`.
fn advertised(request: &FetchRequest) -> Result<BTreeMap<String, Advertised>, Failure> {
    let failed = |e: git2::Error| remote::remote_failed(&e);
    let mut remote = Remote::create_detached(request.access.url.as_str()).map_err(failed)?;
    let callbacks = remote::callbacks(request.access.ssh.as_ref());
    let connection =
        remote.connect_auth(Direction::Fetch, Some(callbacks), None).map_err(failed)?;
    let heads = connection.list().map_err(failed)?;
    let mut found: BTreeMap<String, Advertised> = BTreeMap::new();
    let mut peeled: BTreeMap<String, Oid> = BTreeMap::new();
    for head in heads {
        let Some(name) = head.name().strip_prefix("refs/tags/") else { continue };
        if let Some(name) = name.strip_suffix("^{}") {
            peeled.insert(name.to_owned(), head.oid());
        } else if tags::full_name(name).is_some() {
            found.insert(name.to_owned(), Advertised { id: head.oid(), peeled: None });
        }
    }
    for (name, tag) in &mut found {
        tag.peeled = peeled.get(name).copied();
    }
    Ok(found)
}

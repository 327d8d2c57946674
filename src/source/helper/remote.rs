//! Talks to the remote, through libgit2: lists refs, and fetches one commit into a mirror.
//!
//! The cheapest fetch that the remote allows is taken: the commit alone, else the ref that leads to
//! it, else everything. The parent's relay stands between this process and the network.

use std::{cell::Cell, fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use git2::{
    AutotagOption, CertificateCheckStatus, Cred, CredentialType, Direction, ErrorClass, ErrorCode,
    FetchOptions, FetchPrune, Oid, Remote, RemoteCallbacks, RemoteRedirect, Repository,
    RepositoryInitOptions,
};

use super::{
    refs::{self, Advertised},
    walk::Source,
    wire::{
        Access, Failure, FailureKind, FetchRequest, Part, Reply, SshAccess, SshKey, TreeRequest,
        Wanted,
    },
};
use crate::{
    model::CommitId,
    source::{error::foreign, mirror::FETCHING},
};

/// Settings for libgit2 as the sending side, which it is for a repository on this machine: files
/// above 1 MiB are not compared with each other to save room on a disk that has them already. It
/// takes the threshold from this key; without it, 300 MiB of noise take minutes instead of seconds.
const SETTINGS: (&str, &[u8]) = ("gitconfig", b"[pack]\n\tdeltaCacheSize = 1m\n");

/// Everything, also of a mirror that was shallow so far.
pub(super) const UNSHALLOW: i32 = i32::MAX;

/// What the remote advertises, as long as it is no more than `most` refs.
fn advertised<T>(
    access: &Access,
    most: u32,
    look: impl FnOnce(&[Advertised<'_>]) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut remote = Remote::create_detached(access.url.as_str()).map_err(|e| remote_failed(&e))?;
    let connection = remote
        .connect_auth(Direction::Fetch, Some(callbacks(access.ssh.as_ref())), None)
        .map_err(|e| remote_failed(&e))?;
    let heads = connection.list().map_err(|e| remote_failed(&e))?;
    if heads.len() > most as usize {
        let text = format!("the repository advertises more than {most} refs");
        return Err(Failure::new(FailureKind::TooLarge, text));
    }
    let ids: Vec<String> = heads.iter().map(|head| head.oid().to_string()).collect();
    let advertised: Vec<_> = heads
        .iter()
        .zip(&ids)
        .map(|(head, id)| Advertised { name: head.name(), id, target: head.symref_target() })
        .collect();
    look(&advertised)
}

/// The text of an id; what is none is not of git as kiln knows it.
fn commit_of(id: &str) -> Result<CommitId, Failure> {
    id.parse().map_err(|_| {
        Failure::new(FailureKind::Unreachable, "the server's ids are not SHA-1: not supported")
    })
}

pub(super) fn list(access: &Access, most: u32) -> Result<Reply, Failure> {
    let (refs, default) = advertised(access, most, |refs| Ok(refs::all(refs)))?;
    let refs = refs
        .into_iter()
        .map(|(name, id)| Ok((foreign(&name), commit_of(&id)?)))
        .collect::<Result<_, Failure>>()?;
    Ok(Reply::Listed { refs, default: default.map(|name| foreign(&name)) })
}

pub(super) fn resolve(access: &Access, wanted: &Wanted, most: u32) -> Result<Reply, Failure> {
    let (refname, id) = advertised(access, most, |refs| refs::find(refs, wanted))?;
    let commit = commit_of(&id)?;
    Ok(Reply::Resolved { commit, refname: refname.map(|name| foreign(&name)) })
}

pub(super) fn fetch(request: &FetchRequest) -> Result<Reply, Failure> {
    let repository = open_or_init(&request.mirror)?;
    if has(&repository, &request.commit) {
        complete(request)?;
        return Ok(Reply::Fetched { fetched: false, bytes: 0 });
    }
    marked(request, || download(request, &repository))
}

/// Does something that adds to the mirror; if it is killed in the middle, that shows.
pub(super) fn marked<T>(
    request: &FetchRequest,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let fetching = request.mirror.join(FETCHING);
    let settings = request.mirror.join(SETTINGS.0);
    for (path, text) in [(&settings, SETTINGS.1), (&fetching, &[])] {
        fs::write(path, text).map_err(|error| {
            Failure::new(FailureKind::Internal, format!("writing to the mirror failed: {error}"))
        })?;
    }
    let reply = work();
    // If this fails the next fetch starts afresh, which is only slower.
    let _ = fs::remove_file(fetching);
    reply
}

fn download(request: &FetchRequest, repository: &Repository) -> Result<Reply, Failure> {
    let fetch = Fetch::new(request, repository, 0);
    let mut failed = None;
    for (refspecs, depth) in fetch.attempts() {
        match fetch.run(&refspecs, depth) {
            Ok(()) if has(repository, &request.commit) => {
                fetch.keep()?;
                complete(request)?;
                return Ok(Reply::Fetched { fetched: true, bytes: fetch.received() });
            }
            Ok(()) => failed = None,
            Err(failure) if failure.kind == FailureKind::Unreachable => failed = Some(failure),
            Err(failure) => return Err(failure),
        }
    }
    Err(failed.unwrap_or_else(|| {
        let short = request.commit.short();
        let text = format!("the repository has no commit {short}, or does not let it be fetched");
        Failure::new(FailureKind::UnknownRef, text)
    }))
}

pub(super) struct Fetch<'a> {
    request: &'a FetchRequest,
    repository: &'a Repository,
    /// Received by all attempts together.
    bytes: Cell<u64>,
}

impl<'a> Fetch<'a> {
    /// `bytes` were received before.
    pub(super) fn new(request: &'a FetchRequest, repository: &'a Repository, bytes: u64) -> Self {
        Self { request, repository, bytes: Cell::new(bytes) }
    }

    pub(super) fn received(&self) -> u64 {
        self.bytes.get()
    }

    /// Refspecs and depths, the cheapest first. libgit2 fetches files only whole.
    fn attempts(&self) -> Vec<(Vec<String>, i32)> {
        let local = self.request.access.url.starts_with("file:");
        let commit = &self.request.commit;
        let mut attempts = Vec::new();
        if !local {
            attempts.push((vec![format!("+{commit}:refs/kiln/{commit}")], 1));
        }
        if let Some(hint) = &self.request.hint {
            attempts.push((vec![format!("+{hint}:refs/kiln-hint/head")], i32::from(!local)));
        }
        let all = ["+refs/heads/*:refs/kiln-heads/*", "+refs/tags/*:refs/kiln-tags/*"];
        let depth = if self.repository.is_shallow() { UNSHALLOW } else { 0 };
        attempts.push((all.map(str::to_owned).to_vec(), depth));
        attempts
    }

    pub(super) fn run(&self, refspecs: &[String], depth: i32) -> Result<(), Failure> {
        let (before, most) = (self.bytes.get(), self.request.pack_bytes);
        let too_large = Cell::new(false);
        let mut callbacks = callbacks(self.request.access.ssh.as_ref());
        callbacks.transfer_progress(|progress| {
            self.bytes.set(before + progress.received_bytes() as u64);
            too_large.set(self.bytes.get() > most);
            !too_large.get()
        });
        let mut options = FetchOptions::new();
        options
            .remote_callbacks(callbacks)
            .download_tags(AutotagOption::None)
            .update_fetchhead(false)
            .prune(FetchPrune::Off)
            .follow_redirects(RemoteRedirect::None)
            .depth(depth);
        let mut remote = self
            .repository
            .remote_anonymous(&self.request.access.url)
            .map_err(|e| remote_failed(&e))?;
        let result = remote.fetch(refspecs, Some(&mut options), None);
        drop(options);
        match result {
            Err(_) if too_large.get() => {
                let text = format!("fetching it takes more than {} MiB", most >> 20);
                Err(Failure::new(FailureKind::TooLarge, text))
            }
            result => result.map_err(|e| remote_failed(&e)),
        }
    }

    /// Keeps the commit reachable, and known as had when the next one is negotiated.
    fn keep(&self) -> Result<(), Failure> {
        let commit = &self.request.commit;
        let id = Oid::from_str(commit.as_str()).map_err(|e| mirror_failed(&e))?;
        self.repository
            .reference(&format!("refs/kiln/{commit}"), id, true, "fetched")
            .map_err(|e| mirror_failed(&e))?;
        Ok(())
    }
}

pub(super) fn open_or_init(mirror: &Path) -> Result<Repository, Failure> {
    if mirror.join("HEAD").exists() {
        return Repository::open_bare(mirror).map_err(|e| mirror_failed(&e));
    }
    let mut options = RepositoryInitOptions::new();
    options.bare(true).mkpath(true).external_template(false);
    Repository::init_opts(mirror, &options).map_err(|e| mirror_failed(&e))
}

fn has(repository: &Repository, commit: &CommitId) -> bool {
    let id = Oid::from_str(commit.as_str());
    id.is_ok_and(|id| repository.odb().is_ok_and(|odb| odb.exists(id)))
}

/// Whether every object of the commit's tree is there and the tree is acceptable.
fn complete(request: &FetchRequest) -> Result<(), Failure> {
    let (mirror, commit) = (request.mirror.clone(), request.commit.clone());
    let part = Part { prefix: Vec::new(), mirror, commit };
    let tree = TreeRequest { parts: vec![part], bounds: request.bounds, git: None };
    Source::open(tree)?.walk().map(drop)
}

pub(super) fn callbacks(ssh: Option<&SshAccess>) -> RemoteCallbacks<'_> {
    let mut callbacks = RemoteCallbacks::new();
    let tried = Cell::new(false);
    callbacks.credentials(move |_, _, allowed| match ssh {
        // Asked first, because the relay's URL names no user.
        Some(ssh) if allowed.contains(CredentialType::USERNAME) => Cred::username(&ssh.user),
        Some(ssh) if !tried.replace(true) => key_of(ssh),
        Some(_) => Err(no_access("the server does not accept the key")),
        None => Err(no_access("the server wants credentials")),
    });
    callbacks.certificate_check(move |certificate, _| {
        let pinned = ssh.and_then(|ssh| {
            let key = ssh.host_key.split_whitespace().nth(1)?;
            STANDARD.decode(key).ok()
        });
        let shown = certificate.as_hostkey().and_then(|key| key.hostkey());
        if pinned.is_some() && pinned.as_deref() == shown {
            return Ok(CertificateCheckStatus::CertificateOk);
        }
        let text = "the host's key is not the one that is known";
        Err(git2::Error::new(ErrorCode::Certificate, ErrorClass::Ssh, text))
    });
    callbacks
}

fn key_of(ssh: &SshAccess) -> Result<Cred, git2::Error> {
    match &ssh.key {
        SshKey::File(path) => Cred::ssh_key(&ssh.user, None, path, None),
        SshKey::Text(key) => {
            let key = std::str::from_utf8(key.reveal());
            let key = key.map_err(|_| no_access("the key is not text"))?;
            Cred::ssh_key_from_memory(&ssh.user, None, key, None)
        }
    }
}

fn no_access(text: &str) -> git2::Error {
    git2::Error::new(ErrorCode::Auth, ErrorClass::Net, text)
}

pub(super) fn remote_failed(error: &git2::Error) -> Failure {
    let text = foreign(error.message());
    match (error.code(), error.class()) {
        (ErrorCode::Auth, _) => Failure::new(FailureKind::Credentials, text),
        (ErrorCode::Certificate, ErrorClass::Ssh) => Failure::new(
            FailureKind::Credentials,
            "the ssh host's key is not the host_key of the project's login or the credentials file",
        ),
        (_, ErrorClass::NoMemory) => {
            Failure::new(FailureKind::TooLarge, "fetching it needs more memory than it may have")
        }
        (_, ErrorClass::Odb | ErrorClass::Repository | ErrorClass::Reference) => {
            mirror_failed(error)
        }
        _ => Failure::new(FailureKind::Unreachable, text),
    }
}

pub(super) fn mirror_failed(error: &git2::Error) -> Failure {
    let text = format!("the mirror is damaged: {}", foreign(error.message()));
    Failure::new(FailureKind::Corrupt, text)
}

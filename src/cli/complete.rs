//! Completion of the command line, with the toolchains and ids that the server knows.
//!
//! The shell runs kiln itself for each completion. A server that does not answer at once is not
//! waited for, and nothing that goes wrong is said: it would land in the middle of a line.

use std::{ffi::OsStr, time::Duration};

use clap::CommandFactory;
use clap_complete::{
    CompleteEnv,
    engine::{ArgValueCompleter, CompletionCandidate},
};

use super::{Cli, render, sanitize};
use crate::{
    client::Rest,
    protocol::{Build, BuildFilter},
};

/// The variable by which a shell says that it wants candidates.
pub(super) const VARIABLE: &str = "COMPLETE";
/// How long the server may take: a person waits for the key they pressed.
const DEADLINE: Duration = Duration::from_millis(700);
/// How many builds are offered.
const BUILDS: u32 = 30;

/// Answers a shell that asks for candidates, and ends the process then; returns at once otherwise.
pub fn complete() {
    CompleteEnv::with_factory(Cli::command).var(VARIABLE).complete();
}

/// Completes names of toolchains.
pub(super) fn toolchains() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let Some(current) = current.to_str() else { return Vec::new() };
        let page = ask(async |rest| rest.toolchains().await.ok());
        let items = page.map_or_else(Vec::new, |page| page.items);
        let fitting = items.into_iter().filter(|item| item.name.as_str().starts_with(current));
        fitting
            .map(|item| {
                let help = item.agents.first().map(|agent| sanitize::text(&agent.image.compiler));
                let help = help.unwrap_or_else(|| "no agent has it".to_owned());
                CompletionCandidate::new(item.name.as_str()).help(Some(help.into()))
            })
            .collect()
    })
}

/// Completes ids of builds, and behind a slash the legs of one.
pub(super) fn ids() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let Some(current) = current.to_str() else { return Vec::new() };
        let typed = current.to_ascii_uppercase();
        if let Some((id, leg)) = current.split_once('/') {
            let Ok(build) = id.to_ascii_uppercase().parse() else { return Vec::new() };
            let build = ask(async |rest| rest.build(build).await.ok());
            return build.map_or_else(Vec::new, |build| legs(&build, (id, leg)));
        }
        let filter = BuildFilter { limit: Some(BUILDS), ..BuildFilter::default() };
        let page = ask(async |rest| rest.builds(&filter).await.ok());
        let items = page.map_or_else(Vec::new, |page| page.items);
        let fitting = items.into_iter().filter(|build| build.id.to_string().starts_with(&typed));
        fitting.map(|build| candidate(&build)).collect()
    })
}

fn candidate(build: &Build) -> CompletionCandidate {
    let state = build.outcome.map_or(build.state.as_str(), |outcome| outcome.as_str());
    let subject = build.commit_info.as_ref().map_or("", |info| &info.subject);
    let help = format!("{state} {}", sanitize::text(subject));
    CompletionCandidate::new(build.id.to_string()).help(Some(help.trim().to_owned().into()))
}

fn legs(build: &Build, (id, leg): (&str, &str)) -> Vec<CompletionCandidate> {
    let jobs = build.jobs.iter().filter(|job| !job.retried);
    let fitting = jobs.filter(|job| render::label(job).starts_with(leg));
    fitting
        .map(|job| {
            let state = job.outcome.map_or(job.state.as_str(), |outcome| outcome.as_str());
            CompletionCandidate::new(format!("{id}/{}", render::label(job)))
                .help(Some(state.to_owned().into()))
        })
        .collect()
}

/// Asks the server of the line that is completed; nothing if it has no answer in time.
fn ask<T>(question: impl AsyncFnOnce(Rest) -> Option<T>) -> Option<T> {
    let token_file = std::env::var_os("KILN_TOKEN_FILE").filter(|file| !file.is_empty());
    let token = token_file.map(std::fs::read_to_string).transpose().ok()?;
    let token = token.map(|token| token.trim().to_owned());
    let rest = Rest::new(&server(std::env::args()), token).ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let answer = runtime.block_on(async { tokio::time::timeout(DEADLINE, question(rest)).await });
    runtime.shutdown_background();
    answer.ok().flatten()
}

/// The server that the line names, else that of the environment, else the usual one.
fn server(words: impl Iterator<Item = String>) -> String {
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        let named = match word.strip_prefix("--server=") {
            Some(value) => Some(value.to_owned()),
            None if word == "--server" => words.peek().cloned(),
            None => None,
        };
        if let Some(server) = named.filter(|server| !server.is_empty()) {
            return server;
        }
    }
    let set = std::env::var("KILN_SERVER").ok().filter(|server| !server.is_empty());
    set.unwrap_or_else(|| super::args::DEFAULT_SERVER.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_the_one_of_the_line() {
        for (line, expected) in [
            ("kiln --server http://a build", "http://a"),
            ("kiln build --server=http://b -t", "http://b"),
        ] {
            assert_eq!(server(line.split(' ').map(str::to_owned)), expected);
        }
    }
}

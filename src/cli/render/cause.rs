//! What a cause means, and what to do about it.

use crate::model::Cause;

/// What happened, and what to do next; both sentences without their full stop.
pub(super) fn explain(cause: Cause) -> (&'static str, &'static str) {
    match cause {
        Cause::Configure => (
            "the configure step ended with an error, so nothing was compiled",
            "the end of the log says what it missed; packages are added with --package or with \
             packages = [..] in .kiln.toml",
        ),
        Cause::Compile => (
            "a compiler reported an error",
            "mend the place that is named; a flag for all files is given with --env CFLAGS=-g",
        ),
        Cause::Link => (
            "everything was compiled, but the linker could not put a program together",
            "look for the name it did not find: a library that is missing, or a file that is not \
             compiled",
        ),
        Cause::Test => (
            "it was built, but the project's own tests failed",
            "read the log of the test step; without --test they do not run",
        ),
        Cause::Install => ("the install step ended with an error", "read the log of that step"),
        Cause::Command => ("a step ended with an error", "read the log of that step"),
        Cause::MemoryLimit => (
            "the build needed more memory than it may have, so the kernel ended it",
            "raise memory_bytes under [limits] in .kiln.toml, or run fewer compilers at a time with \
             --env MAKEFLAGS=-j1",
        ),
        Cause::WorkspaceFull => (
            "the workspace was full, in bytes or in files",
            "raise workspace_bytes or workspace_files under [limits] in .kiln.toml",
        ),
        Cause::FileTooLarge => (
            "one file grew beyond the bound for a file",
            "raise file_bytes under [limits] in .kiln.toml",
        ),
        Cause::ProcessesExhausted => (
            "the build had as many processes as it may have",
            "raise processes under [limits] in .kiln.toml, or run fewer at a time",
        ),
        Cause::OutputLimit => (
            "the build wrote more output than is accepted",
            "make it quieter, or raise output_bytes under [limits] in .kiln.toml",
        ),
        Cause::BlockedSyscall => (
            "a program of the build made a system call that the sandbox does not allow",
            "builds need no such call; docs/SECURITY.md says which are allowed",
        ),
        Cause::ArtifactMissing => (
            "it was built, but a file that is required was not there",
            "mend required = [..] under [artifacts], or the step that makes the file",
        ),
        Cause::ArtifactLimit => (
            "what was to be kept is too large or too many files",
            "keep less with include = [..] and exclude = [..] under [artifacts], or raise \
             artifact_bytes or artifact_files under [limits]",
        ),
        Cause::SourceTooLarge => (
            "the source is larger than this server accepts",
            "make it smaller (.kilnignore, for a working tree), or ask the operator for a higher \
             bound",
        ),
        Cause::SourceRefused => (
            "the source has names or a structure that is not accepted",
            "the message names what it is: rename or remove it",
        ),
        Cause::RecipeInvalid => (
            "it is not clear how to build this: .kiln.toml is wrong, or nothing in the tree says it",
            "mend .kiln.toml where the message says, or write one with `kiln init`",
        ),
        Cause::WallTime => (
            "it ran longer than it may",
            "raise the bound with --timeout 30m, or with timeout = \"30m\" in .kiln.toml",
        ),
        Cause::NoOutput => (
            "it wrote nothing for so long that it was taken to hang",
            "see in the log where it stopped; raise silence_seconds under [limits] if it is just slow",
        ),
        Cause::QueueTime => (
            "it waited in the queue for longer than it may",
            "`kiln agents` shows who could run it; then `kiln retry`",
        ),
        Cause::Cancelled => ("a person stopped it", "`kiln retry` runs it again"),
        Cause::Superseded => ("a newer commit took its place", "nothing: see the newer build"),
        Cause::SourceUnreachable => (
            "the source could not be fetched; the code is not at fault",
            "check the URL and that agents can reach it; then `kiln retry`",
        ),
        Cause::Image => (
            "the toolchain's image is missing or cannot be used; the code is not at fault",
            "run `kiln images build` for it on the agent's machine; then `kiln retry`",
        ),
        Cause::Engine => (
            "the container engine of the agent failed; the code is not at fault",
            "look at the engine and at the agent's log; then `kiln retry`",
        ),
        Cause::Store => (
            "the artifact store failed; the code is not at fault",
            "look at the server's log and at its disk; then `kiln retry`",
        ),
        Cause::AgentLost => (
            "the agent that ran it went away; the code is not at fault",
            "`kiln agents` shows who is there; then `kiln retry`",
        ),
        Cause::SelfTest => (
            "the agent's machine did not pass the test of its isolation, so nothing was run",
            "look at the agent's log and mend the machine; then `kiln retry`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_explained_in_a_line_or_two() {
        for &cause in Cause::ALL {
            let (what, then) = explain(cause);
            for text in [what, then] {
                assert!(!text.is_empty() && !text.ends_with('.') && text.len() < 180, "{cause}");
            }
        }
    }
}

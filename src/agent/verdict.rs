//! How an attempt ended, from what the agent itself observed. Pure; the first match wins.
//!
//! What the build printed never decides an outcome: marks and messages are text that anyone can
//! write. They only make a failure's cause finer and its sentence readable.

use std::time::Duration;

use super::ending::StopReason;
use crate::{
    model::{Cause, Limits, StepName, Verdict},
    sandbox::Exit,
};

/// What was observed of a run.
#[derive(Clone, Debug)]
pub(super) struct Observed<'a> {
    /// Why the agent ended it, if it did.
    pub stopped: Option<StopReason>,
    /// How the container ended.
    pub exit: Exit,
    /// The step that failed, as the marks say it.
    pub failed: Option<FailedStep>,
    /// Its bounds.
    pub limits: &'a Limits,
    /// How long it ran.
    pub ran: Duration,
    /// Whether only the build's container was killed, and the engine and the rest are well.
    pub is_alone: bool,
}

/// The step that failed, and what its output says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FailedStep {
    /// Its name.
    pub name: StepName,
    /// The cause that its kind and its compiler's messages mean.
    pub cause: Cause,
    /// The first error, as a sentence.
    pub error: Option<String>,
    /// The bound that its output says was met.
    pub bound: Option<Cause>,
    /// Whether its output says that something could not be reached.
    pub wants_network: bool,
}

/// How an attempt ended, and one sentence on it for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// The sentence; empty for a plain success.
    pub message: String,
}

impl Judged {
    /// A plain success.
    pub(super) const SUCCESS: Self = Self { verdict: Verdict::Success, message: String::new() };

    /// It failed, for this reason.
    pub(super) fn failed(cause: Cause, message: impl Into<String>) -> Self {
        Self { verdict: Verdict::Failed(cause), message: message.into() }
    }

    /// Whether it built.
    pub(super) fn is_success(&self) -> bool {
        self.verdict == Verdict::Success
    }
}

/// The exit statuses that say which bound or rule a process met: 128 and the signal.
const SIGXFSZ: i64 = 128 + 25;
const SIGSYS: i64 = 128 + 31;
const SIGKILL: i64 = 128 + 9;
/// What `timeout` in the container ends with where it has not to kill, else it is a kill too. It only
/// comes before our own limit when the agent was held up.
const TIMED_OUT: i64 = 124;

/// Whether it ended with a kill, of which nothing else says where it came from.
pub(super) fn is_killed(exit: &Exit) -> bool {
    exit.code == SIGKILL && !exit.oom_killed
}

/// Judges a run that came to its end.
pub(super) fn judge(observed: &Observed<'_>) -> Judged {
    let Observed { stopped, exit, failed, limits, .. } = observed;
    if let Some(reason) = stopped {
        return self::stopped(*reason, limits);
    }
    if exit.code == 0 {
        return Judged::SUCCESS;
    }
    if exit.oom_killed {
        return Judged::failed(Cause::MemoryLimit, out_of_memory(limits));
    }
    let Some(failed) = failed else {
        return judge_unmarked(observed);
    };
    let name = &failed.name;
    match (exit.code, failed.bound) {
        (SIGXFSZ, _) | (_, Some(Cause::FileTooLarge)) => Judged::failed(
            Cause::FileTooLarge,
            format!("{name} failed: a file grew beyond {}", size(limits.file_bytes)),
        ),
        (SIGSYS, _) | (_, Some(Cause::BlockedSyscall)) => Judged::failed(
            Cause::BlockedSyscall,
            format!("{name} failed: a process was killed for a system call that is not allowed"),
        ),
        (_, Some(Cause::WorkspaceFull)) => Judged::failed(
            Cause::WorkspaceFull,
            format!(
                "{name} failed: no space left; the workspace has {} and {} files, /tmp has {}",
                size(limits.workspace_bytes),
                limits.workspace_files,
                size(limits.tmp_bytes)
            ),
        ),
        (_, Some(Cause::ProcessesExhausted)) => Judged::failed(
            Cause::ProcessesExhausted,
            format!("{name} failed: it may have {} processes at one time", limits.processes),
        ),
        (code, _) => Judged::failed(failed.cause, step_failed(failed, code)),
    }
}

/// Judges an attempt that the agent ended.
pub(super) fn stopped(reason: StopReason, limits: &Limits) -> Judged {
    match reason {
        StopReason::Cancelled => Judged::failed(Cause::Cancelled, "cancelled"),
        StopReason::WallTime => {
            Judged::failed(Cause::WallTime, format!("ran longer than {} s", limits.wall_seconds))
        }
        StopReason::NoOutput => Judged::failed(
            Cause::NoOutput,
            format!("wrote nothing for {} s", limits.silence_seconds),
        ),
        StopReason::OutputLimit => Judged::failed(
            Cause::OutputLimit,
            format!("wrote more than {} of output", size(limits.output_bytes)),
        ),
        StopReason::AgentStops => Judged::failed(Cause::AgentLost, "the agent was stopped"),
        StopReason::LeaseLost | StopReason::Stale => {
            Judged::failed(Cause::AgentLost, "the agent lost its right to the job")
        }
    }
}

/// No step said that it failed: the driver itself was ended, or could not begin.
fn judge_unmarked(observed: &Observed<'_>) -> Judged {
    let limits = observed.limits;
    let is_over = observed.ran >= Duration::from_secs(u64::from(limits.wall_seconds));
    match observed.exit.code {
        TIMED_OUT | SIGKILL if is_over => stopped(StopReason::WallTime, limits),
        // A step can end its own shell and the driver with it.
        SIGKILL if !observed.is_alone => {
            Judged::failed(Cause::Engine, "something outside of kiln killed the container")
        }
        SIGXFSZ => Judged::failed(
            Cause::FileTooLarge,
            format!("a file grew beyond {}", size(limits.file_bytes)),
        ),
        SIGSYS => Judged::failed(
            Cause::BlockedSyscall,
            "a process was killed for a system call that is not allowed",
        ),
        code => {
            Judged::failed(Cause::Command, format!("the build ended with {}", exit_status(code)))
        }
    }
}

/// What is added to the log of a build that lost a process and succeeded all the same.
pub(super) fn warning(exit: &Exit, limits: &Limits) -> Option<String> {
    (exit.code == 0 && exit.oom_killed)
        .then(|| format!("warning: a process was killed because {}", out_of_memory(limits)))
}

fn out_of_memory(limits: &Limits) -> String {
    format!("the build needed more memory than the {} it may have", size(limits.memory_bytes))
}

fn step_failed(failed: &FailedStep, code: i64) -> String {
    let name = &failed.name;
    let mut sentence = match (&failed.error, code) {
        (Some(error), _) => format!("{name} failed: {error}"),
        (None, code) => format!("{name} failed with {}", exit_status(code)),
    };
    if failed.wants_network {
        sentence.push_str(match failed.cause {
            Cause::Test => "; it tried to reach the network, and a build has none: give a test step of your own in .kiln.toml that leaves those tests out",
            _ => "; it tried to reach the network, and a build has none: what it needs has to be in the tree, a submodule, or a package",
        });
    }
    sentence
}

fn exit_status(code: i64) -> String {
    match code {
        126 => "exit status 126: a command cannot be executed".to_owned(),
        127 => "exit status 127: a command was not found".to_owned(),
        129..=192 => format!("exit status {code}: killed by signal {}", code - 128),
        code => format!("exit status {code}"),
    }
}

/// A number of bytes for people: `1 GiB`, `1.5 MiB`, `512 bytes`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut scale = 1_u64;
    let mut unit = None;
    for name in UNITS {
        if bytes < scale * 1024 {
            break;
        }
        scale *= 1024;
        unit = Some(name);
    }
    match unit {
        None => format!("{bytes} bytes"),
        Some(unit) if bytes.is_multiple_of(scale) => format!("{} {unit}", bytes / scale),
        Some(unit) => {
            let tenths = u128::from(bytes) * 10 / u128::from(scale);
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(code: i64, oom_killed: bool) -> Exit {
        Exit { code, oom_killed, stopped: false, used: None }
    }

    fn failed(bound: Option<Cause>, error: Option<&str>) -> FailedStep {
        FailedStep {
            name: "compile".parse().unwrap(),
            cause: Cause::Compile,
            error: error.map(str::to_owned),
            bound,
            wants_network: false,
        }
    }

    fn check(
        stopped: Option<StopReason>,
        exit: Exit,
        failed: Option<FailedStep>,
    ) -> (Option<Cause>, String) {
        let limits = Limits::default();
        let ran = Duration::from_secs(1);
        let judged =
            judge(&Observed { stopped, exit, failed, limits: &limits, ran, is_alone: false });
        (judged.verdict.cause(), judged.message)
    }

    #[test]
    fn what_the_agent_did_counts_before_everything_else() {
        use StopReason as S;
        for (reason, cause, message) in [
            (S::Cancelled, Cause::Cancelled, "cancelled"),
            (S::WallTime, Cause::WallTime, "ran longer than 900 s"),
            (S::NoOutput, Cause::NoOutput, "wrote nothing for 300 s"),
            (S::OutputLimit, Cause::OutputLimit, "wrote more than 1 GiB of output"),
            (S::AgentStops, Cause::AgentLost, "the agent was stopped"),
        ] {
            for exit in [exit(0, false), exit(137, true), exit(153, false)] {
                let got = check(Some(reason), exit, Some(failed(None, Some("a.c:1: error"))));
                assert_eq!(got, (Some(cause), message.to_owned()), "{exit:?}");
            }
        }
    }

    #[test]
    fn exits_are_judged_by_the_first_rule_that_fits() {
        let full = Some(Cause::WorkspaceFull);
        for (exit, step, cause, message) in [
            (exit(0, false), None, None, ""),
            (exit(0, true), None, None, ""),
            (
                exit(2, true),
                Some(failed(None, Some("gcc: fatal error: Killed"))),
                Some(Cause::MemoryLimit),
                "the build needed more memory than the 2 GiB it may have",
            ),
            (
                exit(153, false),
                Some(failed(None, None)),
                Some(Cause::FileTooLarge),
                "compile failed: a file grew beyond 1 GiB",
            ),
            (
                exit(2, false),
                Some(failed(Some(Cause::FileTooLarge), None)),
                Some(Cause::FileTooLarge),
                "compile failed: a file grew beyond 1 GiB",
            ),
            (
                exit(159, false),
                Some(failed(None, None)),
                Some(Cause::BlockedSyscall),
                "compile failed: a process was killed for a system call that is not allowed",
            ),
            (
                exit(1, false),
                Some(failed(full, Some("cc1: error: No space left on device"))),
                Some(Cause::WorkspaceFull),
                "compile failed: no space left; the workspace has 1 GiB and 65536 files, /tmp has 128 MiB",
            ),
            (
                exit(2, false),
                Some(failed(Some(Cause::ProcessesExhausted), None)),
                Some(Cause::ProcessesExhausted),
                "compile failed: it may have 512 processes at one time",
            ),
            // Memory is judged by what the kernel says, not by what a program prints.
            (
                exit(2, false),
                Some(failed(Some(Cause::MemoryLimit), None)),
                Some(Cause::Compile),
                "compile failed with exit status 2",
            ),
            (
                exit(2, false),
                Some(failed(None, Some("src/a.c:12:5: expected ';'"))),
                Some(Cause::Compile),
                "compile failed: src/a.c:12:5: expected ';'",
            ),
            (
                exit(127, false),
                Some(failed(None, None)),
                Some(Cause::Compile),
                "compile failed with exit status 127: a command was not found",
            ),
            (
                exit(139, false),
                Some(failed(None, None)),
                Some(Cause::Compile),
                "compile failed with exit status 139: killed by signal 11",
            ),
            (exit(124, false), None, Some(Cause::Command), "the build ended with exit status 124"),
            (
                exit(137, false),
                None,
                Some(Cause::Engine),
                "something outside of kiln killed the container",
            ),
            (exit(3, false), None, Some(Cause::Command), "the build ended with exit status 3"),
        ] {
            assert_eq!(check(None, exit, step), (cause, message.to_owned()), "{exit:?}");
        }
    }

    #[test]
    fn a_kill_without_a_mark_is_judged_by_time_and_by_who_is_left() {
        let limits = Limits::default();
        for (code, seconds, is_alone, cause) in [
            (137, 899, false, Cause::Engine),
            (137, 899, true, Cause::Command),
            (137, 900, false, Cause::WallTime),
            (137, 930, true, Cause::WallTime),
            (124, 930, false, Cause::WallTime),
            (124, 3, false, Cause::Command),
        ] {
            let (exit, ran) = (exit(code, false), Duration::from_secs(seconds));
            let observed =
                Observed { stopped: None, exit, failed: None, limits: &limits, ran, is_alone };
            assert_eq!(judge(&observed).verdict.cause(), Some(cause), "{code} {seconds}");
        }
    }

    #[test]
    fn a_success_that_lost_a_process_is_a_success_with_a_warning() {
        let limits = Limits::default();
        assert_eq!(warning(&exit(0, false), &limits), None);
        assert_eq!(warning(&exit(1, true), &limits), None);
        assert!(warning(&exit(0, true), &limits).unwrap().starts_with("warning: "));
    }

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1 KiB"),
            (1536 << 10, "1.5 MiB"),
            (2 << 30, "2 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}

//! Whether the machine can take one more job: disk that is left, and pressure on its memory.
//!
//! Promises of memory are counted by `Workers`; here is looked at what the machine says of itself, which
//! has more users than kiln. An agent that takes nothing says why with every claim, so that it is
//! seen on the server and in the sentences of jobs that wait.

use std::time::Duration;

use crate::disk::Space;

/// How often a machine is looked at while its agent waits for a job.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// The rules, and where is looked.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Space: in the engine's folder as far as it is seen from here, and in the agent's own.
    pub space: Space,
    /// The most pressure, in percent.
    pub max_memory_pressure: u32,
    /// The share of the last ten seconds in which something waited for memory, in percent; nothing
    /// if the kernel does not count it.
    pub pressure: fn() -> Option<f64>,
}

impl Admission {
    /// Of a machine that is never asked.
    pub fn always() -> Self {
        Self { space: Space::unlimited(), max_memory_pressure: 100, pressure: || None }
    }

    /// Why nothing is to be taken now.
    pub(super) fn refusal(&self) -> Option<String> {
        if let Some(sentence) = self.space.shortage() {
            return Some(sentence);
        }
        let pressure = (self.pressure)()?;
        (pressure > f64::from(self.max_memory_pressure)).then(|| {
            format!(
                "its memory is short: something waited for it in {pressure:.0} % of the last ten \
                 seconds, and {} % are allowed (agent.max_memory_pressure)",
                self.max_memory_pressure
            )
        })
    }

    /// Waits until nothing is to be taken any more: a claim waits longer than a disk needs to fill.
    pub(super) async fn refused(&self) {
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            if self.refusal().is_some() {
                return;
            }
        }
    }
}

/// The pressure on this machine's memory.
pub fn memory_pressure() -> Option<f64> {
    pressure_in(&std::fs::read_to_string("/proc/pressure/memory").ok()?)
}

/// Reads `some avg10=1.23 avg60=…`.
fn pressure_in(text: &str) -> Option<f64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    some.split(' ').find_map(|field| field.strip_prefix("avg10="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::disk;

    const GIB: u64 = 1 << 30;

    fn admission(free: fn(&Path) -> Option<u64>, pressure: fn() -> Option<f64>) -> Admission {
        Admission {
            space: Space {
                places: vec!["/engine".into(), "/agent".into()],
                least: 2 * GIB,
                setting: "agent.min_free_bytes",
                free,
            },
            max_memory_pressure: 25,
            pressure,
        }
    }

    #[test]
    fn a_machine_without_space_or_memory_takes_nothing_and_says_why() {
        let calm: fn() -> Option<f64> = || Some(0.5);
        let roomy: fn(&Path) -> Option<u64> = |_| Some(9 * GIB);
        assert_eq!(admission(roomy, calm).refusal(), None);
        assert_eq!(
            admission(|_| None, || None).refusal(),
            None,
            "what is not known is not held against it"
        );
        let one_full =
            admission(|path| Some(if path == Path::new("/agent") { GIB } else { 9 * GIB }), calm);
        let sentence = one_full.refusal().unwrap();
        assert!(sentence.contains("1024 MiB are free at /agent"), "{sentence}");
        let sentence = admission(roomy, || Some(60.0)).refusal().unwrap();
        assert!(sentence.contains("60 %") && sentence.contains("25 %"), "{sentence}");
        assert_eq!(admission(roomy, || Some(25.0)).refusal(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_that_fills_up_while_its_agent_waits_is_noticed() {
        use std::sync::atomic::{AtomicU64, Ordering};
        static FREE: AtomicU64 = AtomicU64::new(9 * GIB);
        let machine = admission(|_| Some(FREE.load(Ordering::Relaxed)), || None);
        let quiet = tokio::time::timeout(LOOK_AGAIN * 3, machine.refused()).await;
        assert!(quiet.is_err(), "there is space");
        FREE.store(GIB, Ordering::Relaxed);
        tokio::time::timeout(LOOK_AGAIN * 3, machine.refused()).await.unwrap();
    }

    /// A small file system in a namespace of its own, which is gone with its process.
    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the rule is for the product; tests start programs"
    )]
    fn a_disk_that_is_really_full_is_seen_and_one_that_is_emptied_too() {
        use std::{
            io::{BufRead as _, BufReader, Write as _},
            process::{Command, Stdio},
        };
        let folder = tempfile::tempdir().unwrap();
        let script = "mount -t tmpfs -o size=8m tmpfs \"$1\" && echo ready && read -r line
            head -c 6291456 /dev/zero > \"$1/file\" && echo full && read -r line
            rm \"$1/file\" && echo empty && read -r line";
        let mut helper = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut words = BufReader::new(helper.stdout.take().unwrap()).lines();
        let mut next = helper.stdin.take().unwrap();
        let seen = PathBuf::from(format!("/proc/{}/root{}", helper.id(), folder.path().display()));
        let machine = Admission {
            space: Space { places: vec![seen], least: 4 << 20, setting: "x", free: disk::free },
            ..Admission::always()
        };
        for (word, is_refused) in [("ready", false), ("full", true), ("empty", false)] {
            assert_eq!(words.next().unwrap().unwrap(), word);
            let refusal = machine.refusal();
            assert_eq!(refusal.is_some(), is_refused, "{word}: {refusal:?}");
            if let Some(sentence) = refusal {
                assert!(sentence.starts_with("2 MiB are free at"), "{sentence}");
            }
            writeln!(next).unwrap();
        }
        assert!(helper.wait().unwrap().success());
    }

    #[test]
    fn the_kernels_own_words_are_understood() {
        let text =
            "some avg10=12.34 avg60=0.00 avg300=0.00 total=1\nfull avg10=1.00 avg60=0 total=0\n";
        assert_eq!(pressure_in(text), Some(12.34));
        for odd in ["", "full avg10=1.00", "some avg60=1", "some avg10=x"] {
            assert_eq!(pressure_in(odd), None, "{odd}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(disk::free(folder.path()).is_some_and(|bytes| bytes > 0));
        assert_eq!(disk::free(Path::new("/nowhere/at/all")), None);
    }
}

//! How a run may end: by itself, for a bound, or because it was told to.

use std::time::{Duration, Instant};

use crate::harness::{Farm, run, start, with_farm};
use kiln::{model::Limits, sandbox::SessionSpec};

/// A spec with other limits.
fn limited(farm: &Farm, change: impl FnOnce(&mut Limits)) -> SessionSpec {
    let mut spec = farm.spec();
    change(&mut spec.limits);
    spec
}

#[tokio::test]
async fn exit_statuses_arrive_as_they_are() {
    with_farm(async |farm| {
        for (script, code) in [
            ("exit 0", 0),
            ("exit 1", 1),
            ("exit 255", 255),
            ("kill -SEGV $$", 139),
            ("kill -KILL $$", 137),
            ("nonexistent-command", 127),
            ("./main.c", 126),
            ("truncate -s 1T big", 153),
        ] {
            let exit = farm.run(script).await.exit;
            assert_eq!(
                (exit.code, exit.oom_killed, exit.stopped),
                (code, false, false),
                "{script}"
            );
        }
    })
    .await;
}

/// Allocates and touches memory until it is ended.
const HOG: &str = "cat >hog.c <<'END'\n#include <stdlib.h>\n#include <string.h>\nint main(void) { for (;;) memset(malloc(1 << 20), 1, 1 << 20); }\nEND\ngcc -o hog hog.c || exit 99\n";

#[tokio::test]
async fn a_kill_for_memory_is_seen_whatever_the_status_says() {
    with_farm(async |farm| {
        let spec = || limited(farm, |limits| limits.memory_bytes = 96 << 20);
        let ran = farm.run_with(spec(), &format!("{HOG}exec ./hog")).await;
        assert_eq!((ran.exit.code, ran.exit.oom_killed), (137, true), "{ran:?}");
        let ran = farm.run_with(spec(), &format!("{HOG}./hog || echo went on")).await;
        assert_eq!((ran.exit.code, ran.exit.oom_killed), (0, true), "{ran:?}");
        assert_eq!(ran.text(), "went on\n");
    })
    .await;
}

const BOMB: &str = "cat >bomb.c <<'END'\n#include <unistd.h>\nint main(void) { for (;;) fork(); }\nEND\ngcc -o bomb bomb.c && echo up && exec ./bomb";

#[tokio::test]
async fn a_fork_bomb_is_held_and_stopped() {
    with_farm(async |farm| {
        let session = farm.open().await;
        let started = start(session, BOMB).await;
        let mut output = started.output;
        tokio::spawn(async move { while output.recv().await.is_some() {} });
        let mut most = 0;
        for _ in 0..3 {
            let name = farm.left().await.into_iter().find(|name| name.ends_with("-b")).unwrap();
            let docker = farm.sandbox.engine().docker();
            let name = name.trim_start_matches('/');
            let top =
                docker.top_processes(name, None::<bollard::query_parameters::TopOptions>).await;
            most = most.max(top.unwrap().processes.unwrap_or_default().len());
        }
        assert!(most <= 64, "{most} processes");
        let before = Instant::now();
        started.stop.cancel();
        let (session, exit) = started.task.await.unwrap();
        assert!(
            exit.stopped && before.elapsed() < Duration::from_secs(2),
            "{:?}",
            before.elapsed()
        );
        session.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_workspace_is_bounded_in_bytes_and_files() {
    with_farm(async |farm| {
        for script in [
            "head -c 1G /dev/zero >big",
            "i=0; while [ $i -lt 20000 ]; do : >f$i || exit 1; i=$((i+1)); done",
            "head -c 1G /dev/zero >/tmp/big",
            "i=0; while [ $i -lt 20000 ]; do : >/tmp/f$i || exit 1; i=$((i+1)); done",
            "head -c 1G /dev/zero >/dev/shm/big",
        ] {
            let ran = farm.run(script).await;
            let stderr = String::from_utf8_lossy(&ran.stderr).into_owned();
            assert!(ran.exit.code != 0 && !ran.exit.oom_killed, "{script}: {ran:?}");
            // dash says only that it cannot create the file.
            let is_full = stderr.contains("No space left") || stderr.contains("cannot create");
            assert!(is_full, "{script}: {stderr}");
        }
        let ran = farm
            .run("for f in /x /run/x /etc/x /workspace/../x /dev/x; do (: >$f); done; true")
            .await;
        let refused = String::from_utf8_lossy(&ran.stderr).matches("cannot create").count();
        assert_eq!(refused, 5, "{ran:?}");
    })
    .await;
}

#[tokio::test]
async fn a_daemon_does_not_outlive_the_build() {
    with_farm(async |farm| {
        let mut session = farm.open().await;
        let script = "setsid sh -c 'while :; do echo x >>alive; done' >/dev/null 2>&1 & sleep 0.2";
        run(session.as_mut(), script).await.ok();
        let size = async |session: &mut dyn kiln::sandbox::Session| {
            let listed = session.list(100).await.unwrap();
            listed.into_iter().find(|entry| entry.path == b"alive").unwrap().size
        };
        let first = size(session.as_mut()).await;
        assert!(first > 0);
        for _ in 0..5 {
            assert_eq!(size(session.as_mut()).await, first, "it still writes");
        }
        session.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_stop_ends_what_ignores_signals_and_what_is_not_read() {
    with_farm(async |farm| {
        for script in [
            "trap '' TERM INT HUP QUIT; echo up; while :; do sleep 1000; done",
            "trap '' TERM; echo up; exec yes",
            "echo up; exec >&- 2>&-; sleep 1000",
            "echo up; kill -STOP $$",
        ] {
            let session = farm.open().await;
            let started = start(session, script).await;
            // Nobody reads from here on, but the channel stays open.
            let before = Instant::now();
            started.stop.cancel();
            let (session, exit) = started.task.await.unwrap();
            let took = before.elapsed();
            assert!(exit.stopped && took < Duration::from_secs(2), "{script}: {took:?}");
            drop(started.output);
            session.close().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_longer_run_says_what_it_used() {
    with_farm(async |farm| {
        let script = "head -c 20M /dev/zero >f; end=$(($(date +%s) + 3)); while [ $(date +%s) -lt $end ]; do :; done";
        let used = farm.run(script).await.ok().exit.used.unwrap();
        assert!(used.peak_memory_bytes > 20 << 20, "{used:?}");
        assert!(used.cpu > Duration::from_millis(50), "{used:?}");
    })
    .await;
}

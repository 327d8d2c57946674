//! Nothing is left: after closing, dropping, failing, dying.

use std::{sync::Arc, time::Duration};

use bollard::query_parameters::RemoveContainerOptionsBuilder;
use futures_util::StreamExt;
use kiln::{
    model::{Clock, ManualClock, SystemClock},
    sandbox::{ImageId, Sandbox, SandboxError, Swept},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::harness::{entries, run, source, start, with_farm};

#[tokio::test]
async fn a_dropped_session_is_removed_in_the_background() {
    with_farm(async |farm| {
        let session = farm.open().await;
        assert_eq!(farm.left().await.len(), 3);
        drop(session);
        let started = start(farm.open().await, "echo up; sleep 1000").await;
        started.task.abort();
        assert!(started.task.await.is_err());
        farm.sandbox.settle().await;
        assert_eq!(farm.left().await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_session_that_cannot_be_opened_leaves_nothing() {
    with_farm(async |farm| {
        let absent = format!("sha256:{}", "0".repeat(64));
        for image in [absent.as_str(), "kiln/toolchain:gcc-12", "", "sha256:short"] {
            let mut spec = farm.spec();
            spec.image = ImageId(image.to_owned());
            let error = farm.sandbox.open(spec).await.unwrap_err();
            assert!(matches!(error, SandboxError::Image { .. }), "{image}: {error}");
            assert_eq!(farm.left().await, [""; 0], "{image}");
        }
        // The engine refuses this at the second step, when the volume is there already.
        let mut spec = farm.spec();
        spec.limits.cpu_millis = 1;
        let _ = farm.sandbox.open(spec).await.unwrap_err();
        assert_eq!(farm.left().await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn an_attempt_is_opened_once_and_the_second_does_not_harm_the_first() {
    with_farm(async |farm| {
        let spec = farm.spec();
        let mut session = farm.open_with(spec.clone()).await;
        for sandbox in [farm.sandbox.clone(), farm.restarted()] {
            let error = sandbox.open(spec.clone()).await.unwrap_err();
            assert!(matches!(error, SandboxError::Engine(_)), "{error}");
        }
        assert_eq!(run(session.as_mut(), "echo alive").await.ok().text(), "alive\n");
        session.close().await.unwrap();
        farm.open_with(spec).await.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_open_that_nobody_waits_for_leaves_nothing() {
    with_farm(async |farm| {
        for millis in [0, 5, 50, 150] {
            let open = farm.sandbox.open(farm.spec());
            let _ = tokio::time::timeout(Duration::from_millis(millis), open).await;
        }
        farm.sandbox.settle().await;
        assert_eq!(farm.left().await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn after_a_crash_a_sweep_removes_what_nobody_needs() {
    with_farm(async |farm| {
        let (lost, kept) = (farm.spec(), farm.spec());
        std::mem::forget(farm.open_with(lost).await);
        std::mem::forget(farm.open_with(kept.clone()).await);
        assert_eq!(farm.left().await.len(), 6);
        // This process knows both of them, so it takes neither.
        assert_eq!(farm.sandbox.sweep(&[]).await.unwrap(), Swept::default());

        let other = farm.as_agent("b", Arc::new(SystemClock));
        assert_eq!(other.sweep(&[]).await.unwrap(), Swept::default(), "another agent's");
        let restarted = farm.restarted();
        let swept = restarted.sweep(&[(kept.job, kept.attempt)]).await.unwrap();
        assert_eq!(swept, Swept { containers: 2, volumes: 1 });
        assert_eq!(farm.left().await.len(), 3);

        let clock = ManualClock::new(SystemClock.now());
        clock.advance(Duration::from_secs(601));
        let late = farm.as_agent("b", Arc::new(clock));
        assert_eq!(late.sweep(&[]).await.unwrap(), Swept { containers: 2, volumes: 1 });
        assert_eq!(restarted.sweep(&[]).await.unwrap(), Swept::default());
    })
    .await;
}

#[tokio::test]
async fn a_sweep_touches_nothing_of_another_instance() {
    with_farm(async |ours| {
        with_farm(async |theirs| {
            std::mem::forget(theirs.open().await);
            assert_eq!(ours.restarted().sweep(&[]).await.unwrap(), Swept::default());
            assert_eq!(theirs.left().await.len(), 3);
            theirs.restarted().sweep(&[]).await.unwrap();
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn without_its_agent_a_pair_ends_by_itself() {
    with_farm(async |farm| {
        let mut spec = farm.spec();
        spec.deadline = SystemClock.now().plus(Duration::from_secs(2));
        let mut session = farm.open_with(spec).await;
        // The holder's own switch: what it held is gone, and that is nobody's "no artifacts".
        run(session.as_mut(), "sleep 3").await.ok();
        let error = session.list(10).await.unwrap_err();
        assert!(matches!(error, SandboxError::Engine(_)), "{error}");
        session.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_holder_that_dies_is_the_machines_fault() {
    with_farm(async |farm| {
        let kill = async || {
            let name = farm.left().await.into_iter().find(|name| name.ends_with("-h")).unwrap();
            let options = RemoveContainerOptionsBuilder::default().force(true).build();
            let docker = farm.sandbox.engine().docker();
            docker.remove_container(name.trim_start_matches('/'), Some(options)).await.unwrap();
        };
        let mut session = farm.sandbox.open(farm.spec()).await.unwrap();
        kill().await;
        let error = session.load(source(&[])).await.unwrap_err();
        assert!(matches!(error, SandboxError::Engine(_)), "before loading: {error}");
        session.close().await.unwrap();

        let mut session = farm.open().await;
        run(session.as_mut(), "echo ok").await.ok();
        kill().await;
        let error = session.list(10).await.unwrap_err();
        assert!(matches!(error, SandboxError::Engine(_)), "before listing: {error}");
        session.close().await.unwrap();

        let mut session = farm.open().await;
        run(session.as_mut(), "head -c 40M /dev/zero >big").await.ok();
        session.list(10).await.unwrap();
        let tar = session.collect(vec![b"big".to_vec()]).await.unwrap();
        let (read, ()) = tokio::join!(tokio::spawn(entries(tar)), kill());
        assert!(read.is_err(), "a tar that was cut short says so");
        session.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn closing_does_not_wait_for_who_reads_the_artifacts() {
    with_farm(async |farm| {
        let mut session = farm.open().await;
        run(session.as_mut(), "head -c 40M /dev/zero >big").await.ok();
        session.list(10).await.unwrap();
        let mut tar = session.collect(vec![b"big".to_vec()]).await.unwrap();
        tar.next().await.unwrap().unwrap();
        session.close().await.unwrap();
        drop(tar);
    })
    .await;
}

#[tokio::test]
async fn a_build_that_is_taken_away_is_the_machines_fault() {
    with_farm(async |farm| {
        let started = start(farm.open().await, "echo up; sleep 1000").await;
        let name = farm.left().await.into_iter().find(|name| name.ends_with("-b")).unwrap();
        let options = RemoveContainerOptionsBuilder::default().force(true).build();
        let docker = farm.sandbox.engine().docker();
        docker.remove_container(name.trim_start_matches('/'), Some(options)).await.unwrap();
        // Either it is gone before anybody could ask how it ended, or it was seen to be killed; it
        // is never taken for a build that ended by itself or was stopped.
        if let Ok((session, exit)) = started.task.await {
            assert_eq!((exit.code, exit.stopped), (137, false));
            session.close().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn the_wall_time_ends_a_build_even_without_the_agent() {
    with_farm(async |farm| {
        let mut spec = farm.spec();
        spec.limits.wall_seconds = 1;
        let mut session = farm.open_with(spec).await;
        let (sender, mut output) = mpsc::channel(16);
        tokio::spawn(async move { while output.recv().await.is_some() {} });
        // 30 s of grace come on top: the agent's own clock is meant to be first.
        let exit =
            session.run("sleep 1000".into(), sender, CancellationToken::new()).await.unwrap();
        assert_eq!((exit.code, exit.stopped), (137, false));
        session.close().await.unwrap();
    })
    .await;
}

//! Output comes as it was written, all of it.

use crate::harness::{run, start, with_farm};

#[tokio::test]
async fn bytes_come_as_they_were_written() {
    with_farm(async |farm| {
        for (script, stdout, stderr) in [
            ("printf 'no newline'", &b"no newline"[..], &b""[..]),
            (
                "printf '\\000\\001\\002\\377\\376'; printf '\\000\\200' >&2",
                b"\0\x01\x02\xff\xfe",
                b"\0\x80",
            ),
            ("printf 'a\\r\\nb\\033[31m\\n\\n'", b"a\r\nb\x1b[31m\n\n", b""),
            ("true", b"", b""),
            ("cat", b"", b""),
        ] {
            let ran = farm.run(script).await.ok();
            assert_eq!((&ran.stdout[..], &ran.stderr[..]), (stdout, stderr), "{script}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_million_lines_are_complete_and_in_order_on_both_streams() {
    with_farm(async |farm| {
        let script = "seq 1000000 & seq 200000 >&2; wait";
        let ran = farm.run(script).await.ok();
        for (bytes, count) in [(&ran.stdout, 1_000_000_u32), (&ran.stderr, 200_000)] {
            let text = std::str::from_utf8(bytes).unwrap();
            let numbers = text.lines().map(|line| line.parse::<u32>().unwrap());
            assert!(numbers.eq(1..=count), "{count} lines");
        }
    })
    .await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_holds_the_build_up_and_loses_nothing() {
    with_farm(async |farm| {
        let session = farm.open().await;
        let script = "seq 1000000; echo done >finished";
        let mut started = start(session, script).await;
        // The pipes take a few hundred kilobytes of the 7 MB; then the build waits.
        let name = farm.left().await.into_iter().find(|name| name.ends_with("-b")).unwrap();
        let inspected = farm
            .sandbox
            .engine()
            .docker()
            .inspect_container(name.trim_start_matches('/'), None)
            .await;
        assert_eq!(inspected.unwrap().state.unwrap().running, Some(true));
        let mut text = started.first.to_vec();
        while let Some(output) = started.output.recv().await {
            text.extend_from_slice(&output.bytes);
        }
        let (mut session, exit) = started.task.await.unwrap();
        assert_eq!(exit.code, 0);
        assert!(text.ends_with(b"\n999999\n1000000\n"));
        assert_eq!(text.split(|&byte| byte == b'\n').count(), 1_000_001);
        assert_eq!(session.list(10).await.unwrap().len(), 2);
        session.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_script_is_one_argument_whatever_it_holds() {
    with_farm(async |farm| {
        let script = "printf '%s' '\"$(id)\" `id` \\ ; & | é'\necho \"$0\"\n# end";
        let ran = farm.run(script).await.ok();
        assert_eq!(ran.text(), "\"$(id)\" `id` \\ ; & | é/bin/sh\n");

        let mut session = farm.open().await;
        let long = format!("# {}\necho end", "x".repeat(73_000));
        assert_eq!(run(session.as_mut(), &long).await.ok().text(), "end\n");
        session.close().await.unwrap();
    })
    .await;
}

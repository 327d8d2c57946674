//! What a build can leave in its workspace to trick whoever reads it.

use std::fmt::Write;

use kiln::sandbox::{EntryKind, Sandbox, SandboxError};

use crate::harness::{bytes, entries, run, source, with_farm};

#[tokio::test]
async fn a_source_folder_that_was_swapped_gives_nothing_away() {
    with_farm(async |farm| {
        for script in [
            "cd .. && rm -rf src && ln -s /etc src",
            "cd .. && rm -rf src && ln -s / src",
            "cd .. && rm -rf src && echo file >src",
            "cd .. && rm -rf src",
            "cd .. && mv src other && ln -s other src",
            "cd .. && rm -rf src && mkfifo src",
        ] {
            let mut session = farm.open().await;
            run(session.as_mut(), script).await.ok();
            assert_eq!(session.list(10).await.unwrap(), [], "{script}");
            let chosen = vec![b"passwd".to_vec()];
            assert!(session.collect(chosen).await.is_err(), "{script}");
            session.close().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_symlink_is_collected_as_one_and_never_followed() {
    with_farm(async |farm| {
        let mut session = farm.open().await;
        let script =
            "ln -s /etc/passwd p; ln -s /etc e; ln -s ../../.. up; ln -s p loop1; ln -s self self";
        run(session.as_mut(), script).await.ok();
        let listed = session.list(10).await.unwrap();
        assert_eq!(listed.iter().filter(|entry| entry.kind == EntryKind::Symlink).count(), 5);
        assert_eq!(listed.len(), 6);
        let paths = ["p", "e", "up", "self"].map(|path| path.as_bytes().to_vec());
        let found = entries(session.collect(paths.to_vec()).await.unwrap()).await;
        let targets: Vec<_> = found.iter().map(|(_, target, _)| target.as_slice()).collect();
        assert_eq!(targets, [&b"/etc/passwd"[..], b"/etc", b"../../..", b"self"]);
        session.close().await.unwrap();

        let mut session = farm.open().await;
        run(session.as_mut(), "ln -s /etc e").await.ok();
        session.list(10).await.unwrap();
        let through = vec![b"e/passwd".to_vec()];
        assert!(session.collect(through).await.is_err(), "what was not listed is not handed out");
        session.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn names_are_bytes_and_never_options() {
    with_farm(async |farm| {
        let names: [&[u8]; 10] = [
            b"-x",
            b"--checkpoint=1",
            b"--checkpoint-action=exec=sh pwn",
            b"-C",
            b"new\nline",
            b"tab\tand space ",
            b"back\\n\\\\slash",
            b"\xff\xfe not UTF-8",
            b"*?[a]",
            b"\x1b[31m\"'`$(id)",
        ];
        let mut script = "printf 'touch ../pwned' >pwn\n".to_owned();
        for name in names {
            script.push_str("f=$(printf '");
            for byte in name {
                write!(script, "\\{byte:03o}").unwrap();
            }
            script.push_str(".'); printf hi >\"./${f%.}\"\n");
        }
        let mut session = farm.open().await;
        run(session.as_mut(), &script).await.ok();
        let listed = session.list(100).await.unwrap();
        for name in names {
            let found = listed.iter().any(|entry| entry.path == name && entry.size == 2);
            assert!(found, "{}", String::from_utf8_lossy(name));
        }
        let chosen: Vec<Vec<u8>> = names.iter().map(|name| name.to_vec()).collect();
        let found = entries(session.collect(chosen.clone()).await.unwrap()).await;
        let paths: Vec<_> = found.iter().map(|(path, ..)| path.clone()).collect();
        assert_eq!(paths, chosen);
        assert!(found.iter().all(|(_, contents, _)| contents == b"hi"));
        session.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn pipes_sockets_and_unreadable_files_do_no_harm() {
    with_farm(async |farm| {
        let mut session = farm.open().await;
        let script = "mkfifo pipe; mknod chr c 1 3 2>/dev/null && exit 9; mknod blk b 7 0 2>/dev/null && exit 9
            printf ok >good; printf no >secret; chmod 0 secret; mkdir shut; : >shut/inside; chmod 0 shut
            ln good hard; truncate -s 40M sparse; chmod 4755 good; touch -d @0 good";
        run(session.as_mut(), script).await.ok();
        let listed = session.list(100).await.unwrap();
        let kind = |path: &str| listed.iter().find(|entry| entry.path == path.as_bytes()).unwrap().kind;
        assert_eq!(kind("pipe"), EntryKind::Other);
        assert_eq!(kind("shut"), EntryKind::Directory);
        let paths = ["good", "hard", "secret", "sparse"].map(|path| path.as_bytes().to_vec());
        let found = entries(session.collect(paths.to_vec()).await.unwrap()).await;
        let sizes: Vec<_> =
            found.iter().map(|(path, bytes, _)| (path.as_slice(), bytes.len())).collect();
        // What cannot be read is left out; a hard link is a file of its own.
        assert_eq!(sizes, [(&b"good"[..], 2), (b"hard", 2), (b"sparse", 40 << 20)]);
        session.close().await.unwrap();

        let mut session = farm.open().await;
        run(session.as_mut(), "mkfifo pipe").await.ok();
        session.list(10).await.unwrap();
        assert!(session.collect(vec![b"pipe".to_vec()]).await.is_err());
        session.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn depth_and_number_are_bounded() {
    with_farm(async |farm| {
        let mut spec = farm.spec();
        spec.limits.workspace_files = 30_000;
        let mut session = farm.open_with(spec).await;
        let deep = "cat >deep.c <<'END'\n#include <unistd.h>\n#include <sys/stat.h>\nint main(void) { for (int i = 0; i < 20000; i++) if (mkdir(\"d\", 0755) || chdir(\"d\")) return 1; return 0; }\nEND\ngcc -o deep deep.c && ./deep";
        run(session.as_mut(), deep).await.ok();
        let listed = session.list(1_000).await.unwrap();
        assert!(listed.len() < 140, "{} entries", listed.len());
        session.close().await.unwrap();

        let mut session = farm.open().await;
        let script = "n=$(printf '%0200d' 0); mkdir -p $n/$n/$n/$n && cd $n/$n/$n/$n && i=0 &&
            while [ $i -lt 1000 ]; do : >$n$i; i=$((i+1)); done";
        run(session.as_mut(), script).await.ok();
        let error = session.list(1_010).await.unwrap_err();
        assert!(matches!(error, SandboxError::ArtifactLimit(_)), "{error}");
        session.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn many_files_come_out_in_one_go() {
    with_farm(async |farm| {
        let mut session = farm.open().await;
        let script = "i=0; while [ $i -lt 15000 ]; do echo $i >f$i; i=$((i+1)); done";
        run(session.as_mut(), script).await.ok();
        let paths: Vec<_> =
            session.list(20_000).await.unwrap().into_iter().map(|entry| entry.path).collect();
        assert_eq!(paths.len(), 15_001);
        let found = entries(session.collect(paths.clone()).await.unwrap()).await;
        assert!(found.iter().map(|(path, ..)| path).eq(paths.iter()));
        session.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_source_beyond_its_bounds_is_refused_and_a_broken_one_is_our_fault() {
    with_farm(async |farm| {
        let large = vec![b'x'; 12 << 20];
        let check = async |change: fn(&mut kiln::sandbox::SessionSpec), tar, too_large: bool| {
            let mut spec = farm.spec();
            change(&mut spec);
            let mut session = farm.sandbox.open(spec).await.unwrap();
            let error = session.load(tar).await.unwrap_err();
            assert_eq!(matches!(error, SandboxError::SourceTooLarge(_)), too_large, "{error}");
            session.close().await.unwrap();
        };
        let files: Vec<(String, u32, &[u8])> =
            (0..200).map(|i| (format!("f{i}"), 0o644, &b""[..])).collect();
        let files: Vec<_> =
            files.iter().map(|(path, mode, bytes)| (path.as_str(), *mode, *bytes)).collect();
        check(|spec| spec.limits.workspace_bytes = 1 << 20, source(&[("f", 0o644, &large)]), true)
            .await;
        check(|spec| spec.limits.workspace_files = 64, source(&files), true).await;
        check(
            |spec| {
                spec.source_bytes = 1 << 20;
                spec.limits.workspace_files = 64;
            },
            source(&[("f", 0o644, &large)]),
            true,
        )
        .await;
        check(|_| {}, bytes(vec![b'?'; 100_000]), false).await;
    })
    .await;
}

#[tokio::test]
async fn a_large_source_arrives_whole() {
    with_farm(async |farm| {
        let mut spec = farm.spec();
        spec.limits.workspace_bytes = 512 << 20;
        spec.limits.file_bytes = 512 << 20;
        spec.source_bytes = 300 << 20;
        let large: Vec<u8> = (0..300_u32 << 18).flat_map(u32::to_le_bytes).collect();
        let mut session = farm.sandbox.open(spec).await.unwrap();
        session
            .load(source(&[("large", 0o644, &large), ("run.sh", 0o755, b"#!/bin/sh\n")]))
            .await
            .unwrap();
        let ran = run(session.as_mut(), "cksum <large; ./run.sh && echo ran").await.ok();
        let mut lines = std::str::from_utf8(&ran.stdout).unwrap().lines();
        assert!(lines.next().unwrap().ends_with(&format!(" {}", 300 << 20)));
        assert_eq!(lines.next(), Some("ran"));
        session.list(10).await.unwrap();
        let found = entries(session.collect(vec![b"large".to_vec()]).await.unwrap()).await;
        assert!(found[0].1 == large, "what comes out is what went in");
        session.close().await.unwrap();
    })
    .await;
}

//! What a source's tree becomes, and which trees are refused.

use kiln::{
    model::Cause,
    source::{SourceError, TreeKind},
};
use tar::EntryType;
use tokio_util::sync::CancellationToken;

use crate::{
    Entry, Kiln,
    git::{Hostile, Repos},
};

/// Path, mode, kind, target and content.
type Row<'a> = (&'a str, u32, EntryType, Option<&'a str>, &'a [u8]);

#[tokio::test]
async fn the_tar_has_bits_links_and_names_exactly_and_links_last() {
    let repos = Repos::new();
    let long = format!("deep/{}/{}.c", "d".repeat(120), "f".repeat(120));
    let commit = repos.commit(
        "app",
        "main",
        &[
            ("120000", "a-link", b"../../etc/passwd"),
            ("100644", ".gitattributes", b"* text eol=crlf\n"),
            ("100755", "configure", b"#!/bin/sh\n"),
            ("100644", "src/main.c", b"int main;\n"),
            ("100644", &long, b"x"),
            ("120000", "src/z", b"/absolute"),
            ("160000", "vendor/lib", &[b'1'; 40]),
        ],
    );
    let kiln = Kiln::new();
    let fetched = kiln.fetch(&repos.file_url("app"), &commit).await.unwrap();
    let deep = format!("src/deep/{}/", "d".repeat(120));
    let long = format!("src/{long}");
    let expected: Vec<Row<'_>> = vec![
        ("src/", 0o755, EntryType::Directory, None, b""),
        ("src/.gitattributes", 0o644, EntryType::Regular, None, b"* text eol=crlf\n"),
        ("src/configure", 0o755, EntryType::Regular, None, b"#!/bin/sh\n"),
        ("src/deep/", 0o755, EntryType::Directory, None, b""),
        (&deep, 0o755, EntryType::Directory, None, b""),
        (&long, 0o644, EntryType::Regular, None, b"x"),
        ("src/src/", 0o755, EntryType::Directory, None, b""),
        ("src/src/main.c", 0o644, EntryType::Regular, None, b"int main;\n"),
        ("src/vendor/", 0o755, EntryType::Directory, None, b""),
        ("src/vendor/lib/", 0o755, EntryType::Directory, None, b""),
        ("src/a-link", 0o777, EntryType::Symlink, Some("../../etc/passwd"), b""),
        ("src/src/z", 0o777, EntryType::Symlink, Some("/absolute"), b""),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(path, mode, kind, link, content)| Entry {
            path: path.to_owned(),
            mode,
            kind,
            link: link.map(str::to_owned),
            content: content.to_vec(),
        })
        .collect();
    assert_eq!(kiln.tar(&fetched.checkout).await, expected);
}

#[tokio::test]
async fn inspecting_says_what_the_plan_needs() {
    let repos = Repos::new();
    repos.commit("app", "main", &[("100644", "a.c", b"1"), ("100644", "b.c", b"1")]);
    let commit = repos.commit(
        "app",
        "main",
        &[
            ("100644", "a.c", b"22"),
            ("100644", ".kiln.toml", b"test = true\n"),
            ("100644", "sub/.kiln.toml", b"no"),
            ("100644", "CMakeLists.txt", &vec![b'#'; 70_000]),
            ("120000", "Makefile", b"/etc/passwd"),
            ("160000", "lib", &[b'1'; 40]),
        ],
    );
    let kiln = Kiln::new();
    let fetched = kiln.fetch(&repos.file_url("app"), &commit).await.unwrap();
    let wanted = [".kiln.toml", "CMakeLists.txt", "Makefile", "meson.build"];
    let cancel = CancellationToken::new();
    let found = kiln.sources.inspect(&fetched.checkout, &wanted, &cancel).await.unwrap();
    assert_eq!(found.info.author, "Ada");
    assert_eq!(
        (found.info.email.as_str(), found.info.message.as_str()),
        ("ada@example.com", "hello")
    );
    assert_eq!(found.info.committed_at.to_string(), "2023-11-14T22:13:20.000Z");
    let changed = [".kiln.toml", "CMakeLists.txt", "Makefile", "a.c", "lib", "sub/.kiln.toml"];
    assert_eq!(found.info.changed_paths, changed);
    assert_eq!(found.files.len(), 2, "not the symlink, not the missing one");
    assert_eq!(found.files[".kiln.toml"], b"test = true\n");
    assert_eq!(found.files["CMakeLists.txt"].len(), 64 << 10, "the large one's beginning");
    assert_eq!(found.too_large, ["CMakeLists.txt"]);
    assert_eq!(found.left_out, [b"lib"]);
    let entries: Vec<_> = found
        .entries
        .iter()
        .map(|entry| (str::from_utf8(&entry.path).unwrap(), entry.kind, entry.size))
        .collect();
    assert_eq!(
        entries,
        [
            (".kiln.toml", TreeKind::File, 12),
            ("CMakeLists.txt", TreeKind::File, 70_000),
            ("Makefile", TreeKind::Symlink, 11),
            ("a.c", TreeKind::File, 2),
            ("b.c", TreeKind::File, 1),
            ("lib", TreeKind::Submodule, 0),
            ("sub", TreeKind::Directory, 0),
            ("sub/.kiln.toml", TreeKind::File, 2),
        ]
    );
}

#[tokio::test]
async fn odd_but_harmless_names_arrive_byte_for_byte() {
    let repos = Repos::new();
    let names: [&[u8]; 5] = [b"-rf", b"A", b"a", b"a\nb", b"a\xff\x1b[31m"];
    let commit = repos.with_tree("odd", |objects| {
        let blob = objects.blob(b"x");
        objects.tree(&names.map(|name| ("100644", name, blob)))
    });
    let kiln = Kiln::new();
    let fetched = kiln.fetch(&repos.file_url("odd"), &commit).await.unwrap();
    let cancel = CancellationToken::new();
    let found = kiln.sources.inspect(&fetched.checkout, &[], &cancel).await.unwrap();
    let paths: Vec<_> = found.entries.iter().map(|entry| entry.path.as_slice()).collect();
    assert_eq!(paths, names);
}

async fn refused(make: impl FnOnce(&Hostile) -> git2::Oid, what: &str) {
    let repos = Repos::new();
    let commit = repos.with_tree("hostile", make);
    let kiln = Kiln::new();
    let result = kiln.fetch(&repos.file_url("hostile"), &commit).await;
    let Err(error) = result else { panic!("{what}: accepted") };
    let refused = error.cause() == Some(Cause::SourceRefused);
    // What libgit2 itself does not take never becomes a tree.
    let broken = matches!(&error, SourceError::Unreachable(_) | SourceError::Helper(_));
    assert!(refused || broken, "{what}: {error:?}");
    assert!(!error.to_string().chars().any(char::is_control), "{what}: {error:?}");
}

#[tokio::test]
async fn names_that_climb_or_hide_a_repository_are_refused() {
    let names: &[&[u8]] = &[
        b"..",
        b".",
        b"",
        b"a/b",
        b"/etc",
        b"a/../../b",
        b".git",
        b".GIT",
        b"git~1",
        b".git ",
        b".git::$INDEX_ALLOCATION",
        ".g\u{200c}it".as_bytes(),
        b"..\\x",
        &[b'n'; 5_000],
    ];
    for name in names {
        let what = String::from_utf8_lossy(name).into_owned();
        refused(|o| o.tree(&[("100644", name, o.blob(b"x"))]), &what).await;
    }
    refused(|o| o.tree(&[("40000", b".git", o.tree(&[("100644", b"x", o.blob(b"x"))]))]), "dir")
        .await;
}

#[tokio::test]
async fn duplicates_and_entries_that_lie_are_refused() {
    refused(
        |o| {
            let inside = o.tree(&[("100644", b"owned", o.blob(b"x"))]);
            o.tree(&[("120000", b"l", o.blob(b"/etc")), ("40000", b"l", inside)])
        },
        "a symlink and a directory of one name",
    )
    .await;
    refused(|o| o.tree(&[("40000", b"d", o.blob(b"x"))]), "a blob as a directory").await;
    refused(|o| o.tree(&[("120000", b"l", o.blob(&[b'x'; 5_000]))]), "a long target").await;
    refused(|o| o.tree(&[("120000", b"l", o.blob(b""))]), "an empty target").await;
    let gone = git2::Oid::from_str("0123456789012345678901234567890123456789").unwrap();
    refused(|o| o.tree(&[("100644", b"a", gone)]), "a missing blob").await;
}

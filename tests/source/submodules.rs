//! Submodules: fetched through the same gate, or left out.

use kiln::{
    config::SourceSettings,
    source::{SourceError, Submodules},
};
use tokio_util::sync::CancellationToken;

use crate::{Kiln, git::Repos, server::HttpGit, settings};

fn gitmodules(path: &str, url: &str) -> Vec<u8> {
    format!("[submodule \"x\"]\n\tpath = {path}\n\turl = {url}\n\tupdate = !touch owned\n")
        .into_bytes()
}

#[tokio::test]
async fn submodules_come_recursively_when_asked_for_and_are_empty_directories_otherwise() {
    let repos = Repos::new();
    let inner = repos.commit("inner", "main", &[("100644", "inner.h", b"i")]);
    let lib = repos.commit(
        "lib",
        "main",
        &[
            ("100644", ".gitmodules", &gitmodules("deep/inner", "../inner.git")),
            ("160000", "deep/inner", inner.as_bytes()),
            ("120000", "link", b"lib.c"),
            ("100644", "lib.c", b"l"),
        ],
    );
    let http = HttpGit::start(repos.root(), None);
    let app = repos.commit(
        "app",
        "main",
        &[
            ("100644", ".gitmodules", &gitmodules("vendor/lib", &http.url("lib"))),
            ("160000", "vendor/lib", lib.as_bytes()),
            ("160000", "stray", &[b'1'; 40]),
        ],
    );
    let kiln = Kiln::new();
    let cancel = CancellationToken::new();
    let url = http.url("app");
    for (submodules, left_out, paths) in [
        (
            Submodules::LeftOut,
            vec!["stray", "vendor/lib"],
            vec!["src/", "src/.gitmodules", "src/stray/", "src/vendor/", "src/vendor/lib/"],
        ),
        (
            Submodules::Fetched,
            vec!["stray"],
            vec![
                "src/",
                "src/.gitmodules",
                "src/stray/",
                "src/vendor/",
                "src/vendor/lib/",
                "src/vendor/lib/.gitmodules",
                "src/vendor/lib/deep/",
                "src/vendor/lib/deep/inner/",
                "src/vendor/lib/deep/inner/inner.h",
                "src/vendor/lib/lib.c",
                "src/vendor/lib/link",
            ],
        ),
    ] {
        let fetched = kiln.fetch_with(&url, &app, None, submodules).await.unwrap();
        assert!(fetched.fetched);
        let tar = kiln.tar(&fetched.checkout).await;
        assert_eq!(tar.iter().map(|entry| entry.path.as_str()).collect::<Vec<_>>(), paths);
        let found = kiln.sources.inspect(&fetched.checkout, &[], &cancel).await.unwrap();
        let said: Vec<_> =
            found.left_out.iter().map(|path| str::from_utf8(path).unwrap()).collect();
        assert_eq!(said, left_out);
    }
    let again = kiln.fetch_with(&url, &app, None, Submodules::Fetched).await.unwrap();
    assert!(!again.fetched);
}

#[tokio::test]
async fn what_a_source_can_do_without_is_missing_with_its_reason() {
    let repos = Repos::new();
    let inner = repos.commit("inner", "main", &[("100644", "inner.h", b"i")]);
    let lib = repos.commit(
        "lib",
        "main",
        &[
            ("100644", ".gitmodules", &gitmodules("inner", "../nowhere.git")),
            ("160000", "inner", inner.as_bytes()),
            ("100644", "lib.c", b"l"),
        ],
    );
    let modules = ["lib", "gone", "file", "odd"].map(|name| {
        let url = if name == "file" { repos.file_url("lib") } else { format!("../{name}.git") };
        gitmodules(name, &url)
    });
    repos.commit("odd", "main", &[("100644", "o", b"o")]);
    let app = repos.commit(
        "app",
        "main",
        &[
            ("100644", ".gitmodules", &modules.concat()),
            ("160000", "file", lib.as_bytes()),
            ("160000", "gone", lib.as_bytes()),
            ("160000", "lib", lib.as_bytes()),
            ("160000", "odd", &[b'1'; 40]),
            ("100644", "main.c", b"m"),
        ],
    );
    let http = HttpGit::start(repos.root(), None);
    let kiln = Kiln::with(SourceSettings { schemes: "http".parse().unwrap(), ..settings() });
    let fetched = kiln.fetch_with(&http.url("app"), &app, None, Submodules::IfPossible).await;
    let fetched = fetched.unwrap();
    let tar = kiln.tar(&fetched.checkout).await;
    let files: Vec<_> = tar.iter().map(|entry| entry.path.as_str()).collect();
    assert!(files.contains(&"src/main.c") && files.contains(&"src/lib/lib.c"), "{files:?}");
    assert!(files.contains(&"src/gone/") && files.contains(&"src/lib/inner/"), "{files:?}");
    let missing: Vec<_> =
        fetched.missing.iter().map(|one| str::from_utf8(&one.path).unwrap()).collect();
    assert_eq!(missing, ["file", "gone", "odd", "lib/inner"]);
    assert!(fetched.missing.iter().all(|one| !one.reason.is_empty()), "{fetched:?}");
    assert!(fetched.missing[0].reason.contains("file"), "{fetched:?}");

    // None at all may be allowed: then every one is missing.
    let none = SourceSettings { submodules: 0, ..settings() };
    let fetched = Kiln::with(none)
        .fetch_with(&http.url("app"), &app, None, Submodules::IfPossible)
        .await
        .unwrap();
    assert_eq!(fetched.missing.len(), 4);
    assert!(fetched.missing[0].reason.contains("more than 0 submodules"), "{fetched:?}");
}

#[tokio::test]
async fn a_submodule_passes_the_same_gate_as_its_parent() {
    let repos = Repos::new();
    let secret = repos.commit("secret", "main", &[("100644", "s", b"s")]);
    let http = HttpGit::start(repos.root(), None);
    let kiln = Kiln::with(SourceSettings { schemes: "http".parse().unwrap(), ..settings() });
    for (name, url) in [
        ("file", repos.file_url("secret")),
        ("path", repos.path("secret").display().to_string()),
        ("option", "-u./payload".to_owned()),
        ("climb", "../../../secret.git".to_owned()),
        ("ext", "ext::sh -c id".to_owned()),
        ("login", "http://u:hunter2@example.com/x".to_owned()),
    ] {
        let app = repos.commit(
            name,
            "main",
            &[
                ("100644", ".gitmodules", &gitmodules("lib", &url)),
                ("160000", "lib", secret.as_bytes()),
            ],
        );
        let result = kiln.fetch_with(&http.url(name), &app, None, Submodules::Fetched).await;
        let error = result.unwrap_err();
        assert!(matches!(error, SourceError::Refused(_)), "{url}: {error:?}");
        let text = error.to_string();
        assert!(text.starts_with("submodule lib: ") && !text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn a_submodule_in_a_folder_of_the_machine_needs_a_parent_in_one() {
    let repos = Repos::new();
    let secret = repos.commit("secret", "main", &[("100644", "s", b"s")]);
    let modules = gitmodules("lib", &repos.file_url("secret"));
    let app = repos.commit(
        "app",
        "main",
        &[("100644", ".gitmodules", &modules), ("160000", "lib", secret.as_bytes())],
    );
    let http = HttpGit::start(repos.root(), None);
    let kiln = Kiln::with(SourceSettings { schemes: "http,file".parse().unwrap(), ..settings() });
    let result = kiln.fetch_with(&http.url("app"), &app, None, Submodules::Fetched).await;
    let error = result.unwrap_err();
    assert!(matches!(error, SourceError::Refused(_)), "{error:?}");
    assert!(error.to_string().starts_with("submodule lib: "), "{error}");
    kiln.fetch_with(&repos.file_url("app"), &app, None, Submodules::Fetched).await.unwrap();
}

#[tokio::test]
async fn gitmodules_that_is_a_symlink_or_nests_too_deeply_is_refused() {
    let repos = Repos::new();
    let mut commit = repos.commit("s0", "main", &[("100644", "a", b"a")]);
    for level in 1..=5 {
        let url = format!("../s{}.git", level - 1);
        commit = repos.commit(
            &format!("s{level}"),
            "main",
            &[
                ("100644", ".gitmodules", &gitmodules("sub", &url)),
                ("160000", "sub", commit.as_bytes()),
            ],
        );
    }
    let kiln = Kiln::new();
    let fetch = |name, commit| {
        let (url, kiln) = (repos.file_url(name), &kiln);
        async move { kiln.fetch_with(&url, commit, None, Submodules::Fetched).await }
    };
    let error = fetch("s5", &commit).await.unwrap_err();
    assert!(matches!(error, SourceError::TooLarge(_)), "{error:?}");
    let link = repos.commit("link", "main", &[("120000", ".gitmodules", b"/etc/passwd")]);
    let error = fetch("link", &link).await.unwrap_err();
    assert!(matches!(error, SourceError::RefusedTree(_)), "{error:?}");
}

//! What is new at a commit: its message, and the paths that are not as they were at another one.

use kiln::{
    model::CommitId,
    source::{FetchSpec, SourceError, Submodules},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Kiln,
    git::Repos,
    server::{Daemon, HttpGit},
};

#[tokio::test]
async fn paths_that_changed_are_told_and_what_is_not_known_is_not_made_up() {
    let repos = Repos::new();
    let files = |code: &'static str, doc: &'static str| {
        [("100644", "src/a.c", code.as_bytes()), ("100644", "doc/a.md", doc.as_bytes())]
    };
    let first = repos.commit("app", "main", &files("int a;\n", "one"));
    let second = repos.commit("app", "main", &files("int a;\n", "two"));
    let third = repos.commit("app", "main", &[("100755", "src/a.c", b"int a;\n")]);
    repos.git("app", &["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let (http, daemon) = (HttpGit::start(repos.root(), None), Daemon::start(repos.root()));
    for url in [http.url("app"), daemon.url("app"), repos.file_url("app")] {
        let kiln = Kiln::new();
        let compare = async |commit: &str, since: Option<&str>| {
            let spec = FetchSpec {
                url: kiln.sources.parse_url(&url).unwrap(),
                commit: commit.parse().unwrap(),
                refname: Some("refs/heads/main".to_owned()),
                submodules: Submodules::IfPossible,
            };
            let since: Option<CommitId> = since.map(|since| since.parse().unwrap());
            kiln.sources.compare(&spec, since.as_ref(), &CancellationToken::new()).await
        };
        let paths = |paths: &[&str]| Some(paths.iter().map(|&path| path.to_owned()).collect());
        let found = compare(&second, Some(&first)).await.unwrap();
        assert_eq!(found.paths, paths(&["doc/a.md"]), "{url}");
        assert!(!found.message.is_empty());
        // A mode is a change; nothing is when nothing changed.
        let found = compare(&third, Some(&second)).await.unwrap();
        assert_eq!(found.paths, paths(&["src/a.c"]), "{url}");
        assert_eq!(compare(&third, Some(&third)).await.unwrap().paths, paths(&[]), "{url}");
        // Compared with nothing, or with what nobody has any more.
        assert_eq!(compare(&third, None).await.unwrap().paths, None, "{url}");
        let gone = "0123456789012345678901234567890123456789";
        assert_eq!(compare(&third, Some(gone)).await.unwrap().paths, None, "{url}");
        let error = compare(gone, Some(&third)).await.unwrap_err();
        assert!(matches!(error, SourceError::UnknownRef(_)), "{url}: {error:?}");
    }
}

//! Every route of the description, asked by a fuzzer that reads it: no failure of the server, no
//! answer that the description does not allow, nothing without a token.

use std::{path::PathBuf, process::Stdio, time::Duration};

use kiln::config::Anonymous;
use tokio::process::Command;

use crate::strict;

/// A release that is known to work.
const VERSION: &str = "4.32.5";

/// What is looked for.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,unsupported_method,ignored_auth,\
    missing_required_header";

#[expect(clippy::disallowed_methods, reason = "the rule is for the product; tests start programs")]
fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Installed once, beside the other tools of tests. Several tests may come at one time.
async fn schemathesis() -> PathBuf {
    let home = std::env::var("HOME").expect("there is a home");
    let folder = PathBuf::from(home).join(format!(".cache/kiln-tools/schemathesis-{VERSION}"));
    std::fs::create_dir_all(&folder).unwrap();
    let lock = std::fs::File::create(folder.join("lock")).unwrap();
    tokio::task::block_in_place(|| lock.lock()).unwrap();
    let program = folder.join("bin/schemathesis");
    if !folder.join("ready").exists() {
        let venv = command("python3").args(["-m", "venv"]).arg(&folder).output().await.unwrap();
        assert!(venv.status.success(), "{}", String::from_utf8_lossy(&venv.stderr));
        let wanted = format!("schemathesis=={VERSION}");
        let pip = command(folder.join("bin/pip")).args(["install", "--quiet", &wanted]).output();
        let pip = pip.await.unwrap();
        assert!(pip.status.success(), "{}", String::from_utf8_lossy(&pip.stderr));
        std::fs::write(folder.join("ready"), "").unwrap();
    }
    program
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_that_the_description_leads_to_breaks_the_server_or_the_description() {
    let program = schemathesis().await;
    let (mut farm, _, known) = Box::pin(strict::things()).await;
    let known: serde_json::Map<_, _> = known
        .into_iter()
        .map(|(name, value)| (name.trim_matches(['{', '}']).to_owned(), value.into()))
        .collect();
    let known = serde_json::Value::from(known);
    farm.change_settings(|settings| settings.server.anonymous = Anonymous::Nothing).await;
    let admin = std::fs::read_to_string(farm.server_data().join("admin-token")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let hooks = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/app/fuzz");
    let mut fuzzer = command(program);
    fuzzer
        .arg("run")
        .arg(format!("{}/api/v1/openapi.json", farm.url()))
        .args(["--header", &format!("Authorization: Bearer {}", admin.trim())])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "40"])
        .args(["--checks", CHECKS, "--no-color", "--continue-on-failure"])
        // Streams have no end; they have tests of their own.
        .args(["--exclude-path-regex", "/events$|/log/stream$"])
        .current_dir(folder.path())
        .env("PYTHONPATH", hooks)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("KILN_TEST_KNOWN", known.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let ran = tokio::time::timeout(Duration::from_mins(10), fuzzer.output()).await;
    let ran = ran.expect("it ends").unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
    assert!(said.contains("Test cases:"), "{said}");
    let described = crate::docs::operations(&crate::docs::description(&farm).await).len();
    assert!(said.contains(&format!("{}/{described}", described - 2)), "all but two: {said}");
    farm.rest = kiln::client::Rest::new(&farm.url(), Some(admin.trim().to_owned())).unwrap();
    farm.cancel_all().await;
    farm.end().await;
}

//! Runs a client command and turns its end into an exit code.

use super::{Access, CliError, ClientCommand, Console, Exit, commands};
use crate::client::Rest;

/// Runs `command` against a server.
pub async fn run(access: &Access, command: ClientCommand, console: &mut Console) -> Exit {
    let waits = match &command {
        ClientCommand::Build(args) => !args.detach,
        ClientCommand::Retry(args) => args.waits(),
        ClientCommand::Run(_) => true,
        _ => false,
    };
    match dispatch(access, command, console).await {
        Ok(exit) => exit,
        // How the build ends is not known then, so it must not look like a success.
        Err(error) if error.is_closed_pipe() && waits => Exit::ClosedPipe,
        Err(error) if error.is_closed_pipe() => Exit::Success,
        Err(error) => {
            error.tell(console);
            error.exit()
        }
    }
}

async fn dispatch(
    access: &Access,
    command: ClientCommand,
    console: &mut Console,
) -> Result<Exit, CliError> {
    let rest = || Ok::<_, CliError>(Rest::new(&access.server, access.token()?)?);
    match command {
        ClientCommand::Build(args) => return commands::build(&rest()?, &args, console).await,
        ClientCommand::Retry(args) => return commands::retry(&rest()?, &args, console).await,
        ClientCommand::Run(args) => return commands::exec(&rest()?, &args, console).await,
        ClientCommand::Init(args) => commands::init(&args, console)?,
        ClientCommand::Builds(args) => commands::builds(&rest()?, &args, console).await?,
        ClientCommand::Show(args) => commands::show(&rest()?, &args, console).await?,
        ClientCommand::Log(args) => commands::log(&rest()?, &args, console).await?,
        ClientCommand::Artifacts(args) => commands::artifacts(&rest()?, &args, console).await?,
        ClientCommand::Cancel(args) => commands::cancel(&rest()?, &args, console).await?,
        ClientCommand::Toolchains(args) => commands::toolchains(&rest()?, &args, console).await?,
        ClientCommand::Agents(args) => commands::agents(&rest()?, &args, console).await?,
        ClientCommand::Queue(args) => commands::queue(&rest()?, &args, console).await?,
        ClientCommand::Project(args) => commands::project(&rest()?, &args, console).await?,
        ClientCommand::Watch(args) => commands::watch(&rest()?, &args, console).await?,
        ClientCommand::Unwatch(args) => commands::unwatch(&rest()?, &args, console).await?,
        ClientCommand::Refs(args) => commands::refs(&rest()?, &args, console).await?,
        ClientCommand::Rebuild(args) => commands::rebuild(&rest()?, &args, console).await?,
        ClientCommand::Hook(args) => commands::hook(&rest()?, &args, console).await?,
        ClientCommand::Credential(args) => commands::credential(&rest()?, &args, console).await?,
        ClientCommand::Notify(args) => commands::notify(&rest()?, &args, console).await?,
        ClientCommand::Secret(args) => commands::secret(&rest()?, &args, console).await?,
        ClientCommand::Token(args) => commands::token(&rest()?, &args, console).await?,
        ClientCommand::Whoami(args) => commands::whoami(&rest()?, &args, console).await?,
        ClientCommand::Audit(args) => commands::audit(&rest()?, &args, console).await?,
        ClientCommand::Retention(args) => commands::retention(&rest()?, &args, console).await?,
        ClientCommand::Pin(args) => commands::pin(&rest()?, &args, console).await?,
        ClientCommand::Unpin(args) => commands::unpin(&rest()?, &args, console).await?,
        ClientCommand::Delete(args) => commands::delete(&rest()?, &args, console).await?,
        ClientCommand::Usage(args) => commands::usage(&rest()?, &args, console).await?,
        ClientCommand::Completions(args) => commands::completions(&args, console)?,
        ClientCommand::Man(args) => commands::man(&args, console)?,
    }
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use axum::{
        Json, Router,
        extract::{Path, Request},
        http::{StatusCode, header::CONTENT_TYPE},
        response::{IntoResponse, Response},
        routing::get,
    };
    use clap::Parser;
    use serde_json::{Value, json};

    use super::*;
    use crate::cli::{
        Cli, Command,
        fixtures::{self, BAD, BUILD, COMMIT, GOOD, Written},
    };

    fn refusal(status: u16, code: &str, message: &str) -> Response {
        let body = json!({"error": {"code": code, "message": message}});
        (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
    }

    fn archive() -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        header.set_mode(0o755);
        tar.append_data(&mut header, "build/app", &b"elf"[..]).unwrap();
        let tar = tar.into_inner().unwrap();
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&tar).unwrap();
        gz.finish().unwrap()
    }

    fn stream(job: &str) -> String {
        let log = json!({"event": "log", "attempt": 1, "offset": 0, "at": fixtures::at(1),
            "stream": "stderr", "text": "compiling\nh\u{1b}]0;x\u{7}i\n"});
        let (outcome, cause) =
            if job == GOOD { ("success", Value::Null) } else { ("failure", json!("compile")) };
        let end = json!({"event": "end", "outcome": outcome, "cause": cause, "message": ""});
        format!("event: log\nid: 1.16\ndata: {log}\n\nevent: end\ndata: {end}\n\n")
    }

    /// The answers of a server that knows one build with this outcome.
    fn answers(outcome: &'static str, seen: &Arc<Mutex<Vec<String>>>) -> Router {
        let build = move || {
            let mut build = fixtures::build_json();
            build["outcome"] = json!(outcome);
            Json(build)
        };
        let posted = Arc::clone(seen);
        let submit = move |request: Request| async move {
            let (parts, body) = request.into_parts();
            let key = parts.headers.get("idempotency-key").map(http::HeaderValue::len);
            let body = axum::body::to_bytes(body, 9_999).await.unwrap();
            let body = String::from_utf8(body.to_vec()).unwrap();
            posted.lock().unwrap().push(format!("key {key:?} {body}"));
            if body.contains("gcc:99") {
                return refusal(422, "unknown_toolchain", "there is no toolchain gcc:99");
            }
            (StatusCode::CREATED, build()).into_response()
        };
        let list = move || async move { Json(json!({"items": [build().0], "next": "more"})) };
        let job = |Path(id): Path<String>| async move {
            let [good, bad] = fixtures::jobs_json();
            match id.as_str() {
                GOOD => Json(good).into_response(),
                BAD => Json(bad).into_response(),
                _ => refusal(404, "not_found", "no such job"),
            }
        };
        let posts = Arc::clone(seen);
        let post = move |request: Request| async move {
            posts.lock().unwrap().push(request.uri().path().to_owned());
            StatusCode::ACCEPTED
        };
        let of_commit = || async {
            let kept = json!({"files": 1, "bytes": 3, "archive_bytes": 9, "tar_sha256": ""});
            Json(json!({"commit": COMMIT, "jobs": [{"job": GOOD, "build": BUILD,
                "toolchain": "gcc:14", "own_recipe": true, "finished_at": fixtures::at(9),
                "artifacts": kept}]}))
        };
        let one = format!("/api/v1/builds/{BUILD}");
        Router::new()
            .route("/api/v1/builds", get(list).post(submit))
            .route(&one, get(move || async move { build() }))
            .route(&format!("{one}/{{verb}}"), axum::routing::post(post.clone()))
            .route("/api/v1/jobs/{job}", get(job))
            .route("/api/v1/jobs/{job}/cancel", axum::routing::post(post.clone()))
            .route("/api/v1/jobs/{job}/retry", axum::routing::post(post))
            .route("/api/v1/jobs/{job}/log", get(|| async { &b"raw \x1b]0;x\x07\xff\n"[..] }))
            .route(
                "/api/v1/jobs/{job}/log/stream",
                get(|Path(job): Path<String>| async move {
                    ([(CONTENT_TYPE, "text/event-stream")], stream(&job))
                }),
            )
            .route("/api/v1/jobs/{job}/artifacts.tar.gz", get(|| async { archive() }))
            .route("/api/v1/jobs/{job}/manifest", get(|| async { Json(json!({"files": []})) }))
            .route(&format!("/api/v1/artifacts/{COMMIT}"), get(of_commit))
            .route("/api/v1/agents", get(|| async { refusal(500, "internal", "it broke") }))
            .route("/api/v1/toolchains", get(|| async { "<html>" }))
            .fallback(|| async { refusal(404, "not_found", "nothing here") })
    }

    fn at(server: &str) -> Access {
        Access { server: server.to_owned(), access_token_file: None }
    }

    /// Runs a line against such a server and gives the exit code, both outputs and what was posted.
    async fn run_line(outcome: &'static str, line: &[&str]) -> (u8, Written, String, Vec<String>) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let app = answers(outcome, &seen);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, app).await });
        let (mut console, out, err) = fixtures::console();
        let cli = Cli::try_parse_from(["kiln"].iter().chain(line)).unwrap();
        let Command::Client(command) = cli.command else { panic!("{line:?}") };
        let exit = run(&at(&address), command, &mut console).await;
        server.abort();
        let seen = seen.lock().unwrap().clone();
        (exit.code(), out, err.text(), seen)
    }

    const URL: &str = "https://git.example/x.git";

    #[tokio::test]
    async fn exit_codes_follow_the_build_and_whose_fault_it_was() {
        for (outcome, line, expected) in [
            ("success", &["build", URL][..], 0),
            ("failure", &["build", URL], 1),
            ("timeout", &["build", URL, "--json"], 1),
            ("cancelled", &["build", URL], 1),
            ("error", &["build", URL], 3),
            ("failure", &["build", URL, "--detach"], 0),
            ("success", &["build", URL, "-t", "gcc:99"], 2),
            ("success", &["build", "./here"], 2),
            ("failure", &["show", BUILD], 0),
            ("failure", &["log", BUILD], 0),
            ("success", &["show", "01KB0Q6M3V8W2T5XJ4C9ZR7HNZ"], 2),
            ("success", &["log", "01KB0Q6M3V8W2T5XJ4C9ZR7HND/gcc:99"], 2),
            ("failure", &["retry", BUILD, "--follow"], 1),
            ("success", &["retry", GOOD, "-t", "gcc:14"], 2),
            ("success", &["agents"], 3),
            ("success", &["toolchains"], 3),
        ] {
            let (code, _, err, _) = run_line(outcome, line).await;
            assert_eq!(code, expected, "{line:?}: {err}");
        }
    }

    #[tokio::test]
    async fn an_unreachable_server_is_said_with_what_to_do() {
        let (mut console, out, err) = fixtures::console();
        let cli = Cli::try_parse_from(["kiln", "builds"]).unwrap();
        let Command::Client(command) = cli.command else { panic!() };
        // Bound and gone again: nobody listens there.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(run(&at(&format!("http://{address}")), command, &mut console).await.code(), 3);
        assert!(err.text().starts_with("error: cannot reach the kiln server at http://127."));
        assert!(err.text().contains("is `kiln serve` running?"), "{}", err.text());
        assert_eq!(out.text(), "");
    }

    #[tokio::test]
    async fn a_build_in_a_pipe_is_plain_lines_and_a_summary() {
        let (_, out, _, seen) = run_line("failure", &["build", URL, "--ref", "main"]).await;
        let text = out.text();
        for line in [
            "build 01KB0Q6M3V8W2T5XJ4C9ZR7HND of https://git.example/x.git main at 0123456789",
            "gcc:14   | compiling\n",
            "clang:19 | hi\n",
            "clang:19 * failure in 8.0 s: the compile step exited with status 2\n",
            "gcc:14     success  12.5 s                    2 files, 1.5 KiB\n",
            "  src/main.c:7:2: error: expected ';' after expression\n",
            "  the whole log:  kiln log 01KB0Q6M3V8W2T5XJ4C9ZR7HN2\n",
        ] {
            assert!(text.contains(line), "{line:?} in {text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(seen[0].starts_with("key Some(32)"), "{seen:?}");
    }

    #[tokio::test]
    async fn json_is_the_apis_own_and_nothing_else() {
        for line in [
            &["build", URL, "--json"][..],
            &["build", URL, "--detach", "--json"],
            &["show", BUILD, "--json"],
        ] {
            let (_, out, _, _) = run_line("failure", line).await;
            let json: Value = serde_json::from_str(&out.text()).unwrap();
            assert_eq!(json, fixtures::build_json(), "{line:?}");
        }
        let (_, out, _, _) = run_line("success", &["builds", "--json"]).await;
        let json: Value = serde_json::from_str(&out.text()).unwrap();
        assert_eq!((&json["next"], json["items"].as_array().unwrap().len()), (&json!("more"), 1));
        let (_, out, _, _) = run_line("success", &["log", GOOD, "--json"]).await;
        let events: Vec<Value> =
            out.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let names: Vec<&str> = events.iter().map(|e| e["event"].as_str().unwrap()).collect();
        assert_eq!(names, ["attempt", "log", "end"]);
    }

    #[tokio::test]
    async fn a_log_in_a_pipe_is_what_the_build_wrote() {
        let raw = b"raw \x1b]0;x\x07\xff\n";
        let (_, out, _, _) = run_line("success", &["log", GOOD]).await;
        assert_eq!(out.bytes(), raw);
        let leg = format!("{BUILD}/clang:19");
        let (_, out, _, _) = run_line("success", &["log", &leg]).await;
        assert_eq!(out.bytes(), raw);
        let (_, out, _, _) = run_line("success", &["log", GOOD, "--follow"]).await;
        assert_eq!(out.text(), "compiling\nh\u{1b}]0;x\u{7}i\n");
        let (_, out, _, _) =
            run_line("success", &["log", GOOD, "--follow", "--stream", "stdout"]).await;
        assert_eq!(out.text(), "");
    }

    #[tokio::test]
    async fn what_was_kept_is_unpacked_by_toolchain() {
        for line in [&["build", URL, "--download"][..], &["artifacts", COMMIT, "--download"]] {
            let dir = tempfile::tempdir().unwrap();
            let to = dir.path().join("out");
            let line: Vec<&str> = line.iter().copied().chain(to.to_str()).collect();
            let (code, _, err, _) = run_line("success", &line).await;
            assert_eq!(code, 0, "{err}");
            assert_eq!(std::fs::read_to_string(to.join("gcc-14/build/app")).unwrap(), "elf");
            assert_eq!(std::fs::read_dir(&to).unwrap().count(), 1, "nothing else is left");
            let (code, _, err, _) = run_line("success", &line).await;
            assert_eq!((code, err.contains("is there already")), (2, true), "{err}");
        }
    }

    #[tokio::test]
    async fn verbs_reach_what_was_named() {
        let leg = format!("{BUILD}/gcc:14");
        for (line, path) in [
            (&["cancel", BUILD][..], format!("/api/v1/builds/{BUILD}/cancel")),
            (&["cancel", &leg], format!("/api/v1/jobs/{GOOD}/cancel")),
            (&["retry", BAD], format!("/api/v1/jobs/{BAD}/retry")),
            (&["retry", BUILD, "-t", "clang:19"], format!("/api/v1/builds/{BUILD}/retry")),
        ] {
            let (code, _, err, seen) = run_line("failure", line).await;
            assert_eq!((code, seen), (0, vec![path]), "{line:?} {err}");
        }
    }

    #[tokio::test]
    async fn a_reader_that_went_away_is_no_reason_to_complain() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let seen = Arc::default();
        let app = answers("success", &seen);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, app).await });
        for (line, expected) in [(&["log", GOOD][..], 0), (&["builds"], 0), (&["build", URL], 141)]
        {
            let err = Written::default();
            let mut console = Console::piped(Box::new(Closed), Box::new(err.clone()));
            let cli = Cli::try_parse_from(["kiln"].iter().chain(line)).unwrap();
            let Command::Client(command) = cli.command else { panic!("{line:?}") };
            let exit = run(&at(&address), command, &mut console).await;
            assert_eq!((exit.code(), err.text().as_str()), (expected, ""), "{line:?}");
        }
        server.abort();
    }
}

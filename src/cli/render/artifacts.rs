//! What was kept, of a commit and of a job.

use std::io::{self, Write};

use crate::{
    cli::{sanitize, table::Table, text},
    model::Timestamp,
    protocol::CommitArtifacts,
};

/// What there is for a commit.
pub(in crate::cli) fn commit_artifacts(
    kept: &CommitArtifacts,
    now: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    if kept.jobs.is_empty() {
        return writeln!(out, "nothing was kept of {}", kept.commit);
    }
    let mut table = Table::new(&["TOOLCHAIN", "JOB", "FILES", "SIZE", "RECIPE", "AGE"]);
    for job in &kept.jobs {
        table.row(vec![
            job.toolchain.to_string(),
            job.job.to_string(),
            job.artifacts.files.to_string(),
            text::bytes(job.artifacts.bytes),
            if job.own_recipe { "repository's" } else { "other" }.to_owned(),
            text::age(job.finished_at, now),
        ]);
    }
    table.write(out)
}

/// The files of a job. The manifest is the repository's own, so it is read for what is shown and
/// no more: a newer one may say more.
pub(in crate::cli) fn manifest(
    manifest: &serde_json::Value,
    out: &mut dyn Write,
) -> io::Result<()> {
    let files = manifest.get("files").or_else(|| manifest.get("entries"));
    let Some(files) = files.and_then(|files| files.as_array()).filter(|files| !files.is_empty())
    else {
        return writeln!(out, "nothing was kept");
    };
    let mut table = Table::new(&["SIZE", "KIND", "SHA256", "PATH"]);
    for file in files {
        let field = |name: &str| file.get(name).and_then(|value| value.as_str()).unwrap_or("");
        let size = file.get("size").and_then(serde_json::Value::as_u64);
        let path = match field("target") {
            "" => sanitize::text(field("path")),
            target => format!("{} -> {}", sanitize::text(field("path")), sanitize::text(target)),
        };
        table.row(vec![
            size.map(text::bytes).unwrap_or_default(),
            sanitize::text(field("kind")),
            field("sha256").chars().filter(char::is_ascii_hexdigit).take(12).collect(),
            path,
        ]);
    }
    table.write(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_listed_without_what_a_terminal_would_act_on() {
        let json = serde_json::json!({"files": [
            {"path": "build/app", "size": 16_000, "kind": "program", "sha256": "ab".repeat(32)},
            {"path": "x\u{1b}[2Jy", "size": 1},
        ]});
        let mut out = Vec::new();
        manifest(&json, &mut out).unwrap();
        let text = anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string();
        assert_eq!(
            text,
            "SIZE      KIND     SHA256        PATH\n\
             15.6 KiB  program  abababababab  build/app\n\
             1 B                              xy\n"
        );
    }
}

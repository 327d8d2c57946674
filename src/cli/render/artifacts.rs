//! What was kept, of a commit and of a job.

use std::io::{self, Write};

use crate::{
    cli::{kept::Kept, sanitize, table::Table, text},
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

/// Files that a job kept.
pub(in crate::cli) fn kept(kept: &Kept, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&["MODE", "SIZE", "KIND", "SHA256", "PATH"]);
    for file in &kept.files {
        let path = match file.target.as_str() {
            "" => sanitize::text(&file.path),
            target => format!("{} -> {}", sanitize::text(&file.path), sanitize::text(target)),
        };
        table.row(vec![
            format!("{:04o}", file.mode & 0o7777),
            file.size.map(text::bytes).unwrap_or_default(),
            sanitize::text(&file.kind),
            file.sha256.chars().filter(char::is_ascii_hexdigit).take(12).collect(),
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
        let json = serde_json::json!({"version": 9, "files": [
            {"path": "build/app", "size": 16_000, "mode": 0o755, "kind": "program",
             "sha256": "ab".repeat(32), "members": []},
            {"path": "x\u{1b}[2Jy", "size": 1, "mode": 0o644},
            {"path": "l", "size": 0, "mode": 0o777, "kind": "symlink", "target": "build/app"},
        ]});
        let mut out = Vec::new();
        kept(&serde_json::from_value(json).unwrap(), &mut out).unwrap();
        let text = anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string();
        assert_eq!(
            text,
            "MODE  SIZE      KIND     SHA256        PATH\n\
             0755  15.6 KiB  program  abababababab  build/app\n\
             0644  1 B                              xy\n\
             0777  0 B       symlink                l -> build/app\n"
        );
    }
}

//! What goes, the rules, and what is used.

use std::io::{self, Write};

use crate::{
    cli::{sanitize, table::Table, text},
    model::ProjectName,
    protocol::{ProjectRetention, RetentionReport, Usage},
};

/// The first builds of a report.
pub(in crate::cli) fn retention(report: &RetentionReport, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&["BUILD", "WHAT", "RULE", "SIZE"]);
    for entry in &report.first {
        table.row(vec![
            entry.build.to_string(),
            sanitize::text(&entry.what),
            sanitize::text(&entry.rule),
            text::bytes(entry.bytes),
        ]);
    }
    if report.first.is_empty() { Ok(()) } else { table.write(out) }
}

/// The rules of a project: what counts, and what it says itself.
pub(in crate::cli) fn kept_rules(rules: &ProjectRetention, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&["RULE", "COUNTS", "FROM"]);
    let (own, all) = (&rules.own, &rules.counts);
    let from = |is_own: bool| if is_own { "project" } else { "server" }.to_owned();
    let number = |value: Option<u32>| value.unwrap_or(0).to_string();
    let flag = |value: Option<bool>| value.unwrap_or(false).to_string();
    for (name, value, is_own) in [
        ("build_days", number(all.build_days), own.build_days.is_some()),
        ("artifact_days", number(all.artifact_days), own.artifact_days.is_some()),
        ("log_days", number(all.log_days), own.log_days.is_some()),
        ("upload_days", number(all.upload_days), own.upload_days.is_some()),
        ("builds_per_branch", number(all.builds_per_branch), own.builds_per_branch.is_some()),
        ("keep_last_success", flag(all.keep_last_success), own.keep_last_success.is_some()),
        ("keep_tags", flag(all.keep_tags), own.keep_tags.is_some()),
    ] {
        table.row(vec![name.to_owned(), value, from(is_own)]);
    }
    table.write(out)
}

/// What each project uses.
pub(in crate::cli) fn usage(usage: &Usage, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&["PROJECT", "BUILDS", "ARTIFACTS", "LOGS"]);
    for item in &usage.projects {
        table.row(vec![
            item.project.as_ref().map_or("(none)", ProjectName::as_str).to_owned(),
            item.builds.to_string(),
            text::bytes(item.artifact_bytes),
            text::bytes(item.log_bytes),
        ]);
    }
    if usage.projects.is_empty() { writeln!(out, "nothing is kept") } else { table.write(out) }
}

//! Tokens and the audit log.

use std::io::{self, Write};

use crate::{
    cli::{sanitize, table::Table, text},
    model::{ProjectName, Timestamp},
    protocol::{AuditEntry, TokenView},
};

/// The tokens.
pub(in crate::cli) fn tokens(
    items: &[TokenView],
    now: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut table = Table::new(&["TOKEN", "ROLE", "PROJECTS", "STATE", "MADE", "BY", "USED", "ID"]);
    for item in items {
        let state = match item.expires_at {
            _ if item.revoked_at.is_some() => "revoked".to_owned(),
            _ if item.is_expired => "expired".to_owned(),
            Some(end) => format!("until {}", end.to_string().split('T').next().unwrap_or("")),
            None => "never ends".to_owned(),
        };
        let projects = item.projects.as_ref().map_or_else(
            || "all".to_owned(),
            |names| names.iter().map(ProjectName::as_str).collect::<Vec<_>>().join(","),
        );
        table.row(vec![
            format!("{}/{}", item.owner, item.name),
            item.role.as_str().to_owned(),
            projects,
            state,
            text::age(item.created_at, now),
            sanitize::text(&item.created_by),
            item.used_at.map_or_else(|| "never".to_owned(), |at| text::age(at, now)),
            item.id.to_string(),
        ]);
    }
    if items.is_empty() { writeln!(out, "no tokens") } else { table.write(out) }
}

/// Lines of the audit log.
pub(in crate::cli) fn audit(
    items: &[AuditEntry],
    now: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut table = Table::new(&["WHEN", "WHO", "FROM", "WHAT", "STATUS"]);
    for item in items {
        let method = item.action.split(' ').next().unwrap_or_default();
        table.row(vec![
            text::age(item.at, now),
            sanitize::text(&item.actor),
            sanitize::text(&item.address),
            sanitize::text(&format!("{method} {}", item.object)),
            item.status.to_string(),
        ]);
    }
    if items.is_empty() { writeln!(out, "nothing was changed") } else { table.write(out) }
}

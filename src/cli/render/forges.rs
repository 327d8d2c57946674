//! What forges told, who is told, and what they were told.

use std::io::{self, Write};

use crate::{
    cli::{sanitize, table::Table, text},
    model::Timestamp,
    protocol::{DeliveryView, NoticeView, TargetView},
};

/// What came in.
pub(in crate::cli) fn deliveries(
    items: &[DeliveryView],
    now: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut table = Table::new(&["DELIVERY", "FROM", "EVENT", "CAME", "WHAT BECAME OF IT"]);
    for item in items {
        let outcome = item.outcome.as_deref().map_or_else(|| "waiting".to_owned(), sanitize::text);
        table.row(vec![
            item.id.to_string(),
            item.forge.as_str().to_owned(),
            sanitize::text(&item.event),
            text::age(item.received_at, now),
            item.build.map_or(outcome.clone(), |build| format!("{outcome} ({build})")),
        ]);
    }
    if items.is_empty() { writeln!(out, "nothing came in yet") } else { table.write(out) }
}

/// Who is told.
pub(in crate::cli) fn targets(items: &[TargetView], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&["ID", "WHAT", "WHERE", "BY"]);
    for item in items {
        table.row(vec![
            item.id.to_string(),
            item.kind.as_str().to_owned(),
            sanitize::text(&item.url),
            sanitize::text(&item.created_by),
        ]);
    }
    if items.is_empty() { writeln!(out, "nobody is told") } else { table.write(out) }
}

/// What was told.
pub(in crate::cli) fn notices(
    items: &[NoticeView],
    now: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut table = Table::new(&["NOTICE", "ABOUT", "SAID", "WHEN", "TO", "PROBLEM"]);
    for item in items {
        let problem = match (&item.problem, item.due_at) {
            (Some(problem), Some(_)) => format!("{} (it is tried again)", sanitize::text(problem)),
            (Some(problem), None) => sanitize::text(problem),
            (None, _) => String::new(),
        };
        table.row(vec![
            item.id.to_string(),
            sanitize::text(&item.subject),
            item.said.as_deref().map_or_else(|| "nothing yet".to_owned(), sanitize::text),
            item.sent_at.map_or_else(String::new, |at| text::age(at, now)),
            item.target.to_string(),
            problem,
        ]);
    }
    if items.is_empty() { writeln!(out, "nothing was told yet") } else { table.write(out) }
}

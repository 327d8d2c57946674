//! The refs of a watched project.

use std::io::{self, Write};

use crate::{
    cli::{sanitize, table::Table, text},
    model::{CommitId, Timestamp},
    protocol::{HeadView, RebuiltView},
};

/// What is built once more.
pub(in crate::cli) fn rebuilt(items: &[RebuiltView], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&["PROJECT", "REF", "COMMIT", "BUILD"]);
    for item in items {
        let skipped = item.skipped.as_deref().unwrap_or_default();
        table.row(vec![
            item.project.to_string(),
            sanitize::text(&item.name),
            item.commit.short().to_owned(),
            item.build
                .map_or_else(|| format!("none: {}", sanitize::text(skipped)), |id| id.to_string()),
        ]);
    }
    if items.is_empty() {
        writeln!(out, "there is nothing to build once more")
    } else {
        table.write(out)
    }
}

/// Where each is, and what was made of it.
pub(in crate::cli) fn refs(
    items: &[HeadView],
    now: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut table = Table::new(&["REF", "COMMIT", "SEEN", "BUILD"]);
    for item in items {
        let short = |commit: &CommitId| commit.short().to_owned();
        table.row(vec![
            sanitize::text(&item.name),
            item.commit.as_ref().map_or_else(|| "(gone)".to_owned(), short),
            text::age(item.seen_at, now),
            match (&item.build, &item.skipped) {
                (Some(build), None) => build.to_string(),
                (Some(build), Some(why)) => format!("{build} ({})", sanitize::text(why)),
                (None, Some(why)) => format!("none: {}", sanitize::text(why)),
                (None, None) => String::new(),
            },
        ]);
    }
    if items.is_empty() { writeln!(out, "no refs were seen yet") } else { table.write(out) }
}

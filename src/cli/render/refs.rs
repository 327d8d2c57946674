//! The refs of a watched project.

use std::io::{self, Write};

use crate::{
    cli::{sanitize, table::Table, text},
    model::{CommitId, Timestamp},
    protocol::HeadView,
};

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

//! Secrets, without their values.

use std::io::{self, Write};

use crate::{
    cli::{sanitize, table::Table, text},
    model::{StepName, Timestamp},
    protocol::SecretView,
};

/// The secrets of a project.
pub(in crate::cli) fn secrets(
    items: &[SecretView],
    now: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut table = Table::new(&["SECRET", "AS", "STEPS", "SET", "BY"]);
    for item in items {
        let steps: Vec<&str> = item.steps.iter().map(StepName::as_str).collect();
        table.row(vec![
            item.name.to_string(),
            item.form.as_str().to_owned(),
            if steps.is_empty() { "all".to_owned() } else { sanitize::text(&steps.join(", ")) },
            text::age(item.updated_at, now),
            sanitize::text(&item.updated_by),
        ]);
    }
    if items.is_empty() { writeln!(out, "no secrets") } else { table.write(out) }
}

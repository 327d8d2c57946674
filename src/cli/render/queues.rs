//! Queues.

use std::io::{self, Write};

use crate::{
    cli::{sanitize, table::Table, text},
    model::{Label, Timestamp},
    protocol::{QueueRules, QueueView},
};

/// The queues.
pub(in crate::cli) fn queues(
    items: &[QueueView],
    now: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut table = Table::new(&["QUEUE", "WAITING", "OLDEST", "RUNNING", "RULES", "STATE"]);
    for item in items {
        table.row(vec![
            item.name.to_string(),
            item.waiting.to_string(),
            item.oldest_waiting_since.map_or_else(String::new, |since| text::age(since, now)),
            match item.rules.concurrency {
                Some(limit) => format!("{} of {limit}", item.running),
                None => item.running.to_string(),
            },
            rules(&item.rules),
            state(item),
        ]);
    }
    table.write(out)
}

/// One queue.
pub(in crate::cli) fn queue(
    item: &QueueView,
    now: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "queue {}", item.name)?;
    writeln!(out, "  rules    {}", rules(&item.rules))?;
    match item.oldest_waiting_since {
        Some(since) => {
            writeln!(
                out,
                "  waiting  {}, the oldest came {}",
                item.waiting,
                text::age(since, now)
            )?;
        }
        None => writeln!(out, "  waiting  {}", item.waiting)?,
    }
    writeln!(out, "  running  {}", item.running)?;
    writeln!(out, "  state    {}", state(item))?;
    if let Some(pause) = &item.paused {
        let by = sanitize::text(&pause.by);
        writeln!(out, "           by {by}, {}", text::age(pause.since, now))?;
    }
    Ok(())
}

/// What a queue does with jobs, on one line.
pub(in crate::cli) fn rules(rules: &QueueRules) -> String {
    let mut said = Vec::new();
    if rules.priority != 0 {
        said.push(format!("priority {}", rules.priority));
    }
    for (limit, what) in [
        (rules.concurrency, "at one time"),
        (rules.per_project, "per project"),
        (rules.per_user, "per user"),
        (rules.max_waiting, "waiting at most"),
    ] {
        if let Some(limit) = limit {
            said.push(format!("{limit} {what}"));
        }
    }
    if !rules.requires.is_empty() {
        let labels: Vec<&str> = rules.requires.iter().map(Label::as_str).collect();
        said.push(format!("on agents with {}", labels.join(", ")));
    }
    if said.is_empty() { "no limits".to_owned() } else { said.join("; ") }
}

fn state(item: &QueueView) -> String {
    match &item.paused {
        None => "open".to_owned(),
        Some(pause) if pause.reason.is_empty() => "paused".to_owned(),
        Some(pause) => format!("paused: {}", sanitize::text(&pause.reason)),
    }
}

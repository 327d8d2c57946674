//! What the farm has: toolchains and agents.

use std::io::{self, Write};

use crate::{
    cli::{
        sanitize,
        style::{Style, paint},
        table::Table,
        text,
    },
    model::{Label, Timestamp},
    protocol::{AgentView, EnrollmentView, HoldKind, ProjectView, ToolchainView},
};

/// The toolchains, each with the compilers that agents have under its name: more than one means
/// that agents differ.
pub(in crate::cli) fn toolchains(items: &[ToolchainView], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&["TOOLCHAIN", "TARGET", "DEFAULT", "AGENTS", "COMPILER"]);
    for item in items {
        let mut compilers: Vec<String> =
            item.agents.iter().map(|agent| sanitize::text(&agent.image.compiler)).collect();
        compilers.sort();
        compilers.dedup();
        table.row(vec![
            item.name.to_string(),
            sanitize::text(&item.target),
            if item.default { "yes" } else { "" }.to_owned(),
            match item.agents.len() {
                0 => paint(Style::Yellow, "none: kiln images build"),
                some => some.to_string(),
            },
            compilers.join("; "),
        ]);
    }
    if items.is_empty() { writeln!(out, "no toolchains") } else { table.write(out) }
}

/// The agents.
pub(in crate::cli) fn agents(
    items: &[AgentView],
    now: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut table = Table::new(&[
        "AGENT",
        "STATE",
        "BUSY",
        "CPUS",
        "MEMORY",
        "ENGINE",
        "TOOLCHAINS",
        "SEEN",
        "LABELS",
    ]);
    for item in items {
        let status = &item.status;
        table.row(vec![
            sanitize::text(&item.name),
            state(item),
            format!("{}/{}", status.busy, status.workers),
            status.cpus.to_string(),
            text::bytes(status.memory_bytes),
            sanitize::text(&status.engine),
            status.toolchains.len().to_string(),
            text::age(item.seen_at, now),
            own_labels(item),
        ]);
    }
    if items.is_empty() {
        return writeln!(out, "no agents");
    }
    table.write(out)?;
    for item in items {
        if let Some(skew) = item.status.clock_skew_seconds {
            let side = if skew > 0 { "ahead of" } else { "behind" };
            let name = sanitize::text(&item.name);
            writeln!(out, "{name}: its clock is {} s {side} the server's: set it", skew.abs())?;
        }
        if let Some(why) = item.status.paused.as_ref().filter(|_| item.online) {
            let (name, why) = (sanitize::text(&item.name), sanitize::text(why));
            writeln!(out, "{name}: it takes no jobs: {why}")?;
        }
        if let Some(hold) = &item.hold
            && !hold.reason.is_empty()
        {
            let (name, reason) = (sanitize::text(&item.name), sanitize::text(&hold.reason));
            let (by, since) = (sanitize::text(&hold.by), text::age(hold.since, now));
            writeln!(out, "{name}: {reason} (by {by}, {since})")?;
        }
    }
    Ok(())
}

/// The labels that kiln does not add by itself.
fn own_labels(item: &AgentView) -> String {
    let known = ["agent", "arch", "engine", "isolation", "os"];
    let own = item.labels.iter().filter(|label| !known.contains(&label.key()));
    own.map(Label::as_str).collect::<Vec<_>>().join(",")
}

/// What an agent does, in a word.
fn state(item: &AgentView) -> String {
    match item.hold.as_ref().map(|hold| hold.kind) {
        _ if !item.online => paint(Style::Red, "offline"),
        None if item.status.paused.is_some() => paint(Style::Yellow, "paused"),
        None => paint(Style::Green, "online"),
        Some(HoldKind::Held) => paint(Style::Yellow, "held"),
        Some(HoldKind::Draining) if item.jobs.is_empty() => paint(Style::Yellow, "drained"),
        Some(HoldKind::Draining) => paint(Style::Yellow, "draining"),
    }
}

/// The projects.
pub(in crate::cli) fn projects(
    items: &[ProjectView],
    now: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut table = Table::new(&["PROJECT", "REPOSITORY", "MADE", "BY"]);
    for item in items {
        table.row(vec![
            item.name.to_string(),
            item.url.as_deref().map_or_else(|| "(uploads)".to_owned(), sanitize::text),
            text::age(item.created_at, now),
            sanitize::text(&item.created_by),
        ]);
    }
    if items.is_empty() { writeln!(out, "no projects") } else { table.write(out) }
}

/// The enrollment tokens.
pub(in crate::cli) fn enrollments(
    items: &[EnrollmentView],
    now: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut table = Table::new(&["ID", "STATE", "USED", "LABELS", "NAMES", "MADE", "NOTE"]);
    for item in items {
        let is_used = item.uses_allowed.is_some_and(|most| item.uses >= most);
        let state = match item.expires_at {
            _ if item.revoked => "revoked",
            Some(end) if end <= now => "expired",
            _ if is_used => "used",
            _ => "open",
        };
        let most = item.uses_allowed.map_or_else(|| "any".to_owned(), |most| most.to_string());
        let labels: Vec<&str> = item.labels.iter().map(Label::as_str).collect();
        let prefix = &item.name_prefix;
        table.row(vec![
            item.id.to_string(),
            state.to_owned(),
            format!("{}/{most}", item.uses),
            labels.join(","),
            if prefix.is_empty() { String::new() } else { format!("{}*", sanitize::text(prefix)) },
            text::age(item.created_at, now),
            sanitize::text(&item.note),
        ]);
    }
    if items.is_empty() { writeln!(out, "no enrollment tokens") } else { table.write(out) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toolchain_without_an_image_says_how_to_get_it() {
        let json = serde_json::json!([
            {"name": "gcc:14", "target": "x86_64-linux-gnu", "default": true, "agents": [{
                "agent": "01KB0Q6M3V8W2T5XJ4C9ZR7HNF", "agent_name": "here", "name": "gcc:14",
                "image": "sha256:1", "recipe_digest": "", "compiler": "gcc 14.2.0"
            }]},
            {"name": "clang:19", "target": "x86_64-linux-gnu", "default": false, "agents": []},
        ]);
        let items: Vec<ToolchainView> = serde_json::from_value(json).unwrap();
        let mut out = Vec::new();
        toolchains(&items, &mut out).unwrap();
        let text = anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string();
        assert_eq!(
            text,
            "TOOLCHAIN  TARGET            DEFAULT  AGENTS                   COMPILER\n\
             gcc:14     x86_64-linux-gnu  yes      1                        gcc 14.2.0\n\
             clang:19   x86_64-linux-gnu           none: kiln images build\n"
        );
    }
}

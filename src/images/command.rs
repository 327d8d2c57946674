//! `kiln images build` and `kiln images list`: the commands behind their flags, with a writer.

use std::{
    io::{self, Write},
    time::Duration,
};

use super::{BuildEvent, BuildStep, Images, ImagesError, ListedImage};
use crate::model::{Timestamp, ToolchainName};

/// What `kiln images build` was asked for.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct BuildCommand {
    /// The toolchains; none: the defaults.
    pub names: Vec<ToolchainName>,
    /// All that are known.
    pub all: bool,
    /// Whether to make again what is there, for Debian's updates.
    pub fresh: bool,
    /// Whether to show all that the builds write.
    pub verbose: bool,
}

/// Builds, with a line for everything that happens.
pub async fn build_command(
    images: &Images,
    command: &BuildCommand,
    out: &mut (dyn Write + Send),
) -> Result<(), ImagesError> {
    let names = match (command.all, command.names.as_slice()) {
        (true, _) => images.catalogue().names().cloned().collect(),
        (false, []) => images.catalogue().defaults().to_vec(),
        (false, names) => names.to_vec(),
    };
    // A reader that has gone away does not stop the build; it is told at the end.
    let mut written = Ok(());
    let mut progress = |event: BuildEvent| {
        if let Some(line) = line(&event, command.verbose) {
            let attempt = writeln!(out, "{line}").and_then(|()| out.flush());
            if written.is_ok() {
                written = attempt;
            }
        }
    };
    images.build(&names, command.fresh, &mut progress).await?;
    Ok(written?)
}

/// Lists, as a table or as JSON.
pub async fn list_command(
    images: &Images,
    json: bool,
    now: Timestamp,
    out: &mut (dyn Write + Send),
) -> Result<(), ImagesError> {
    let list = images.list().await?;
    if json {
        serde_json::to_writer_pretty(&mut *out, &list).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        out.write_all(table(&list, now).as_bytes())?;
    }
    Ok(())
}

fn line(event: &BuildEvent, verbose: bool) -> Option<String> {
    let text = match &event.step {
        BuildStep::Current => "up to date".to_owned(),
        BuildStep::Started(why) => format!("building: {why}"),
        BuildStep::Step(step) => step.clone(),
        BuildStep::Output(line) if verbose => format!("| {line}"),
        BuildStep::Output(_) => return None,
        BuildStep::Done { took } => format!("done in {:.1} s", took.as_secs_f64()),
    };
    Some(format!("{:<30} {text}", event.image))
}

/// The toolchains and, if there are any, the images with packages.
fn table(list: &[ListedImage], now: Timestamp) -> String {
    let mut text = aligned(&toolchain_rows(list, now));
    let packaged = packaged_rows(list, now);
    if packaged.len() > 1 {
        text.push('\n');
        text.push_str(&aligned(&packaged));
    }
    text
}

fn packaged_rows(list: &[ListedImage], now: Timestamp) -> Vec<[String; 6]> {
    let mut rows =
        vec![["WITH PACKAGES", "STATE", "SIZE", "USED", "IMAGE ID", "PACKAGES"].map(str::to_owned)];
    for (toolchain, image) in
        list.iter().flat_map(|row| row.packaged.iter().map(move |image| (&row.name, image)))
    {
        rows.push([
            toolchain.to_string(),
            if image.current { "ready" } else { "outdated" }.to_owned(),
            format!("+{} MB", image.size / 1_000_000),
            age(now.since(image.used)),
            short(&image.image_id),
            image.packages.join(" "),
        ]);
    }
    rows
}

fn short(image: &str) -> String {
    image.trim_start_matches("sha256:").chars().take(12).collect()
}

fn toolchain_rows(list: &[ListedImage], now: Timestamp) -> Vec<[String; 6]> {
    let mut rows =
        vec![["TOOLCHAIN", "STATE", "SIZE", "AGE", "IMAGE ID", "COMPILER"].map(str::to_owned)];
    rows.extend(list.iter().map(|row| {
        let name = format!("{}{}", row.name, if row.default { " *" } else { "" });
        match &row.present {
            None => [name.as_str(), "absent", "-", "-", "-", "-"].map(str::to_owned),
            Some(present) => [
                name,
                if present.current { "ready" } else { "outdated" }.to_owned(),
                format!("{} MB", present.size / 1_000_000),
                age(now.since(present.created)),
                short(&present.image_id),
                present.compiler.clone().unwrap_or_else(|| "?".to_owned()),
            ],
        }
    }));
    rows
}

fn aligned(rows: &[[String; 6]]) -> String {
    let mut widths = [0; 6];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::{PackagesRow, PresentToolchain};

    #[test]
    fn the_table_says_what_is_there_and_how_old() {
        let present = PresentToolchain {
            name: "gcc:14".parse().unwrap(),
            image_id: "sha256:0123456789abcdef".to_owned(),
            recipe: None,
            compiler: Some("gcc 14.2.0".to_owned()),
            current: true,
            size: 920_400_000,
            created: Timestamp::from_millis(0),
        };
        let row = |name: &str, present| ListedImage {
            name: name.parse().unwrap(),
            image: String::new(),
            default: name == "gcc:14",
            present,
            packaged: Vec::new(),
        };
        let list = [row("gcc:13", None), row("gcc:14", Some(present))];
        assert_eq!(
            table(&list, Timestamp::from_millis(3 * 3_600_000)),
            "TOOLCHAIN  STATE   SIZE    AGE  IMAGE ID      COMPILER\n\
             gcc:13     absent  -       -    -             -\n\
             gcc:14 *   ready   920 MB  3 h  0123456789ab  gcc 14.2.0\n"
        );
        let with = PackagesRow {
            image_id: "sha256:fedcba9876543210".to_owned(),
            toolchain: "gcc:14".to_owned(),
            packages: vec!["libevent-dev".to_owned(), "zlib1g-dev".to_owned()],
            base: String::new(),
            installed: Vec::new(),
            size: 12_000_000,
            created: Timestamp::from_millis(0),
            used: Timestamp::from_millis(0),
            current: true,
            tags: Vec::new(),
            is_complete: true,
        };
        let list = [ListedImage { packaged: vec![with], ..row("gcc:14", None) }];
        assert_eq!(
            table(&list, Timestamp::from_millis(3 * 3_600_000)),
            "TOOLCHAIN  STATE   SIZE  AGE  IMAGE ID  COMPILER\n\
             gcc:14 *   absent  -     -    -         -\n\n\
             WITH PACKAGES  STATE  SIZE    USED  IMAGE ID      PACKAGES\n\
             gcc:14         ready  +12 MB  3 h   fedcba987654  libevent-dev zlib1g-dev\n"
        );
    }

    #[test]
    fn output_is_shown_only_when_asked_for() {
        let event = |step| BuildEvent { image: "kiln/base:trixie".to_owned(), step };
        let output = event(BuildStep::Output("Get:1".to_owned()));
        assert_eq!(line(&output, false), None);
        assert!(line(&output, true).unwrap().ends_with("| Get:1"));
        let done = event(BuildStep::Done { took: Duration::from_millis(1_540) });
        assert_eq!(line(&done, false).unwrap(), "kiln/base:trixie               done in 1.5 s");
    }
}

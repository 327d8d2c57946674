//! Meson: out of the tree; what it would download from elsewhere counts as not there.
//!
//! A build has no network, so `nodownload` only makes Meson say at once what it lacks.

use std::collections::BTreeMap;

use super::{
    Found, System, Wish,
    kind::{Rank, build_folder, step},
};
use crate::{
    builder::listing::{Folder, quote},
    model::StepKind,
};

pub(super) fn find(folder: Folder<'_>, wish: Wish<'_>) -> Vec<Found> {
    one(folder, wish).into_iter().collect()
}

fn one(folder: Folder<'_>, wish: Wish<'_>) -> Option<Found> {
    folder.file("meson.build")?;
    let text = folder.text("meson.build");
    // Without project() it is a part of something else.
    if text.as_ref().is_some_and(|text| !has_project(text)) {
        return None;
    }
    let build = build_folder(folder.listing)?;
    let mut setup = format!("meson setup {build} {} --wrap-mode=nodownload", folder.argument());
    if text.is_none_or(|text| !text.contains("buildtype=") && !text.contains("'buildtype'")) {
        setup.push_str(" --buildtype=debugoptimized");
    }
    for argument in &wish.toolchain.meson_args {
        setup.push(' ');
        setup.push_str(&quote(argument));
    }
    let mut steps = vec![
        step(StepKind::Configure, setup),
        step(
            StepKind::Compile,
            format!("meson compile -C {build} -j \"${{CMAKE_BUILD_PARALLEL_LEVEL:-1}}\""),
        ),
    ];
    if wish.test {
        steps.push(step(StepKind::Test, format!("meson test -C {build} --print-errorlogs")));
    }
    let because = "there is a meson.build".to_owned();
    Some(Found { system: System::Meson, rank: Rank::Meson, because, steps, env: BTreeMap::new() })
}

/// Whether `project(…)` is called; Meson wants it first, but comments come before.
fn has_project(text: &str) -> bool {
    text.lines().map(str::trim_start).any(|line| {
        line.strip_prefix("project").is_some_and(|rest| rest.trim_start().starts_with('('))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_is_called_and_not_only_mentioned() {
        for (text, expected) in [
            ("# a comment\nproject('x', 'c')", true),
            ("project (\n  'x',", true),
            ("# project('x')", false),
            ("sources += files('x.c')", false),
        ] {
            assert_eq!(has_project(text), expected, "{text}");
        }
    }
}

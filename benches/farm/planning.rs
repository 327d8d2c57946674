//! The plan of a tree of 50 000 files: from its paths to the steps, without git and without a disk.

use std::time::Instant;

use anyhow::ensure;
use kiln::{
    builder::{self, FileKind, Listing, ToolchainFacts},
    model::Recipe,
};
use serde_json::json;

use crate::{
    report::{self, Report},
    samples::Samples,
};

const FILES: usize = 50_000;
const TURNS: usize = 50;

/// Measures trees that have a build system in the root, only below it, and not at all.
pub(crate) fn measure(report: &mut Report) -> anyhow::Result<()> {
    report::title("The plan of a tree of 50 000 files, from its paths to the steps");
    for (name, file, builds) in [
        ("CMakeLists.txt in the root", "CMakeLists.txt", true),
        ("a Makefile in one of 500 folders", "d250/Makefile", true),
        ("nothing that says how", "README", false),
    ] {
        let mut samples = Samples::default();
        for _ in 0..TURNS {
            let entries = tree(file);
            let began = Instant::now();
            let mut listing = Listing::new(entries);
            for path in listing.wanted_files() {
                listing.add_contents(&path, b"project(x C)\n".to_vec());
            }
            let plan = builder::plan(&listing, &Recipe::default(), &ToolchainFacts::default());
            samples.add(began.elapsed());
            ensure!(plan.is_ok() == builds, "{name}: {plan:?}");
        }
        report::by_hand(name, &samples);
        report.record(&format!("planning: {name}"), json!({ "kiln": samples.json() }));
    }
    Ok(())
}

fn tree(file: &str) -> Vec<(Vec<u8>, FileKind)> {
    let paths = (1..FILES).map(|n| format!("d{}/part/f{n}.c", n % 500));
    paths.chain([file.to_owned()]).map(|path| (path.into_bytes(), FileKind::File)).collect()
}

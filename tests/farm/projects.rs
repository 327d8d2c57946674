//! Real C projects, from their repository to the running program.
//!
//! How long each took is left in `farm-times` in cargo's folder for tests, one file a project.

use std::{fmt::Write as _, fs, path::PathBuf};

use super::{
    engine,
    support::{catalog, projects::Project},
    world::{build_of, newest, succeeded, with_farm},
};

pub(crate) const DEFAULT: &[&str] = &["gcc:14", "clang:19"];

pub(crate) fn check(package: &str, toolchains: &[&str]) {
    let project = catalog::project(package);
    let fetched = project.fetch();
    with_farm(|farm| {
        let names = toolchains.join(",");
        let ran = farm.kiln(["build", &fetched.url, "-t", &names]).exits(0);
        let build = farm.build(build_of(&ran.text()));
        assert_eq!(build.commit.to_string(), fetched.commit);
        assert_eq!(build.jobs.len(), toolchains.len(), "{build:?}");
        // As a user gets them: of the commit, all toolchains at once.
        let download = farm.scratch("kept");
        let arguments = ["artifacts", &fetched.commit, "--download", download.to_str().unwrap()];
        farm.kiln(arguments).exits(0);
        let mut times = String::new();
        for summary in &build.jobs {
            let job = farm.job(summary.id);
            succeeded(&job);
            let toolchain = summary.toolchain.as_ref().unwrap();
            let paths = farm.artifacts(summary.id);
            let missing = project.missing(paths.iter().map(String::as_str));
            assert!(missing.is_empty(), "{package} {toolchain} has no {missing:?}: {paths:?}");
            let folder = download.join(toolchain.as_key());
            let image = &newest(&job).sandbox.as_ref().expect("the sandbox is known").image;
            let proof = engine::proof(image, &folder, project.proof).exits(0);
            assert_eq!(proof.text(), project.prints, "{package} {toolchain}: {}", proof.stderr);
            let (from, to) = (summary.started_at.unwrap(), summary.finished_at.unwrap());
            let millis = to.as_millis() - from.as_millis();
            let version = &fetched.version;
            writeln!(
                times,
                "{package} {version} {toolchain} {}.{} s",
                millis / 1000,
                millis % 1000 / 100
            )
            .unwrap();
        }
        record(project, &times);
    });
}

#[expect(clippy::print_stdout, reason = "shown with the test's output")]
fn record(project: &Project, times: &str) {
    print!("{times}");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("farm-times");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(project.package), times).unwrap();
}

#[test]
fn md4c_with_cmake() {
    check("md4c", DEFAULT);
}

#[test]
fn tinyxml2_in_cxx_with_cmake() {
    check("tinyxml2", DEFAULT);
}

#[test]
fn inih_with_meson() {
    check("libinih", DEFAULT);
}

#[test]
fn htop_with_autotools_and_no_configure() {
    check("htop", DEFAULT);
}

#[test]
fn less_with_configure() {
    check("less", DEFAULT);
}

#[test]
fn entr_with_a_configure_of_its_own() {
    check("entr", DEFAULT);
}

#[test]
fn expat_in_a_folder_below_the_root() {
    check("expat", DEFAULT);
}

#[test]
fn bzip2_with_make() {
    check("bzip2", DEFAULT);
}

#[test]
fn pigz_with_make() {
    check("pigz", DEFAULT);
}

#[test]
fn tree_with_make() {
    check("tree", DEFAULT);
}

#[test]
fn unifdef_with_make() {
    check("unifdef", DEFAULT);
}

#[test]
fn lua_with_make_and_every_default_toolchain() {
    check("lua5.4", &["gcc:12", "gcc:14", "clang:19"]);
}

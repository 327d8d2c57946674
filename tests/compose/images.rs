//! Images made on this machine, in the place of those that a registry would give.
//!
//! PostgreSQL and the proxy come from Debian's packages and stay, as the toolchains' images do: the
//! engine makes them again only when their recipe has changed. What holds a program that was just
//! compiled has a name of its own for each run and is removed.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    docker::docker,
    program::{command, run},
};

/// The base is what all toolchains' images are made from.
const BASE: &str = "kiln/base:trixie";
/// Packages are fetched the first time.
const PATIENCE: Duration = Duration::from_mins(5);

/// The images of one run.
#[derive(Debug)]
pub(crate) struct Images {
    pub(crate) kiln: String,
    pub(crate) s3: String,
    pub(crate) postgres: &'static str,
    pub(crate) proxy: &'static str,
    /// Those, and what came about on the way, that go with this run.
    made: Vec<String>,
}

impl Images {
    /// Makes all of them; `run` is part of the names.
    pub(crate) fn make(run: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let recipes = root.join("tests/compose/images");
        let mut images = Self {
            kiln: format!("{run}:kiln"),
            s3: format!("{run}:s3"),
            postgres: "kiln-test/postgres:local",
            proxy: "kiln-test/proxy:local",
            made: Vec::new(),
        };
        let base = format!("BASE={BASE}");
        for (image, recipe) in
            [(images.postgres, "postgres.Dockerfile"), (images.proxy, "proxy.Dockerfile")]
        {
            build(&recipes, &recipes.join(recipe), &["--tag", image, "--build-arg", &base]);
        }

        let context = tempfile::Builder::new().prefix("kiln-image-").tempdir().unwrap();
        let folder = context.path();
        fs::create_dir(folder.join("deploy")).unwrap();
        let script = "deploy/alive.sh";
        fs::copy(root.join(script), folder.join(script)).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_kiln"), folder.join("kiln")).unwrap();
        let recipe = root.join("deploy/Dockerfile");
        let builder = format!("BUILDER={BASE}");
        // The first stage gets a name, too: what has none would be left behind.
        let stage = format!("{run}:stage");
        let arguments = ["--build-arg", &base, "--build-arg", &builder, "--tag"];
        images.made.extend([images.kiln.clone(), stage.clone()]);
        build(folder, &recipe, &[&arguments[..], &[&stage, "--target", "build"]].concat());
        build(folder, &recipe, &[&arguments[..], &[&images.kiln]].concat());

        let context = tempfile::Builder::new().prefix("kiln-image-").tempdir().unwrap();
        fs::copy(s3_server(), context.path().join("s3-server")).unwrap();
        fs::copy(recipes.join("s3.sh"), context.path().join("s3")).unwrap();
        images.made.push(images.s3.clone());
        let recipe = recipes.join("s3.Dockerfile");
        build(context.path(), &recipe, &["--tag", &images.s3, "--build-arg", &base]);
        images
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        for image in &self.made {
            docker(["rmi", "--force", image]);
        }
    }
}

#[track_caller]
fn build(context: &Path, recipe: &Path, arguments: &[&str]) {
    let mut docker = command("docker");
    // Without the newer builder's plugin the older one is used, which is on every engine.
    docker.env("DOCKER_BUILDKIT", "0").args(["build", "--quiet", "--force-rm"]).args(arguments);
    run(docker.arg("--file").arg(recipe).arg(context), Vec::new(), PATIENCE).exits(0);
}

/// The S3 server for tests, which cargo puts beside the program.
fn s3_server() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_kiln")).with_file_name("examples").join("s3-server");
    assert!(
        path.is_file(),
        "{} is not there: cargo build --example s3-server (`./dev test` does)",
        path.display()
    );
    path
}

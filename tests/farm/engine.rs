//! The container engine as an outsider sees it, through its own command line: what is left of an
//! installation, and running what was built.

use std::{fs, path::Path, time::Duration};

use super::program::{Ran, command, run};

const PATIENCE: Duration = Duration::from_mins(1);

fn docker(arguments: &[&str], input: Vec<u8>) -> Ran {
    run(command("docker").args(arguments), input, PATIENCE)
}

fn lines(arguments: &[&str]) -> Vec<String> {
    docker(arguments, Vec::new()).exits(0).text().lines().map(str::to_owned).collect()
}

fn label(instance: &str) -> String {
    format!("label=kiln.instance={instance}")
}

/// Names of an installation's containers that run.
pub(crate) fn running(instance: &str) -> Vec<String> {
    lines(&["ps", "--filter", &label(instance), "--format", "{{.Names}}"])
}

/// Names of all containers and volumes of an installation. An engine may go on listing a container
/// that it has removed, without its name and until it is started anew; only one that it can show is
/// there.
pub(crate) fn left(instance: &str) -> Vec<String> {
    let label = label(instance);
    let listed = lines(&["ps", "--all", "--filter", &label, "--format", "{{.ID}} {{.Names}}"]);
    let shown = |id: &str| docker(&["container", "inspect", id], Vec::new()).code == Some(0);
    let mut left = Vec::new();
    for line in &listed {
        match line.trim_end().split_once(' ') {
            Some((_, name)) => left.push(name.to_owned()),
            None if shown(line.trim_end()) => left.push(line.trim_end().to_owned()),
            None => {}
        }
    }
    left.extend(lines(&["volume", "ls", "--filter", &label, "--format", "{{.Name}}"]));
    left
}

/// Makes a volume as if an attempt had left it.
pub(crate) fn leave_volume(instance: &str) {
    let label = format!("kiln.instance={instance}");
    docker(&["volume", "create", "--label", &label], Vec::new()).exits(0);
}

/// Removes all of it, so that a test that failed does not disturb the next.
pub(crate) fn remove(instance: &str) {
    let label = label(instance);
    for name in lines(&["ps", "--all", "--quiet", "--filter", &label]) {
        docker(&["rm", "--force", &name], Vec::new());
    }
    for name in lines(&["volume", "ls", "--quiet", "--filter", &label]) {
        docker(&["volume", "rm", "--force", &name], Vec::new());
    }
}

/// Runs a script in a container of the image, in a folder with a copy of `folder`; without network,
/// without rights, and gone afterwards.
pub(crate) fn proof(image: &str, folder: &Path, script: &str) -> Ran {
    let mut tar = tar::Builder::new(Vec::new());
    tar.follow_symlinks(false);
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            tar.append_dir_all(entry.file_name(), entry.path()).unwrap();
        } else {
            tar.append_path_with_name(entry.path(), entry.file_name()).unwrap();
        }
    }
    let script = format!("cd /proof && export TMPDIR=/proof && tar -xf - && {script}");
    let arguments = [
        "run",
        "--rm",
        "--interactive",
        "--network=none",
        "--read-only",
        "--cap-drop=ALL",
        "--user=65534:65534",
        "--tmpfs=/proof:exec,mode=1777",
        "--entrypoint=sh",
        image,
        "-c",
        &script,
    ];
    docker(&arguments, tar.into_inner().unwrap())
}

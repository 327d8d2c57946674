//! Projects that are easily built in the wrong way, built without any configuration.
//!
//! Several share a farm: each of them takes a second or two, a farm as long as that.

use kiln::model::{Cause, Outcome};

use super::{
    engine,
    support::traps,
    world::{Farm, build_of, newest, with_farm},
};

/// A trap, what its build says, and what it makes.
struct Trap {
    name: &'static str,
    says: &'static [&'static str],
    /// The program, and what it prints.
    makes: (&'static str, &'static str),
}

const fn trap(name: &'static str, says: &'static [&'static str], prints: &'static str) -> Trap {
    Trap { name, says, makes: ("app", prints) }
}

fn check(farm: &Farm, trap: &Trap, toolchain: &str) {
    let name = trap.name;
    let repo = traps::repo(name);
    let said = farm.kiln(["build", &repo.url(), "-t", toolchain]).exits(0).text();
    let job = farm.only_job(build_of(&said));
    let steps = &newest(&job).steps;
    assert!(
        !steps.is_empty() && steps.iter().all(|step| step.exit_code.is_some()),
        "{name}: {job:?}"
    );
    let mut log = farm.log_of(job.summary.id, 1);
    for step in steps {
        log.push_str(&step.run);
    }
    for text in trap.says {
        assert!(log.contains(text), "{name}: {text:?} is not in:\n{log}");
    }
    let folder = farm.scratch(&format!("kept-{name}"));
    let id = job.summary.id.to_string();
    farm.kiln(["artifacts", &id, "--download", folder.to_str().unwrap()]).exits(0);
    let image = &newest(&job).sandbox.as_ref().unwrap().image;
    let folder = folder.join(toolchain.replace(':', "-"));
    let proof = engine::proof(image, &folder, &format!("./{}", trap.makes.0)).exits(0);
    assert_eq!(proof.text().trim_end(), trap.makes.1, "{name}");
}

fn all(toolchain: &str, list: &[Trap]) {
    with_farm(|farm| list.iter().for_each(|trap| check(farm, trap, toolchain)));
}

#[test]
fn configure_scripts_are_found_and_run_whatever_their_state() {
    all(
        "gcc:14",
        &[
            trap("stub-makefile", &["there is a configure script in the root"], "stub"),
            trap("configure-without-bit", &["/bin/sh ./configure"], "no bit"),
            trap("configure-elsewhere", &["auto/configure, in the root"], "elsewhere"),
            trap("older-automake", &["no automake of another version is asked for"], "automake"),
        ],
    );
}

#[test]
fn configure_scripts_are_made_first_and_run_once() {
    all(
        "clang:19",
        &[
            trap("autogen-configures", &["not done twice", "configured: 1"], "autogen"),
            trap("autoreconf-without-folders", &["mkdir -p m4 build-aux"], "autoreconf"),
        ],
    );
}

#[test]
fn cmake_and_meson_come_before_what_is_beside_them() {
    let preset = Trap {
        makes: ("build/app", "preset"),
        ..trap("cmake-preset", &["its preset dev is used"], "")
    };
    let cmake = Trap { makes: ("build/app", "cmake"), ..trap("cmake-and-makefile", &[], "") };
    let meson =
        Trap { makes: ("build/app", "meson"), ..trap("meson", &["Building with Meson"], "") };
    all("gcc:14", &[preset, cmake, meson]);
}

#[test]
fn what_does_not_work_gives_way_to_the_next() {
    all(
        "gcc:14",
        &[
            trap(
                "cmake-too-new",
                &["CMake does not work here: it asks for a newer CMake", "Building with Make"],
                "make instead",
            ),
            trap(
                "quiet-makefile",
                &["Make does not work here: it succeeded and made nothing"],
                "quiet",
            ),
            trap("parallel-race", &["words.h was not there when it was needed", "-j1"], "race"),
        ],
    );
}

#[test]
fn sources_alone_become_their_programs() {
    let plain = Trap { makes: ("build/src/app", "plain 2"), ..trap("plain-sources", &[], "") };
    let third = Trap { makes: ("build/third", "third"), ..trap("plain-sources", &[], "") };
    with_farm(|farm| {
        check(farm, &plain, "gcc:14");
        check(farm, &third, "clang:19");
    });
}

#[test]
fn failures_of_the_project_stay_what_they_are() {
    with_farm(|farm| {
        for (name, arguments, cause, says, steps) in [
            ("network-check", &["--test"][..], Cause::Test, "it tried to reach the network", 2),
            ("compile-error-stays", &[], Cause::Compile, "undeclared", 1),
        ] {
            let repo = traps::repo(name);
            let url = repo.url();
            let line = [&["build", &url, "-t", "gcc:14"], arguments].concat();
            let said = farm.kiln(line).exits(1).text();
            let job = farm.only_job(build_of(&said));
            let ended = (job.summary.outcome, job.summary.cause);
            assert_eq!(ended, (Some(Outcome::Failure), Some(cause)), "{said}");
            let attempt = newest(&job);
            assert!(attempt.message.contains(says), "{name}: {}", attempt.message);
            assert_eq!(attempt.steps.len(), steps, "{name}: nothing else is tried");
        }
    });
}

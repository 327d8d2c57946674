//! Jobs that need packages, and jobs that lack some.

use kiln::{
    model::{Cause, Limits, Recipe, StepKind, Stream, Verdict},
    sandbox::{Exit, Scenario},
};

use crate::world::{World, err, leg, one_step, step};

#[tokio::test]
async fn packages_make_another_image_and_the_log_names_their_versions() {
    let world = World::new(|_| Scenario::default()).await;
    let packages = vec!["zlib1g-dev".parse().unwrap(), "libuv1-dev".parse().unwrap()];
    let steps = vec![step("compile", StepKind::Compile, "make")];
    let recipe = Recipe { packages, steps, ..Recipe::default() };
    let key = world.queue(leg(recipe, Limits::default()));
    let (attempt, finish) = world.server().finished(key).await;
    assert_eq!(finish.verdict, Verdict::Success, "{}", finish.message);
    let kiln = attempt.text(Stream::Kiln);
    for line in [
        "Packages: zlib1g-dev, libuv1-dev\n",
        "Packages: image fedcba098765 made in 1.5 s\n",
        "Installed: zlib1g-dev 1.0, libuv1-dev 1.0\n",
    ] {
        assert!(kiln.contains(line), "{line:?} is not in {kiln}");
    }
    assert_eq!(attempt.start.unwrap().sandbox.image, "sha256:fedcba0987654321");
    assert_eq!(world.sandbox.seen()[0].spec.image.0, "sha256:fedcba0987654321");
    world.end().await;
}

#[tokio::test]
async fn a_package_that_does_not_exist_fails_the_job_before_a_sandbox_is_made() {
    let world = World::new(|_| Scenario::default()).await;
    let packages = vec!["libnosuch-dev".parse().unwrap()];
    let key = world.queue(leg(Recipe { packages, ..Recipe::default() }, Limits::default()));
    let (_, finish) = world.server().finished(key).await;
    assert_eq!(finish.verdict, Verdict::Failed(Cause::RecipeInvalid));
    assert_eq!(finish.message, "there is no package libnosuch-dev in Debian trixie");
    assert!(world.sandbox.seen().is_empty());
    world.end().await;
}

#[tokio::test]
async fn what_is_missing_is_named_with_its_package() {
    let world = World::new(|_| Scenario {
        acts: one_step(
            vec![err("a.c:1:10: fatal error: confuse.h: No such file or directory\n")],
            2,
        ),
        exit: Exit { code: 2, oom_killed: false, stopped: false, used: None },
        ..Scenario::default()
    })
    .await;
    let steps = vec![step("compile", StepKind::Compile, "make")];
    let key = world.queue(leg(Recipe { steps, ..Recipe::default() }, Limits::default()));
    let (_, finish) = world.server().finished(key).await;
    assert_eq!(finish.verdict, Verdict::Failed(Cause::Compile));
    let expected = "compile failed: confuse.h is missing; add packages = [\"confuse.h-dev\"]";
    assert!(finish.message.starts_with(expected), "{}", finish.message);
    world.end().await;
}

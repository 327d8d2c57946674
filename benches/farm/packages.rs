//! A package set that a build needs: the first use, which makes the image, against later ones, which
//! find it there.

use kiln::images::Images;
use serde_json::json;

use crate::{
    command,
    report::{self, Report},
    repository::Repository,
    samples::Samples,
    server::{Kiln, TOOLCHAIN},
};

/// How often the image is made, and how often it is used after each making.
const MAKINGS: usize = 2;
const USES: usize = 5;
/// A small library that the toolchain's image does not have.
const PACKAGE: &str = "libconfuse-dev";
/// What shows that it is there: the scenario, and what compiles it.
const HELLO: (&str, &str) = ("hello", "gcc -O2 -include confuse.h -o hello hello.c -lconfuse");

/// Measures first and later uses in turns, and builds without packages beside them.
pub(crate) async fn measure(kiln: &Kiln, report: &mut Report) -> anyhow::Result<()> {
    let repository = Repository::of(HELLO.0).await?;
    let [mut first, mut later, mut plain]: [Samples; 3] = Default::default();
    let measured = async {
        kiln.build(&repository, crate::latency::HELLO.1).await?;
        for _ in 0..MAKINGS {
            remove(kiln).await?;
            first.add(kiln.build_with(&repository, HELLO.1, &[PACKAGE]).await?.total);
            for _ in 0..USES {
                later.add(kiln.build_with(&repository, HELLO.1, &[PACKAGE]).await?.total);
                plain.add(kiln.build(&repository, crate::latency::HELLO.1).await?.total);
            }
        }
        Ok(())
    };
    let measured: anyhow::Result<()> = measured.await;
    remove(kiln).await?;
    measured?;
    report::title(&format!("A job that needs {PACKAGE}, with {TOOLCHAIN}"));
    report::by_hand("the first use makes the image", &first);
    report::beside("a later use finds it there", &later, &first);
    report::beside("a job without packages", &plain, &first);
    report.record(
        "packages",
        json!({
            "first": first.json(), "later": later.json(), "without": plain.json(),
            "ratio": later.median() / first.median(),
            "ratio_to_without": later.median() / plain.median(),
        }),
    );
    Ok(())
}

/// Removes the image with the package, if it is there.
async fn remove(kiln: &Kiln) -> anyhow::Result<()> {
    let images = Images::connect(kiln::toolchain::Catalogue::builtin()).await?;
    for row in images.packaged().await? {
        if row.base == kiln.image() && row.packages == [PACKAGE] {
            command::output("docker", &["rmi", "--force", &row.image_id]).await?;
        }
    }
    Ok(())
}

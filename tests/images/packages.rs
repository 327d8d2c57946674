//! Packages for builds on a real engine: made once, used again, refused, evicted, and found.
//!
//! Every test removes the images it made, also when it fails.

use std::panic::{AssertUnwindSafe, resume_unwind};

use bollard::query_parameters::{ListImagesOptionsBuilder, RemoveImageOptionsBuilder};
use futures_util::FutureExt as _;
use kiln::{
    images::{
        Images, Lacking, Made, PackageImageBounds, PackagedImage, PackagesError, PinnedImage,
        Wanted,
    },
    model::PackageName,
    toolchain::Catalogue,
};
use tokio::sync::Mutex;

use super::{built, docker, name, say};

/// One test at a time: they look at all images with packages that this machine has.
static ONE: Mutex<()> = Mutex::const_new(());

fn packages(names: &[&str]) -> Vec<PackageName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// The ids of all images with packages.
async fn there() -> Vec<String> {
    let rows = built(&[]).await.packaged().await.unwrap();
    rows.into_iter().map(|row| row.image_id).collect()
}

/// Removes what a test made: all that can be removed, before it complains of the rest.
async fn remove_all_but(before: &[String]) {
    let images = built(&[]).await;
    let mut problems = Vec::new();
    for row in images.packaged().await.unwrap() {
        if !before.contains(&row.image_id) {
            let options = RemoveImageOptionsBuilder::new().force(true).build();
            let removed = docker().remove_image(&row.image_id, Some(options), None).await;
            problems.extend(removed.err().map(|error| format!("{:?}: {error}", row.packages)));
        }
    }
    assert!(problems.is_empty(), "{problems:?}");
}

/// Does the test, and removes what it made whatever comes of it.
async fn cleanly(test: impl Future<Output = ()>) {
    let _one = ONE.lock().await;
    let before = there().await;
    let dangling = dangling().await;
    let result = AssertUnwindSafe(test).catch_unwind().await;
    remove_all_but(&before).await;
    if let Err(error) = result {
        resume_unwind(error);
    }
    let mut left = there().await;
    left.extend(self::dangling().await);
    left.retain(|id| !before.contains(id) && !dangling.contains(id));
    assert!(left.is_empty(), "images are left: {left:?}");
}

/// The ids of kiln's images that have no name.
async fn dangling() -> Vec<String> {
    let filters = std::collections::HashMap::from([
        ("dangling", vec!["true"]),
        ("label", vec!["kiln.image.stage"]),
    ]);
    let options = ListImagesOptionsBuilder::new().filters(&filters).build();
    let images = docker().list_images(Some(options)).await.unwrap();
    images.into_iter().map(|image| image.id).collect()
}

async fn with(
    images: &Images,
    toolchain: &str,
    names: &[&str],
) -> Result<PackagedImage, PackagesError> {
    let pinned = images.resolve(&name(toolchain)).await.unwrap();
    images.with_packages(&pinned, &packages(names)).await
}

/// What `script` says in the image with packages.
async fn say_in(images: &Images, toolchain: &str, image: &PackagedImage, script: &str) -> String {
    let pinned = images.resolve(&name(toolchain)).await.unwrap();
    say(&PinnedImage { id: image.id.clone(), ..pinned }, script).await
}

const USES_CONFUSE: &str = r"
    echo '#include <confuse.h>
int main(void) { cfg_t *c = cfg_init(0, 0); return c != 0; }' > a.c
    $CC a.c $(pkg-config --cflags --libs libconfuse) -o a; file -b a | cut -d, -f2
    find / -xdev -type f -perm /6000 2>/dev/null || true
    find /var/lib/apt/lists /tmp/kiln-new -mindepth 1 2>/dev/null || true
";

#[tokio::test]
async fn a_set_is_made_once_used_by_a_build_and_then_used_again() {
    cleanly(Box::pin(async {
        let images = built(&["gcc:14"]).await;
        let plain = images.resolve(&name("gcc:14")).await.unwrap();
        let lacks = say(&plain, "pkg-config libconfuse || echo no").await;
        assert!(lacks.ends_with("no\n"), "the toolchain has what this test adds: {lacks}");
        let (one, two) = tokio::join!(
            with(&images, "gcc:14", &["libconfuse-dev", "zlib1g-dev"]),
            with(&images, "gcc:14", &["zlib1g-dev", "libconfuse-dev"])
        );
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(one.id, two.id, "two that need the same wait for one making");
        assert_eq!(one.made, two.made);
        assert!(matches!(one.made, Made::Now(took) if took.as_millis() > 0), "{:?}", one.made);
        let version = one.installed.iter().find_map(|it| it.strip_prefix("libconfuse-dev "));
        assert!(version.unwrap().starts_with(|c: char| c.is_ascii_digit()), "{:?}", one.installed);
        assert!(one.compiler.contains("14."), "{}", one.compiler);
        assert_eq!(say_in(&images, "gcc:14", &one, USES_CONFUSE).await, " x86-64\n");

        let again = with(&images, "gcc:14", &["libconfuse-dev", "zlib1g-dev"]).await.unwrap();
        assert!(matches!(again.made, Made::Before(_)), "{:?}", again.made);
        assert_eq!(
            (again.id, again.recipe, again.installed),
            (one.id.clone(), one.recipe, one.installed)
        );

        let mut out = Vec::new();
        let now = kiln::model::Timestamp::from_millis(i64::MAX / 2);
        kiln::images::list_command(&images, true, now, &mut out).await.unwrap();
        let list: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let row = list.as_array().unwrap().iter().find(|row| row["name"] == "gcc:14").unwrap();
        let with: Vec<_> = row["packaged"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["image_id"] == one.id.0.as_str())
            .collect();
        assert_eq!(with[0]["packages"], serde_json::json!(["libconfuse-dev", "zlib1g-dev"]));
        assert_eq!(with[0]["current"], true);
    }))
    .await;
}

#[tokio::test]
async fn what_cannot_be_installed_is_said_and_leaves_nothing() {
    cleanly(Box::pin(async {
        let images = built(&["gcc:14"]).await;
        for (names, words) in [
            (
                &["libconfuze-dev"][..],
                &["there is no package libconfuze-dev in Debian trixie", "libconfuse-dev"][..],
            ),
            (&["libcurl4-gnutls-dev"], &["would remove libcurl4-openssl-dev", "gcc:14"]),
            (&["libcurl-dev"], &["no package of its own", "libcurl4-openssl-dev"]),
            (
                &["libboost1.83-dev", "libboost1.88-dev"],
                &["cannot be installed together", "Conflicts"],
            ),
        ] {
            let error = with(&images, "gcc:14", names).await.unwrap_err();
            assert!(!error.is_transient(), "{error}");
            for word in words {
                assert!(error.to_string().contains(word), "{word} is not in {error}");
            }
        }
    }))
    .await;
}

#[tokio::test]
async fn a_job_that_goes_away_ends_the_making() {
    cleanly(Box::pin(async {
        let images = built(&["gcc:14"]).await;
        let making = with(&images, "gcc:14", &["libconfuse-dev", "libargtable2-dev"]);
        let is_running = async || {
            let options = bollard::query_parameters::ListContainersOptionsBuilder::new().build();
            let running = docker().list_containers(Some(options)).await.unwrap();
            running.iter().any(|it| {
                it.command
                    .as_ref()
                    .is_some_and(|it| it.contains("kiln-packages") || it.contains("set -u"))
            })
        };
        tokio::select! {
            _ = making => panic!("it was too fast to be ended"),
            () = async { while !is_running().await { tokio::task::yield_now().await; } } => {}
        }
        let gone = async {
            while is_running().await {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_mins(1), gone).await.unwrap();
    }))
    .await;
}

#[tokio::test]
async fn the_least_recently_used_goes_and_none_that_is_in_use() {
    cleanly(Box::pin(async {
        let plain = built(&["gcc:14"]).await;
        let kept = plain.packaged().await.unwrap().len();
        let bounds = PackageImageBounds { images: kept + 1, bytes: u64::MAX };
        let images =
            Images::connect(Catalogue::builtin()).await.unwrap().with_package_bounds(bounds);
        let first = with(&images, "gcc:14", &["libconfuse-dev"]).await.unwrap();
        let second = with(&images, "gcc:14", &["libargtable2-dev"]).await.unwrap();
        let ids = async || {
            let rows = images.packaged().await.unwrap();
            rows.into_iter().map(|row| row.image_id).collect::<Vec<_>>()
        };
        let now = ids().await;
        assert!(now.contains(&first.id.0) && now.contains(&second.id.0), "both are in use");
        let first_id = first.id.0.clone();
        drop(first);
        images.evict_packages().await.unwrap();
        let now = ids().await;
        assert!(!now.contains(&first_id), "the first is beyond the bound");
        assert!(now.contains(&second.id.0), "the second is in use");
    }))
    .await;
}

#[tokio::test]
async fn a_cross_toolchain_gets_the_packages_of_its_architecture() {
    const SCRIPT: &str = r#"
        echo 'cmake_minimum_required(VERSION 3.13)
project(p C)
find_package(PkgConfig REQUIRED)
pkg_check_modules(CONFUSE REQUIRED libconfuse)
find_library(LIB confuse REQUIRED)
find_path(INC confuse.h REQUIRED)
message(STATUS "found ${LIB}")
add_executable(b a.c)
target_link_libraries(b ${LIB})' > CMakeLists.txt
        cmake -S . -B build > said; cmake --build build >/dev/null; grep '^-- found ' said | cut -d' ' -f3
        echo "project('p', 'c')
executable('m', 'a.c', dependencies: dependency('libconfuse'))" > meson.build
        meson setup m --cross-file=/usr/local/share/kiln/cross.meson >/dev/null; ninja -C m >/dev/null
        for f in build/b m/m; do file -b $f | cut -d, -f2; done
    "#;
    cleanly(Box::pin(async {
        let images = built(&["gcc-aarch64:14"]).await;
        let image = with(&images, "gcc-aarch64:14", &["libconfuse-dev", "gperf"]).await.unwrap();
        let has = |start: &str| image.installed.iter().any(|it| it.starts_with(start));
        assert!(has("libconfuse-dev:arm64 ") && has("libconfuse2:arm64 "), "{:?}", image.installed);
        let script = format!("{USES_CONFUSE}\n{SCRIPT}");
        let text = say_in(&images, "gcc-aarch64:14", &image, &script).await;
        assert_eq!(
            text,
            " ARM aarch64\n/usr/lib/aarch64-linux-gnu/libconfuse.so\n ARM aarch64\n ARM aarch64\n"
        );
    }))
    .await;
}

#[tokio::test]
async fn an_image_without_apt_is_refused_in_words() {
    cleanly(Box::pin(async {
        built(&["gcc:14"]).await;
        let reference = "kiln-images-test/no-apt:1";
        super::make(&docker(), reference, "FROM kiln/toolchain:gcc-14\nRUN rm /usr/bin/apt-get\n")
            .await;
        let images = super::images_with(&[("gcc:noapt", reference)]).await;
        let result = with(&images, "gcc:noapt", &["libconfuse-dev"]).await;
        let remove = RemoveImageOptionsBuilder::new().build();
        docker().remove_image(reference, Some(remove), None).await.unwrap();
        let error = result.unwrap_err().to_string();
        assert!(error.contains("gcc:noapt") && error.contains("apt-get cannot be used"), "{error}");
    }))
    .await;
}

#[tokio::test]
async fn what_a_build_lacks_is_found_in_the_index_of_its_release() {
    let images = built(&["gcc:14", "musl", "mingw64", "gcc-aarch64:14"]).await;
    let check = async |toolchain: &str, wanted: Wanted<'_>, expected: &str| {
        let (toolchain, image) =
            (name(toolchain), images.resolve(&name(toolchain)).await.unwrap().id);
        let lacking = Lacking { wanted, toolchain: &toolchain, image: &image, packages: &[] };
        let sentence = images.lacks(&lacking).await.unwrap().sentence;
        assert!(sentence.contains(expected), "{wanted:?}: {sentence}");
    };
    let add = |package: &str| format!("is missing; add packages = [\"{package}\"]");
    for (wanted, package) in [
        (Wanted::Header("confuse.h"), "libconfuse-dev"),
        (Wanted::Header("argtable2.h"), "libargtable2-dev"),
        (Wanted::Header("lua.h"), "liblua5.4-dev"),
        (Wanted::Library("pcap"), "libpcap0.8-dev"),
        (Wanted::Program("gtkdocize"), "gtk-doc-tools"),
        (Wanted::PkgConfig("gtk+-3.0"), "libgtk-3-dev"),
        (Wanted::CMakePackage("GTest"), "libgtest-dev"),
        (Wanted::CMakePackage("LibArchive"), "libarchive-dev"),
        (Wanted::PerlModule("XML::Parser"), "libxml-parser-perl"),
        (Wanted::PythonModule("jinja2"), "python3-jinja2"),
        (Wanted::Dependency("libuv"), "libuv1-dev"),
    ] {
        if package == "libuv1-dev" {
            check("gcc:14", wanted, "although libuv1-dev, which has it, is installed").await;
            check("gcc-aarch64:14", wanted, &add(package)).await;
        } else {
            check("gcc:14", wanted, &add(package)).await;
        }
    }
    let nowhere = "no package of Debian trixie has it";
    check("gcc:14", Wanted::Header("kiln/nowhere.h"), nowhere).await;
    check("musl", Wanted::Header("confuse.h"), "Debian has no libraries for musl").await;
    check("musl", Wanted::Program("gtkdocize"), &add("gtk-doc-tools")).await;
    check("mingw64", Wanted::Header("confuse.h"), nowhere).await;
}

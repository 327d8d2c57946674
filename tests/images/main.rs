//! Toolchain images on a real engine: what is built, that it stays, and that it makes what it says.
//!
//! Images are built where they are missing, which on a fresh machine takes a few minutes, and stay:
//! everything else that needs an engine needs them too. Containers do not stay.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod packages;

use std::collections::HashMap;

use bollard::{
    Docker,
    container::LogOutput,
    models::{ContainerCreateBody, HostConfig},
    query_parameters::{
        AttachContainerOptionsBuilder, BuildImageOptionsBuilder, CreateContainerOptions,
        ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder,
        StartContainerOptions,
    },
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use kiln::{
    images::{BuildCommand, BuildStep, Images, PinnedImage, build_command, list_command},
    model::{Timestamp, ToolchainName},
    toolchain::Catalogue,
};
use tokio::sync::Mutex;

/// One build at a time: the tests of this file run side by side and want the same images.
static BUILDING: Mutex<()> = Mutex::const_new(());

fn name(text: &str) -> ToolchainName {
    text.parse().unwrap()
}

async fn images_with(custom: &[(&str, &str)]) -> Images {
    let custom = custom.iter().map(|(text, reference)| (name(text), (*reference).to_owned()));
    Images::connect(Catalogue::builtin().with_custom(custom)).await.unwrap()
}

/// The images of these toolchains, built if they are missing.
async fn built(toolchains: &[&str]) -> Images {
    let images = images_with(&[]).await;
    let names: Vec<ToolchainName> = toolchains.iter().map(|text| name(text)).collect();
    let _one = BUILDING.lock().await;
    images.build(&names, false, &mut |_| ()).await.unwrap();
    images
}

fn docker() -> Docker {
    Docker::connect_with_defaults().unwrap()
}

/// What `script` says in a container of this image with this toolchain's environment.
async fn say(image: &PinnedImage, script: &str) -> String {
    let docker = docker();
    let env = image.toolchain.env.iter().map(|(name, value)| format!("{name}={value}"));
    let body = ContainerCreateBody {
        image: Some(image.id.0.clone()),
        cmd: Some(["sh", "-ec", script].map(str::to_owned).to_vec()),
        env: Some(env.collect()),
        user: Some("10240:10240".to_owned()),
        working_dir: Some("/tmp".to_owned()),
        network_disabled: Some(true),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            tmpfs: Some(HashMap::from([("/tmp".to_owned(), "rw,exec,mode=1777".to_owned())])),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let id = docker.create_container(None::<CreateContainerOptions>, body).await.unwrap().id;
    let attach =
        AttachContainerOptionsBuilder::new().stdout(true).stderr(true).stream(true).build();
    let mut attached = docker.attach_container(&id, Some(attach)).await.unwrap();
    docker.start_container(&id, None::<StartContainerOptions>).await.unwrap();
    let mut text = String::new();
    while let Some(Ok(LogOutput::StdOut { message } | LogOutput::StdErr { message })) =
        attached.output.next().await
    {
        text.push_str(&String::from_utf8_lossy(&message));
    }
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    docker.remove_container(&id, Some(options)).await.unwrap();
    text
}

#[tokio::test]
async fn the_default_set_is_built_once_and_labeled_with_what_it_was_made_from() {
    let images = built(&["gcc:12", "gcc:14", "clang:19"]).await;
    let defaults = images.catalogue().defaults().to_vec();
    let present = async || {
        let mut rows = images.present().await.unwrap();
        rows.retain(|row| defaults.contains(&row.name));
        rows
    };
    let before = present().await;

    let mut steps = Vec::new();
    images.build(&defaults, false, &mut |event| steps.push(event.step)).await.unwrap();
    assert_eq!(steps, vec![BuildStep::Current; 7], "root, base, tools, index and three toolchains");
    assert_eq!(present().await, before, "nothing was made again");

    for (toolchain, version) in
        [("gcc:12", " 12."), ("gcc:14", " 14."), ("clang:19", "clang version 19.")]
    {
        let pinned = images.resolve(&name(toolchain)).await.unwrap();
        assert!(pinned.compiler.contains(version), "{toolchain}: {}", pinned.compiler);
        assert_eq!(pinned.recipe.len(), 64, "{toolchain}");
        let row = before.iter().find(|row| row.name.as_str() == toolchain).unwrap();
        assert!(row.current && row.size > 0, "{row:?}");
        assert_eq!(row.recipe.as_ref(), Some(&pinned.recipe));
        assert_eq!(row.compiler.as_ref(), Some(&pinned.compiler));
        assert_eq!(row.image_id, pinned.id.0);
    }
    assert!(images.holder().await.unwrap().0.starts_with("sha256:"));
}

#[tokio::test]
async fn the_commands_print_what_happens_and_what_there_is() {
    let images = built(&["gcc:14"]).await;
    let command = BuildCommand { names: vec![name("gcc:14")], ..BuildCommand::default() };
    let mut out = Vec::new();
    build_command(&images, &command, &mut out).await.unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.lines().count() == 5 && text.contains("up to date"), "{text}");

    let mut out = Vec::new();
    list_command(&images, true, Timestamp::from_millis(0), &mut out).await.unwrap();
    let list: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let rows = list.as_array().unwrap();
    assert_eq!(rows.len(), images.catalogue().names().count());
    let gcc14 = rows.iter().find(|row| row["name"] == "gcc:14").unwrap();
    assert_eq!(gcc14["present"]["current"], true);
    assert!(gcc14["present"]["compiler"].as_str().unwrap().contains("14."));
    assert_eq!(gcc14["default"], true);
}

#[tokio::test]
async fn an_unknown_toolchain_is_refused_with_the_known_ones() {
    let images = images_with(&[]).await;
    let command = BuildCommand { names: vec![name("gcc:99")], ..BuildCommand::default() };
    let error = build_command(&images, &command, &mut Vec::new()).await.unwrap_err().to_string();
    assert!(error.contains("gcc:99") && error.contains("gcc:14"), "{error}");
}

#[tokio::test]
async fn plain_names_mean_the_toolchains_compiler_and_no_other_is_there() {
    const WHICH: &str = "for c in cc c++ gcc g++ clang clang++ tcc; do \
        command -v $c >/dev/null && echo $c=$($c --version | head -n 1) || true; done";
    let check = async |toolchain: &str, plain: [&str; 4], version: &str| {
        let images = built(&[toolchain]).await;
        let pinned = images.resolve(&name(toolchain)).await.unwrap();
        let text = say(&pinned, WHICH).await;
        let found: Vec<&str> = text.lines().filter_map(|line| line.split('=').next()).collect();
        assert_eq!(found, plain, "{toolchain}: {text}");
        assert!(text.lines().all(|line| line.contains(version)), "{toolchain}: {text}");
    };
    check("gcc:12", ["cc", "c++", "gcc", "g++"], " 12.").await;
    check("gcc:14", ["cc", "c++", "gcc", "g++"], " 14.").await;
    check("clang:19", ["cc", "c++", "clang", "clang++"], "version 19.").await;
}

#[tokio::test]
async fn native_toolchains_build_with_threads_libraries_sanitizers_lto_cmake_and_meson() {
    const SCRIPT: &str = r#"
        cat > a.c <<'END'
#include <pthread.h>
#include <stdio.h>
#include <zlib.h>
static void *f(void *x) { return x; }
int main(void) {
  pthread_t t;
  pthread_create(&t, 0, f, 0);
  pthread_join(t, 0);
  return puts(zlibVersion()) < 0;
}
END
        cat > b.cpp <<'END'
#include <iostream>
int main() { std::cout << "C++ works" << std::endl; }
END
        $CC -pthread a.c $(pkg-config --libs zlib) -o a; ./a >/dev/null; echo C works
        $CXX b.cpp -o b; ./b
        for library in libstdc++ libc++; do
          case $CXX in
            clang++) $CXX -stdlib=$library b.cpp -o c; ./c >/dev/null; ldd c | grep -q $library.so ;;
          esac
        done
        ldd b | grep -q libstdc++.so
        $CC -fsanitize=address,undefined -pthread a.c -lz -o s; ./s >/dev/null; echo sanitizers work
        $CC -flto -c a.c -o lto.o; $AR rcs liblto.a lto.o; $RANLIB liblto.a
        $NM liblto.a | grep -q main; echo archives of LTO objects work
        echo 'cmake_minimum_required(VERSION 3.13)
project(p C CXX)
add_executable(a a.c)
target_link_libraries(a z pthread)' > CMakeLists.txt
        cmake -S . -B build -G Ninja >/dev/null; cmake --build build >/dev/null; build/a >/dev/null
        echo CMake works
        echo "project('p', 'c')
executable('a', 'a.c', dependencies: [dependency('zlib'), dependency('threads')])" > meson.build
        meson setup m >/dev/null; ninja -C m >/dev/null; m/a >/dev/null; echo Meson works
        for p in make autoreconf libtoolize pkg-config bison flex gettext m4 perl python3 gawk \
            file git ccache xz; do
          command -v $p >/dev/null || echo missing $p
        done
    "#;
    for toolchain in ["gcc:12", "gcc:14", "clang:19"] {
        let images = built(&[toolchain]).await;
        let text = say(&images.resolve(&name(toolchain)).await.unwrap(), SCRIPT).await;
        assert_eq!(
            text,
            "C works\nC++ works\nsanitizers work\narchives of LTO objects work\nCMake works\n\
             Meson works\n",
            "{toolchain}"
        );
    }
}

#[tokio::test]
async fn cross_toolchains_make_programs_of_their_target_however_they_are_called() {
    const SCRIPT: &str = r#"
        echo '#include <stdio.h>
int main(void) { puts("hello"); return 0; }' > a.c
        echo 'cmake_minimum_required(VERSION 3.13)
project(p C)
add_executable(a a.c)
find_library(Z uv)
message(STATUS "found ${Z}")' > CMakeLists.txt
        $CC a.c -o env; cc a.c -o plain
        cmake -S . -B b > said; cmake --build b >/dev/null
        for f in env plain b/a; do test -e $f || f=$f.exe; file -b $f; done
        grep found said
    "#;
    let check = async |toolchain: &str, expected: &str| {
        let images = built(&[toolchain]).await;
        let pinned = images.resolve(&name(toolchain)).await.unwrap();
        let text = say(&pinned, SCRIPT).await;
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{toolchain}: {text}");
        assert!(lines[..3].iter().all(|line| line.contains(expected)), "{toolchain}: {text}");
        assert!(lines[3].contains("Z-NOTFOUND"), "{toolchain} found a library of the host: {text}");
        pinned
    };
    check("mingw64", "PE32+ executable").await;
    check("gcc-aarch64:14", "ARM aarch64").await;
    let musl = check("musl", "statically linked").await;
    let text = say(&musl, "echo 'int main(void) { return 7; }' > a.c; cc a.c -o a; ./a || echo $?");
    assert_eq!(text.await, "7\n");
}

#[tokio::test]
async fn an_operators_image_is_used_only_if_it_is_fit() {
    built(&["gcc:14"]).await;
    let docker = docker();
    let volumes = "kiln-images-test/volumes:1";
    make(&docker, volumes, "FROM kiln/toolchain:gcc-14\nVOLUME /data\n").await;
    let images = images_with(&[
        ("gcc:mine", "kiln/toolchain:gcc-14"),
        ("bare:1", "kiln/base:trixie"),
        ("volumes:1", volumes),
        ("absent:1", "kiln-images-test/absent:1"),
    ])
    .await;

    let mine = images.resolve(&name("gcc:mine")).await.unwrap();
    assert!(mine.compiler.contains("14."), "{mine:?}");
    assert_eq!(mine.toolchain.env["CC"], "gcc");
    assert_eq!(images.resolve(&name("gcc:mine")).await.unwrap(), mine, "and again, from memory");
    let mut problems = Vec::new();
    for toolchain in ["bare:1", "volumes:1", "absent:1"] {
        problems.push(images.resolve(&name(toolchain)).await.unwrap_err().to_string());
    }
    let remove = RemoveImageOptionsBuilder::new().build();
    docker.remove_image(volumes, Some(remove), None).await.unwrap();
    assert!(problems[0].contains("it lacks cc (the compiler)"), "{problems:?}");
    assert!(problems[1].contains("it declares volumes (/data)"), "{problems:?}");
    assert!(problems[2].contains("run `kiln images build absent:1`"), "{problems:?}");
}

#[tokio::test]
async fn no_container_is_left_of_looking_into_images() {
    built(&["gcc:14"]).await;
    let images = images_with(&[("gcc:left", "kiln/toolchain:gcc-14")]).await;
    images.resolve(&name("gcc:left")).await.unwrap();
    let label = HashMap::from([("label", vec!["kiln.probe=gcc:left"])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&label).build();
    assert!(docker().list_containers(Some(options)).await.unwrap().is_empty());
}

/// Builds an image from a Dockerfile without a context.
async fn make(docker: &Docker, image: &str, dockerfile: &str) {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(dockerfile.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "Dockerfile", dockerfile.as_bytes()).unwrap();
    let context = bollard::body_full(tar.into_inner().unwrap().into());
    let options = BuildImageOptionsBuilder::new().dockerfile("Dockerfile").t(image).rm(true);
    docker.build_image(options.build(), None, Some(context)).try_collect::<Vec<_>>().await.unwrap();
}

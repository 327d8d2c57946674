//! Further real projects: each is quick, but all of them together are not. `./dev test --all` has
//! them; without it the choice in `projects` stands for them.

use super::projects::{DEFAULT, check};

#[test]
fn brotli_with_cmake() {
    check("brotli", DEFAULT);
}

#[test]
fn cjson_with_cmake() {
    check("cjson", DEFAULT);
}

#[test]
fn cmark_with_cmake_and_a_makefile_that_calls_it() {
    check("cmark", DEFAULT);
}

#[test]
fn snappy_in_cxx_with_cmake_and_without_its_tests() {
    check("snappy", DEFAULT);
}

#[test]
fn muon_with_meson() {
    check("muon-meson", DEFAULT);
}

#[test]
fn libsodium_with_autotools_and_no_configure() {
    check("libsodium", DEFAULT);
}

#[test]
fn hello_with_configure() {
    check("hello", DEFAULT);
}

#[test]
fn dash_with_configure() {
    check("dash", DEFAULT);
}

#[test]
fn mawk_with_an_old_configure() {
    check("mawk", DEFAULT);
}

#[test]
fn nginx_with_a_configure_of_its_own() {
    check("nginx", DEFAULT);
}

#[test]
fn tcc_with_a_configure_of_its_own() {
    check("tcc", DEFAULT);
}

#[test]
fn figlet_with_make() {
    check("figlet", DEFAULT);
}

#[test]
fn lz4_with_make() {
    check("lz4", DEFAULT);
}

#[test]
fn mujs_with_make() {
    check("mujs", DEFAULT);
}

#[test]
fn redis_with_make() {
    check("redis", DEFAULT);
}

#[test]
fn xxhash_with_make() {
    check("xxhash", DEFAULT);
}

//! The conventions of this project as tests, because a rule that nothing checks is forgotten.
//!
//! `docs/ARCHITECTURE.md` is the source of the module and crate tables: the page that people read
//! and the rule that is enforced cannot drift apart. Every check is a pure function from files to
//! a list of problems, with tests that it can fail.

mod files;
mod imports;
mod shape;
mod tables;
mod text;

use files::{File, read_tree};
use tables::Tables;

/// Fails with every problem at once.
fn report(what: &str, problems: &[String]) {
    assert!(problems.is_empty(), "{what}:\n  {}", problems.join("\n  "));
}

fn sources() -> Vec<File> {
    read_tree(&["src"]).into_iter().filter(|file| file.is("rs")).collect()
}

fn tables() -> Tables {
    let page = read_tree(&["docs/ARCHITECTURE.md"]).pop().expect("docs/ARCHITECTURE.md exists");
    Tables::parse(&page.text)
}

#[test]
fn the_module_table_has_every_module_and_no_cycle() {
    report("docs/ARCHITECTURE.md, the module table", &tables().problems(&sources()));
}

#[test]
fn modules_import_only_what_the_table_allows() {
    report("imports against docs/ARCHITECTURE.md", &imports::modules(&sources(), &tables()));
}

#[test]
fn foreign_crates_stay_behind_their_modules() {
    report("crates outside their modules", &imports::crates(&sources(), &tables()));
}

#[test]
fn every_source_file_says_what_it_is_for() {
    let mut files = sources();
    files.extend(read_tree(&["tests", "benches"]).into_iter().filter(|f| f.is("rs")));
    report("files that do not begin with `//!`", &shape::headers(&files));
}

#[test]
fn files_are_short() {
    println!("{}", shape::summary(&sources()));
    report("lengths without tests", &shape::lengths(&sources()));
}

#[test]
fn module_roots_hold_only_docs_mod_and_pub_use() {
    report("more than docs, `mod` and `pub use`", &shape::roots(&sources()));
}

#[test]
fn migrations_are_numbered_and_the_same_for_every_database() {
    let paths: Vec<String> = read_tree(&["migrations"]).into_iter().map(|f| f.path).collect();
    report("migrations", &shape::migrations(&paths));
}

#[test]
fn nothing_is_left_for_later_and_no_machine_or_registry_is_named() {
    report("forbidden text", &text::forbidden(&read_tree(files::EVERYTHING)));
}

//! What is packed is what was hashed, always the same bytes, and reads back as the same tree.

use std::{fs, io::Read as _};

use kiln::archive::tree::{TreeKind, read_tree};

use crate::folder::{BOUNDS, Folder, Silent};

#[test]
fn the_same_tree_is_packed_to_the_same_bytes_wherever_and_whenever_it_is() {
    let make = |order: &[&str]| {
        let folder = Folder::new();
        for name in order {
            folder.write(name, name);
        }
        folder.program("run.sh", "#!/bin/sh\n").link("d/link", "../a");
        folder
    };
    let (first, second) = (make(&["a", "d/b", "d/c"]), make(&["d/c", "d/b", "a"]));
    let time = fs::FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
    fs::File::open(second.at("a")).unwrap().set_times(time).unwrap();
    let pack = |folder: &Folder| {
        let tree = folder.read().unwrap();
        let mut packed = Vec::new();
        tree.pack(&mut packed, &Silent).unwrap();
        (tree.tree().digest(), packed)
    };
    let (one, two) = (pack(&first), pack(&second));
    assert_eq!(one.0, two.0);
    assert!(one.1 == two.1);

    let back = read_tree(&one.1[..], &BOUNDS, |_| Ok(())).unwrap();
    assert_eq!(&back, first.read().unwrap().tree());
    let mut names = Vec::new();
    let mut tar = Vec::new();
    flate2::read::MultiGzDecoder::new(&one.1[..]).read_to_end(&mut tar).unwrap();
    for entry in tar::Archive::new(&tar[..]).entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.mtime().unwrap(), header.uid().unwrap()), (0, 0));
        names.push(entry.path().unwrap().to_str().unwrap().to_owned());
    }
    assert_eq!(names, ["a", "d/", "d/b", "d/c", "run.sh", "d/link"]);
}

#[test]
fn executable_is_what_the_owner_may_run() {
    let folder = Folder::new();
    folder.program("yes", "1").write("no", "1");
    let tree = folder.read().unwrap();
    let executable: Vec<bool> = tree
        .tree()
        .entries()
        .iter()
        .map(|entry| matches!(entry.kind, TreeKind::File { executable: true, .. }))
        .collect();
    assert_eq!(executable, [false, true]);
}

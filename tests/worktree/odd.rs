//! What may stand in a folder: each is sent as it is, left out with a note, or a clear sentence.

use std::{
    ffi::OsStr,
    fs::{self, File},
    os::unix::{ffi::OsStrExt as _, net::UnixListener},
    path::Path,
};

use kiln::worktree::{self, Meter, WorktreeError};

use crate::folder::{BOUNDS, Folder, Silent, read};

fn refused(folder: &Folder) -> String {
    folder.read().unwrap_err().to_string()
}

#[test]
fn sockets_are_left_out_with_a_note() {
    let folder = Folder::new();
    folder.write("a.c", "1");
    let _socket = UnixListener::bind(folder.at("server.sock")).unwrap();
    let tree = folder.read().unwrap();
    assert_eq!(tree.tree().files(), 1);
    assert_eq!(tree.notes(), ["server.sock is a socket and was left out"]);
    folder.write(".kilnignore", "*.sock\n");
    assert_eq!(folder.read().unwrap().notes(), [""; 0]);
}

#[test]
fn a_file_that_is_too_large_is_refused_before_it_is_read() {
    let folder = Folder::new();
    folder.write("a.c", "1");
    // It has a size and no content: reading it would take minutes.
    File::create(folder.at("disk.img")).unwrap().set_len(10 << 30).unwrap();
    let error = refused(&folder);
    assert!(error.starts_with("disk.img has 10240 MiB, more than the 1 MiB"), "{error}");
    assert!(error.contains(".kilnignore"), "{error}");
    folder.write(".kilnignore", "*.img\n");
    assert_eq!(folder.read().unwrap().tree().files(), 2);
}

#[test]
fn too_much_is_refused_with_where_most_of_it_is() {
    let folder = Folder::new();
    folder.write("a.c", "1");
    for number in 0..600 {
        folder.write(&format!("node/{number}"), "1");
    }
    let error = refused(&folder);
    assert!(error.contains("more than 500 files and folders"), "{error}");
    assert!(error.contains("most of that is in node"), "{error}");
    let folder = Folder::new();
    let half = "x".repeat(600 << 10);
    folder.write("out/a", &half).write("out/b", &half);
    let error = refused(&folder);
    assert!(error.contains("more than 1 MiB") && error.contains("is in out"), "{error}");
    let folder = Folder::new();
    folder.write(&format!("{}a.c", "d/".repeat(22)), "1");
    assert!(refused(&folder).contains("nested deeper than 20"), "{}", refused(&folder));
}

#[test]
fn names_are_taken_byte_for_byte() {
    let folder = Folder::new();
    let name = OsStr::from_bytes(b"not \xff\xfe text\n.c");
    fs::write(folder.path().join(name), "1").unwrap();
    folder.write("A.c", "1").write("a.c", "2");
    let tree = folder.read().unwrap();
    let paths: Vec<&[u8]> =
        tree.tree().entries().iter().map(|entry| entry.path.as_bytes()).collect();
    assert_eq!(paths, [&b"A.c"[..], b"a.c", b"not \xff\xfe text\n.c"]);
}

#[test]
fn names_that_stand_for_git_elsewhere_are_refused() {
    let folder = Folder::new();
    folder.write("a/.GIT/config", "1");
    assert!(refused(&folder).contains("it stands for .git"), "{}", refused(&folder));
}

#[test]
fn symlinks_are_kept_as_they_are_wherever_they_lead() {
    let folder = Folder::new();
    folder.write("a.c", "1").link("out", "/etc/passwd").link("loop", "loop").link("up", "../..");
    fs::create_dir(folder.at("d")).unwrap();
    folder.link("d/back", "..");
    assert_eq!(folder.read().unwrap().tree().files(), 5);
}

#[test]
fn what_is_no_folder_to_send_is_said() {
    let folder = Folder::new();
    let empty = refused(&folder);
    assert!(empty.contains("there is no file to send"), "{empty}");
    fs::create_dir_all(folder.at("d/e")).unwrap();
    assert!(refused(&folder).contains("there is no file to send"));
    let error = read(&folder.at("absent")).unwrap_err();
    assert!(matches!(error, WorktreeError::Folder { .. }), "{error}");
    let error = read(Path::new("/")).unwrap_err();
    assert!(error.to_string().contains("the whole machine"), "{error}");
    let home = std::env::home_dir().unwrap();
    if !home.join(".git").exists() && home != Path::new("/") {
        let error = read(&home).unwrap_err();
        assert!(error.to_string().contains("your home folder"), "{error}");
    }
    let ignored = Folder::repository();
    ignored.write(".gitignore", "build\n").write("build/a.c", "1");
    let error = read(&ignored.at("build")).unwrap_err().to_string();
    assert!(error.contains("git ignores this folder"), "{error}");
}

/// Writes to a file whenever something was read.
struct Meddler<'a>(&'a Folder, &'static str);

impl Meter for Meddler<'_> {
    fn expect(&self, _: u64) {}

    fn advance(&self, _: u64) {
        let path = self.0.at(self.1);
        let more = fs::read(&path).unwrap_or_default().len() + 1;
        fs::write(path, "y".repeat(more)).unwrap();
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_is_an_error() {
    let folder = Folder::new();
    folder.write("log", "x");
    let error = worktree::read(folder.path(), &BOUNDS, &Meddler(&folder, "log")).unwrap_err();
    assert!(matches!(error, WorktreeError::Changes { .. }), "{error}");
    assert!(error.to_string().starts_with("log changes while it is read"), "{error}");
}

/// Does something once.
struct Once<'a>(std::sync::Once, &'a (dyn Fn() + Sync));

impl Meter for Once<'_> {
    fn expect(&self, _: u64) {}

    fn advance(&self, _: u64) {
        self.0.call_once(self.1);
    }
}

#[test]
fn a_file_that_changes_once_is_read_again() {
    let folder = Folder::new();
    folder.write("a.c", "1");
    let change = || {
        folder.write("a.c", "23");
    };
    let once = Once(std::sync::Once::new(), &change);
    let tree = worktree::read(folder.path(), &BOUNDS, &once).unwrap();
    assert_eq!(tree.tree().bytes(), 2);
}

#[test]
fn what_changed_since_it_was_hashed_is_never_packed() {
    for what in ["same length", "longer", "gone", "a link", "a folder"] {
        let folder = Folder::new();
        folder.write("a.c", "1").write("b.c", "22");
        let tree = folder.read().unwrap();
        let path = folder.at("b.c");
        fs::remove_file(&path).unwrap();
        match what {
            "same length" => fs::write(&path, "33").unwrap(),
            "longer" => fs::write(&path, "333").unwrap(),
            "a link" => {
                folder.link("b.c", "a.c");
            }
            "a folder" => fs::create_dir(&path).unwrap(),
            _ => {}
        }
        let error = tree.pack(Vec::new(), &Silent).unwrap_err();
        assert!(matches!(error, WorktreeError::Changes { .. }), "{what}: {error}");
    }
}

//! Which names may stand in a tree.
//!
//! Nothing is checked out on the host, but the tree is unpacked in the sandbox, and people download
//! and unpack sources elsewhere. So what git itself refuses to check out on any system is refused
//! here: names that climb, and `.git` in every disguise that HFS+ or NTFS see through.

/// The longest name that file systems take, in bytes.
const MAX_NAME: usize = 255;

/// What is wrong with one name of a tree; none if it is fine.
pub fn problem(name: &[u8]) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.len() > MAX_NAME {
        return Some("it is longer than 255 bytes");
    }
    if name.contains(&0) || name.contains(&b'/') {
        return Some("it has a NUL byte or a slash");
    }
    // A backslash is an ordinary character here and a separator elsewhere.
    name.split(|&b| b == b'\\').find_map(|part| match part {
        b"." | b".." => Some("it is '.' or '..'"),
        _ if is_dot_git(part) => Some("it stands for .git"),
        _ => None,
    })
}

fn is_dot_git(name: &[u8]) -> bool {
    is_ntfs_dot_git(name) || is_hfs_dot_git(name)
}

/// NTFS ignores case, trailing dots and spaces, and takes what follows a colon for a stream;
/// `git~1` is the short name of `.git`.
fn is_ntfs_dot_git(name: &[u8]) -> bool {
    let name = name.split(|&b| b == b':').next().unwrap_or(name);
    let end = name.iter().rposition(|b| !matches!(b, b'.' | b' ')).map_or(0, |at| at + 1);
    let name = &name[..end];
    name.eq_ignore_ascii_case(b".git") || name.eq_ignore_ascii_case(b"git~1")
}

/// HFS+ ignores case and these characters (the list of git's utf8.c).
fn is_hfs_dot_git(name: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(name) else { return false };
    let ignored = |c: &char| matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    let folded: String =
        text.chars().filter(|c| !ignored(c)).flat_map(char::to_lowercase).collect();
    folded == ".git"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_and_odd_names_are_fine() {
        for name in [
            "a",
            ".gitignore",
            ".gitmodules",
            ".github",
            "git",
            "a.git",
            "git~2",
            "...",
            " ",
            "-rf",
            "dev-mapper\\x2droot.mount",
            "a\nb",
            "ünïcode",
            "CON",
            "a:b",
        ] {
            assert_eq!(problem(name.as_bytes()), None, "{name:?}");
        }
        assert_eq!(problem(b"\xff\xfe"), None);
        assert_eq!(problem(&[b'a'; 255]), None);
    }

    #[test]
    fn names_that_climb_or_mean_the_repository_are_not() {
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "/etc",
            "a\0b",
            ".git",
            ".GIT",
            ".Git",
            "git~1",
            "GIT~1",
            ".git ",
            ".git.",
            ".git . .",
            ".git::$INDEX_ALLOCATION",
            ".git:x",
            ".g\u{200c}it",
            "\u{feff}.git",
            ".gi\u{202e}T",
            "..\\x",
            "a\\..\\b",
            ".git\\config",
            "x\\.GIT",
        ] {
            assert!(problem(name.as_bytes()).is_some(), "{name:?}");
        }
        assert!(problem(&[b'a'; 256]).is_some());
    }

    proptest! {
        #[test]
        fn checking_any_bytes_never_panics(name in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = problem(&name);
        }
    }
}

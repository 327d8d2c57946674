//! What a file is, from its first bytes and its name.
//!
//! The agent uses it to choose the default artifacts, the manifest to say what was kept. Names
//! alone prove nothing, so the content decides; the name only settles what the content leaves
//! open (a position-independent program and a shared library are the same kind of ELF file).

use serde::{Deserialize, Serialize};

/// As many bytes as it takes to be sure; with the first 64 the answer is nearly always the same.
pub const HEAD_BYTES: usize = 4096;

/// What a file is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// An ELF program.
    Program,
    /// An ELF shared library.
    SharedLibrary,
    /// An `ar` archive of objects.
    StaticLibrary,
    /// A relocatable object.
    Object,
    /// A Windows program or library.
    Pe,
    /// A text that names its interpreter.
    Script,
    /// Anything else.
    Data,
    /// A symlink.
    Symlink,
}

impl FileKind {
    /// What a file called `name` is that begins with `head`.
    pub fn detect(name: &[u8], head: &[u8]) -> Self {
        if head.starts_with(b"\x7fELF") {
            return elf(name, head).unwrap_or(Self::Data);
        }
        if head.starts_with(b"!<arch>\n") || head.starts_with(b"!<thin>\n") {
            return Self::StaticLibrary;
        }
        if is_pe(head) {
            return Self::Pe;
        }
        if head.starts_with(b"#!") {
            return Self::Script;
        }
        // LLVM bitcode, or a COFF object of the machines that cross toolchains build for.
        let coff = [[0x64, 0x86], [0x4c, 0x01], [0x64, 0xaa]].iter().any(|m| head.starts_with(m));
        let object_name = name.ends_with(b".o") || name.ends_with(b".obj");
        if head.starts_with(b"BC\xc0\xde") || (coff && object_name) {
            return Self::Object;
        }
        Self::Data
    }

    /// Whether the default rules keep a file of this kind when the build made it.
    pub const fn is_default_artifact(self) -> bool {
        matches!(self, Self::Program | Self::SharedLibrary | Self::StaticLibrary | Self::Pe)
    }
}

/// A DOS header, and the PE signature where it points to if that is within `head`.
fn is_pe(head: &[u8]) -> bool {
    let Some(at) = head.get(60..64).filter(|_| head.starts_with(b"MZ")) else { return false };
    let at = u32::from_le_bytes([at[0], at[1], at[2], at[3]]) as usize;
    at >= 64 && head.get(at..at.saturating_add(4)).is_none_or(|signature| signature == b"PE\0\0")
}

/// The fields of an ELF file that matter here, by class and byte order.
fn elf(name: &[u8], head: &[u8]) -> Option<FileKind> {
    const RELOCATABLE: u64 = 1;
    const EXECUTABLE: u64 = 2;
    const DYNAMIC: u64 = 3;
    const PT_INTERP: u64 = 3;
    let wide = match *head.get(4)? {
        1 => false,
        2 => true,
        _ => return None,
    };
    let big_endian = match *head.get(5)? {
        1 => false,
        2 => true,
        _ => return None,
    };
    let field = |at: usize, len: usize| -> Option<u64> {
        let bytes = head.get(at..at.checked_add(len)?)?;
        let join = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        Some(if big_endian { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) })
    };
    match field(16, 2)? {
        RELOCATABLE => return Some(FileKind::Object),
        EXECUTABLE => return Some(FileKind::Program),
        DYNAMIC => {}
        _ => return Some(FileKind::Data),
    }
    // Libraries that can be run (libc.so.6) have an interpreter too: the name goes first.
    let file_name = name.rsplit(|&b| b == b'/').next().unwrap_or(name);
    if file_name.ends_with(b".so") || file_name.windows(4).any(|part| part == b".so.") {
        return Some(FileKind::SharedLibrary);
    }
    let (table, entry_bytes, count) = if wide {
        (field(32, 8)?, field(54, 2)?, field(56, 2)?)
    } else {
        (field(28, 4)?, field(42, 2)?, field(44, 2)?)
    };
    let segment = |index: u64| {
        let at = table.checked_add(index.checked_mul(entry_bytes)?)?;
        field(usize::try_from(at).ok()?, 4)
    };
    let mut kind = FileKind::SharedLibrary;
    for index in 0..count {
        match segment(index) {
            Some(PT_INTERP) => kind = FileKind::Program,
            Some(_) => {}
            // Not visible from here: without a library's name it is a program far more often.
            None => {
                kind = FileKind::Program;
                break;
            }
        }
    }
    Some(kind)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// A minimal ELF header with one program header of the given type.
    fn elf_file(wide: bool, big_endian: bool, elf_type: u16, segment: u32) -> Vec<u8> {
        let mut file = vec![0; if wide { 64 } else { 52 }];
        file[..4].copy_from_slice(b"\x7fELF");
        file[4] = if wide { 2 } else { 1 };
        file[5] = if big_endian { 2 } else { 1 };
        let table = u16::try_from(file.len()).unwrap();
        let mut set = |at: usize, value: u16, len: usize| {
            let bytes = value.to_be_bytes();
            if big_endian {
                file[at + len - 2..at + len].copy_from_slice(&bytes);
            } else {
                file[at..at + 2].copy_from_slice(&[bytes[1], bytes[0]]);
            }
        };
        set(16, elf_type, 2);
        if wide {
            set(32, table, 8);
            set(54, 56, 2);
            set(56, 1, 2);
        } else {
            set(28, table, 4);
            set(42, 32, 2);
            set(44, 1, 2);
        }
        file.extend(if big_endian { segment.to_be_bytes() } else { segment.to_le_bytes() });
        file
    }

    #[test]
    fn elf_files_are_told_apart_in_every_class_and_byte_order() {
        for (wide, big_endian) in [(true, false), (true, true), (false, false), (false, true)] {
            for (name, elf_type, segment, expected) in [
                ("a.o", 1, 0, FileKind::Object),
                ("app", 2, 1, FileKind::Program),
                ("app", 3, 3, FileKind::Program),
                ("plugin", 3, 1, FileKind::SharedLibrary),
                ("lib.so.d/app", 3, 3, FileKind::Program),
                ("libc.so.6", 3, 3, FileKind::SharedLibrary),
                ("lib/libx.so", 3, 1, FileKind::SharedLibrary),
                ("core", 4, 1, FileKind::Data),
            ] {
                let file = elf_file(wide, big_endian, elf_type, segment);
                let found = FileKind::detect(name.as_bytes(), &file);
                assert_eq!(found, expected, "{name} wide {wide} big-endian {big_endian}");
            }
        }
        let file = elf_file(true, false, 3, 1);
        assert_eq!(FileKind::detect(b"app", &file[..64]), FileKind::Program);
    }

    #[test]
    fn other_files_are_told_by_their_first_bytes() {
        let mut pe = vec![0; 64];
        pe[..2].copy_from_slice(b"MZ");
        pe[60] = 64;
        let whole_pe = [&pe[..], b"PE\0\0"].concat();
        let not_pe = [&pe[..], b"NE\0\0"].concat();
        for (name, head, expected) in [
            ("libx.a", &b"!<arch>\nx"[..], FileKind::StaticLibrary),
            ("libx.a", b"!<thin>\nx", FileKind::StaticLibrary),
            ("app.exe", &pe, FileKind::Pe),
            ("app.exe", &whole_pe, FileKind::Pe),
            ("app.com", &not_pe, FileKind::Data),
            ("app.exe", b"MZ", FileKind::Data),
            ("run.sh", b"#!/bin/sh\n", FileKind::Script),
            ("a.obj", b"\x64\x86\x01", FileKind::Object),
            ("a.txt", b"\x64\x86\x01", FileKind::Data),
            ("a.bc", b"BC\xc0\xde", FileKind::Object),
            ("app", b"\x7fELF", FileKind::Data),
            ("fake.so", b"", FileKind::Data),
        ] {
            assert_eq!(FileKind::detect(name.as_bytes(), head), expected, "{name}");
        }
    }

    #[test]
    fn the_running_test_is_a_program() {
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        for len in [64, HEAD_BYTES] {
            assert_eq!(FileKind::detect(b"kiln", &file[..len]), FileKind::Program);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_some_kind(rest in vec(any::<u8>(), 0..120), name in vec(any::<u8>(), 0..9)) {
            FileKind::detect(&name, &rest);
            FileKind::detect(&name, &[b"\x7fELF", &rest[..]].concat());
            FileKind::detect(&name, &[b"MZ", &rest[..]].concat());
        }
    }
}

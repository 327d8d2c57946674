//! Whether a file is something a linker or an archiver made, by its first bytes.
//!
//! Names alone do not tell: libtool's wrapper scripts are executable and called like the program.

/// How many bytes of a file [`is_product`] looks at.
pub const HEAD_BYTES: usize = 20;

/// ELF's `e_type` of programs and of shared libraries (and position-independent programs).
const ET_EXEC: u16 = 2;
const ET_DYN: u16 = 3;

/// Whether these are the first bytes of a program or a library: ELF, PE, Mach-O or an archive; not
/// of an object file, not of a script.
pub fn is_product(head: &[u8]) -> bool {
    match head {
        [0x7f, b'E', b'L', b'F', _, data, ..] => {
            let Some(&[first, second]) = head.get(16..18) else { return false };
            let kind = match data {
                2 => u16::from_be_bytes([first, second]),
                _ => u16::from_le_bytes([first, second]),
            };
            kind == ET_EXEC || kind == ET_DYN
        }
        [b'M', b'Z', ..] => true,
        // Mach-O of either width and byte order; bytes 12–15 are the file's type, 1 is an object.
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] => head.get(12..16).is_some_and(|t| t != [1, 0, 0, 0]),
        // Thin archives only point to object files elsewhere.
        _ => head.starts_with(b"!<arch>\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(data: u8, kind: [u8; 2]) -> Vec<u8> {
        let mut head = vec![0x7f, b'E', b'L', b'F', 2, data, 1];
        head.resize(16, 0);
        head.extend(kind);
        head
    }

    #[test]
    fn products_are_told_from_objects_and_scripts() {
        for (head, expected) in [
            (elf(1, [2, 0]), true),
            (elf(1, [3, 0]), true),
            (elf(1, [1, 0]), false),
            (elf(2, [0, 2]), true),
            (elf(2, [0, 1]), false),
            (b"\x7fELF".to_vec(), false),
            (b"MZ\x90\0".to_vec(), true),
            (b"!<arch>\n".to_vec(), true),
            (b"!<thin>\n".to_vec(), false),
            (b"#!/bin/sh\n".to_vec(), false),
            (vec![], false),
        ] {
            assert_eq!(is_product(&head), expected, "{head:?}");
        }
    }
}

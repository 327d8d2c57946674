//! Packs a tree as it was hashed: a file that is not the same any more ends it.

use std::io::{Read as _, Write};

use super::{
    Meter, Worktree, WorktreeError,
    hash::{Stamp, open},
    walk::{shown, unreadable},
};
use crate::archive::{
    Digest, Hasher,
    gzip::MemberWriter,
    tree::{TarForm, TreeEntry, TreeKind},
};

/// For speed: most links carry more than a processor compresses at a higher level.
const LEVEL: u32 = 1;
const BUFFER: usize = 256 * 1024;

impl Worktree {
    /// Writes the canonical tar, gzipped. Nothing is held but a buffer.
    pub fn pack(&self, out: impl Write, meter: &dyn Meter) -> Result<(), WorktreeError> {
        meter.expect(self.tree.bytes());
        let form = TarForm::CANONICAL;
        let mut out = MemberWriter::new(out, LEVEL);
        let mut buffer = vec![0; BUFFER];
        let mut written = 0;
        for entry in self.tree.entries() {
            let header = form.header(entry);
            out.write(&header).map_err(WorktreeError::Sink)?;
            written += header.len() as u64;
            if let TreeKind::File { size, sha256, .. } = entry.kind {
                self.file(entry, sha256, (&mut out, &mut buffer, meter))?;
                let padding = TarForm::padding(size);
                out.write(padding).map_err(WorktreeError::Sink)?;
                written += size + padding.len() as u64;
            }
        }
        out.write(&TarForm::end(written)).map_err(WorktreeError::Sink)?;
        out.finish().map_err(WorktreeError::Sink).map(drop)
    }

    fn file<W: Write>(
        &self,
        entry: &TreeEntry,
        sha256: Digest,
        (out, buffer, meter): (&mut MemberWriter<W>, &mut [u8], &dyn Meter),
    ) -> Result<(), WorktreeError> {
        let name = entry.path.as_bytes();
        let changed = || WorktreeError::Changes { path: shown(name) };
        let (file, meta) = open(&self.root, &entry.path)?;
        if self.stamps.get(&entry.path) != Some(&Stamp::of(&meta)) {
            return Err(changed());
        }
        // Never more than its header said: it may grow while it is read.
        let mut file = file.take(meta.len());
        let mut hasher = Hasher::default();
        loop {
            match file.read(buffer) {
                Ok(0) => break,
                Ok(read) => {
                    hasher.update(&buffer[..read]);
                    out.write(&buffer[..read]).map_err(WorktreeError::Sink)?;
                    meter.advance(read as u64);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(name, error)),
            }
        }
        if file.limit() == 0 && hasher.finish() == sha256 { Ok(()) } else { Err(changed()) }
    }
}

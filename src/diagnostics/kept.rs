//! All that was said, once each: the same message of a header comes with every file that includes it.
//!
//! Bounded in number and in bytes; what does not fit is counted.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
};

use super::record::{Diagnostic, Entry, Related};
use crate::model::FileOrigin;

/// The most different diagnostics that are kept.
pub const MAX_KEPT: usize = 10_000;
/// The most bytes of text in them.
const MAX_BYTES: usize = 8 << 20;
/// The most places that are kept with one: the first of a long chain are what is read.
const MAX_RELATED: usize = 16;

/// The diagnostics of one step.
#[derive(Debug, Default)]
pub(super) struct Kept {
    entries: Vec<Entry>,
    /// Where in `entries` a diagnostic is, by its hash.
    index: HashMap<u64, u32>,
    hasher: RandomState,
    bytes: usize,
    omitted: u64,
    /// How many share the room.
    sharers: usize,
}

impl Kept {
    /// Leaves room for the others of so many.
    pub(super) fn share(&mut self, sharers: usize) {
        self.sharers = sharers;
    }

    fn room(&self) -> usize {
        MAX_BYTES / self.sharers.max(1)
    }

    /// Takes a diagnostic and what was said before it; answers where it is, if it is a new one.
    pub(super) fn add(
        &mut self,
        found: &Diagnostic,
        origin: Option<FileOrigin>,
        before: Vec<Related>,
    ) -> Option<usize> {
        let hash = self.hasher.hash_one(found);
        if let Some(&at) = self.index.get(&hash)
            && let Some(known) = self.entries.get_mut(at as usize)
            && known.diagnostic == *found
        {
            known.count += 1;
            return None;
        }
        let size = found.message.len() + found.file.as_ref().map_or(0, String::len);
        if self.entries.len() >= MAX_KEPT || self.bytes + size > self.room() {
            self.omitted += 1;
            return None;
        }
        self.bytes += size;
        let at = self.entries.len();
        self.index.insert(hash, u32::try_from(at).unwrap_or(u32::MAX));
        let symbol = super::linker::symbol(found);
        let diagnostic = found.clone();
        self.entries.push(Entry { diagnostic, origin, symbol, count: 1, related: Vec::new() });
        for one in before {
            self.relate(at, one);
        }
        Some(at)
    }

    /// Adds a place to the diagnostic at `at`.
    pub(super) fn relate(&mut self, at: usize, one: Related) {
        let size = one.message.len() + one.file.as_ref().map_or(0, String::len);
        let room = self.room();
        let Some(entry) = self.entries.get_mut(at) else { return };
        let fits = entry.related.len() < MAX_RELATED && !entry.related.contains(&one);
        if fits && self.bytes + size <= room {
            self.bytes += size;
            entry.related.push(one);
        }
    }

    /// What was kept, in the order it was said first, and how many more there were.
    pub(super) fn finish(self) -> (Vec<Entry>, u64) {
        (self.entries, self.omitted)
    }
}

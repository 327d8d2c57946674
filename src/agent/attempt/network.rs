//! Whether what failed had tried to reach the network, which no build has.
//!
//! Only the last of the output is looked at, and only once something failed: what was tried and did
//! not matter stands further up.

use crate::model::Stream;

/// How much of each stream is kept: some screens.
const KEPT: usize = 16 << 10;
/// What the C library, git, curl, wget and CMake write.
const PHRASES: &[&str] = &[
    "Could not resolve host",
    "Couldn't resolve host",
    "unable to resolve host",
    "Temporary failure in name resolution",
    "Name or service not known",
    "Network is unreachable",
    "getaddrinfo failed",
];

/// The end of what a step wrote.
#[derive(Debug, Default)]
pub(super) struct NetworkWatch {
    tails: [Vec<u8>; 2],
}

impl NetworkWatch {
    /// A step begins.
    pub(super) fn clear(&mut self) {
        self.tails.iter_mut().for_each(Vec::clear);
    }

    /// It wrote something.
    pub(super) fn feed(&mut self, stream: Stream, bytes: &[u8]) {
        let tail = &mut self.tails[usize::from(stream != Stream::Stdout)];
        let last = &bytes[bytes.len().saturating_sub(KEPT)..];
        // Twice what is kept, so that most pieces are only appended.
        if tail.len() + last.len() > 2 * KEPT {
            let gone = tail.len() - tail.len().min(KEPT - last.len());
            tail.drain(..gone);
        }
        tail.extend_from_slice(last);
    }

    /// Whether it says that something could not be reached.
    pub(super) fn is_wanted(&self) -> bool {
        self.tails.iter().any(|tail| {
            let text = String::from_utf8_lossy(&tail[tail.len().saturating_sub(KEPT)..]);
            PHRASES.iter().any(|phrase| text.contains(phrase))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_steps_output_tells() {
        let mut watch = NetworkWatch::default();
        watch.feed(Stream::Stderr, b"curl: (6) Could not resolve ");
        assert!(!watch.is_wanted());
        watch.feed(Stream::Stderr, b"host: example.org\n");
        assert!(watch.is_wanted());
        for _ in 0..100 {
            watch.feed(Stream::Stderr, &[b'x'; 700]);
        }
        assert!(!watch.is_wanted());
        watch.feed(Stream::Stdout, &vec![b'y'; 100_000]);
        watch.feed(Stream::Stdout, b"Network is unreachable");
        assert!(watch.is_wanted());
        watch.clear();
        assert!(!watch.is_wanted());
    }
}

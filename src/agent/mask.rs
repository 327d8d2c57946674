//! Keeps secrets out of what a build writes: every occurrence of one becomes `***`. Pure.
//!
//! A secret is looked for as it is, line by line, and in the forms in which programs print what they
//! were given: base 64 at each of its three alignments, hexadecimal, percent-encoded, as a JSON string.
//! All forms make one automaton (Aho and Corasick), which goes over the bytes once; what may be the
//! beginning of an occurrence is held until the next bytes decide, so that it makes no difference how
//! the output is cut. Base 64 is often wrapped: a line break in the middle of an occurrence that has
//! come far enough is passed over, and stays where it was.
//!
//! What this cannot see: a secret that the build has changed in a way of its own (reversed, split over
//! both streams). It keeps accidents out of logs; who gets a secret is decided elsewhere.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt::Write as _,
    sync::Arc,
};

use base64::{Engine as _, prelude::*};

use crate::model::{SHORTEST_MASKED, SecretValue};

/// What is put in the place of a secret.
const STARS: &[u8] = b"***";
/// How far an occurrence must have come for a line break in it to be passed over: wrapped lines are
/// much longer, and what is no secret is seldom held up.
const WRAPPED: u32 = 8;
const ROOT: u32 = 0;
const NONE: u32 = u32::MAX;

/// The automaton for some secrets.
pub(super) struct Mask {
    nodes: Vec<Node>,
    /// The children of the root, which has the most.
    first: [u32; 256],
}

struct Node {
    byte: u8,
    /// The first child, and the next child of the same parent.
    child: u32,
    next: u32,
    /// The node of the longest proper suffix that is the beginning of a form.
    fail: u32,
    depth: u32,
    /// The length of the longest form that ends here; 0 if none does.
    ends: u32,
}

impl Node {
    const fn new(byte: u8, next: u32, depth: u32) -> Self {
        Self { byte, child: NONE, next, fail: ROOT, depth, ends: 0 }
    }
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mask")
    }
}

impl Mask {
    /// For these secrets; nothing if there are none.
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a SecretValue>) -> Option<Arc<Self>> {
        let forms: BTreeSet<Vec<u8>> = secrets.into_iter().flat_map(forms).collect();
        (!forms.is_empty()).then(|| Arc::new(Self::of(forms.iter().map(Vec::as_slice))))
    }

    fn of<'a>(forms: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut mask = Self { nodes: vec![Node::new(0, NONE, 0)], first: [NONE; 256] };
        for form in forms {
            let end = form.iter().fold(ROOT, |node, &byte| mask.child_or_new(node, byte));
            let node = mask.at_mut(end);
            node.ends = node.depth;
        }
        mask.link();
        mask
    }

    fn at(&self, node: u32) -> &Node {
        &self.nodes[node as usize]
    }

    fn at_mut(&mut self, node: u32) -> &mut Node {
        &mut self.nodes[node as usize]
    }

    fn child(&self, node: u32, byte: u8) -> Option<u32> {
        if node == ROOT {
            let child = self.first[usize::from(byte)];
            return (child != NONE).then_some(child);
        }
        let mut child = self.at(node).child;
        while child != NONE && self.at(child).byte != byte {
            child = self.at(child).next;
        }
        (child != NONE).then_some(child)
    }

    fn child_or_new(&mut self, node: u32, byte: u8) -> u32 {
        if let Some(child) = self.child(node, byte) {
            return child;
        }
        let new = u32::try_from(self.nodes.len()).expect("secrets are bounded");
        let (next, depth) = (self.at(node).child, self.at(node).depth + 1);
        self.nodes.push(Node::new(byte, next, depth));
        self.at_mut(node).child = new;
        if node == ROOT {
            self.first[usize::from(byte)] = new;
        }
        new
    }

    /// Finds where each node goes on when its bytes do not: breadth first, so that what is shorter is
    /// known already.
    fn link(&mut self) {
        let mut queue = VecDeque::from([ROOT]);
        while let Some(parent) = queue.pop_front() {
            let mut child = self.at(parent).child;
            while child != NONE {
                let byte = self.at(child).byte;
                let fail =
                    if parent == ROOT { ROOT } else { self.step(self.at(parent).fail, byte) };
                let inherited = self.at(fail).ends;
                let node = self.at_mut(child);
                node.fail = fail;
                node.ends = node.ends.max(inherited);
                queue.push_back(child);
                child = self.at(child).next;
            }
        }
    }

    /// The node after one more byte.
    fn step(&self, mut node: u32, byte: u8) -> u32 {
        loop {
            match self.child(node, byte) {
                Some(child) => return child,
                None if node == ROOT => return ROOT,
                None => node = self.at(node).fail,
            }
        }
    }

    /// A text without the secrets in it.
    pub(super) fn masked(self: &Arc<Self>, text: &str) -> String {
        let mut masker = Masker::new(Arc::clone(self));
        let mut out = Vec::new();
        masker.feed(text.as_bytes(), &mut out);
        masker.flush(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// One stream on its way through a mask.
#[derive(Debug)]
pub(super) struct Masker {
    mask: Arc<Mask>,
    node: u32,
    /// What may be the beginning of a secret.
    held: VecDeque<Held>,
    /// How many of them are bytes of it, and not line breaks that were passed over.
    own: u32,
    /// Whether the last byte that went out belonged to a secret.
    starred: bool,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    byte: u8,
    is_break: bool,
    is_masked: bool,
}

impl Masker {
    pub(super) fn new(mask: Arc<Mask>) -> Self {
        Self { mask, node: ROOT, held: VecDeque::new(), own: 0, starred: false }
    }

    /// Takes the next bytes, and appends what is decided to `out`.
    pub(super) fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.held.is_empty() {
                let first = &self.mask.first;
                let plain = rest.iter().position(|&byte| first[usize::from(byte)] != NONE);
                let (plain, after) = rest.split_at(plain.unwrap_or(rest.len()));
                if !plain.is_empty() {
                    out.extend_from_slice(plain);
                    self.starred = false;
                }
                rest = after;
            }
            let Some((&byte, after)) = rest.split_first() else { return };
            rest = after;
            self.take(byte, out);
        }
    }

    fn take(&mut self, byte: u8, out: &mut Vec<u8>) {
        let mask = Arc::clone(&self.mask);
        let is_break = matches!(byte, b'\n' | b'\r')
            && mask.at(self.node).depth >= WRAPPED
            && mask.child(self.node, byte).is_none();
        self.held.push_back(Held { byte, is_break, is_masked: false });
        if is_break {
            return;
        }
        self.own += 1;
        self.node = mask.step(self.node, byte);
        let node = mask.at(self.node);
        let own = self.held.iter_mut().rev().filter(|held| !held.is_break);
        for held in own.take(node.ends as usize) {
            held.is_masked = true;
        }
        while self.own > node.depth || self.held.front().is_some_and(|held| held.is_break) {
            self.let_go(out);
        }
    }

    /// Appends everything that was held: what comes next does not belong to it.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) {
        while !self.held.is_empty() {
            self.let_go(out);
        }
        self.node = ROOT;
        self.starred = false;
    }

    fn let_go(&mut self, out: &mut Vec<u8>) {
        let Some(held) = self.held.pop_front() else { return };
        self.own -= u32::from(!held.is_break);
        match (held.is_masked, self.starred) {
            (true, true) => {}
            (true, false) => out.extend_from_slice(STARS),
            (false, _) => out.push(held.byte),
        }
        self.starred = held.is_masked;
    }
}

/// Everything that is looked for of one secret.
fn forms(value: &SecretValue) -> Vec<Vec<u8>> {
    let mut forms: Vec<Vec<u8>> = value.lines().map(<[u8]>::to_vec).collect();
    let whole = value.reveal().trim_ascii();
    for skip in 0..3 {
        let padded = [&[0; 3][..skip], whole].concat();
        // The characters that say something of the value alone.
        let (from, to) = ((skip * 8).div_ceil(6), padded.len() * 8 / 6);
        for engine in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
            let text = engine.encode(&padded);
            forms.push(text.as_bytes()[from.min(to)..to].to_vec());
        }
        // Where nothing stands after it, its last character too.
        for engine in [BASE64_STANDARD, BASE64_URL_SAFE] {
            let text = engine.encode(&padded);
            forms.push(text.as_bytes()[from.min(text.len())..].to_vec());
        }
    }
    let lower = hex::encode(whole);
    forms.push(lower.to_uppercase().into_bytes());
    forms.push(lower.into_bytes());
    let mut percent = String::new();
    for &byte in whole {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            percent.push(char::from(byte));
        } else {
            let _ = write!(percent, "%{byte:02X}");
        }
    }
    forms.push(percent.into_bytes());
    if let Ok(text) = std::str::from_utf8(whole) {
        let json = serde_json::to_string(text).expect("a text is JSON");
        forms.push(json.trim_matches('"').as_bytes().to_vec());
    }
    forms.retain(|form| form.len() >= SHORTEST_MASKED);
    forms
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const SECRET: &str = "correct-horse/battery+staple?";

    fn mask(secrets: &[&str]) -> Arc<Mask> {
        let values: Vec<_> =
            secrets.iter().map(|text| SecretValue::new(text.as_bytes().to_vec())).collect();
        Mask::new(&values).unwrap()
    }

    #[test]
    fn a_secret_is_masked_in_every_form() {
        let mask = mask(&[SECRET]);
        let base64 = |prefix: &str| BASE64_STANDARD.encode(format!("{prefix}{SECRET}"));
        for (text, expected) in [
            (format!("a {SECRET} b"), "a *** b".to_owned()),
            (format!("{SECRET}{SECRET}x"), "***x".to_owned()),
            (hex::encode(SECRET), "***".to_owned()),
            (hex::encode_upper(SECRET), "***".to_owned()),
            ("u=correct-horse%2Fbattery%2Bstaple%3F".to_owned(), "u=***".to_owned()),
            ("correct-horse".to_owned(), "correct-horse".to_owned()),
            (String::new(), String::new()),
        ] {
            assert_eq!(mask.masked(&text), expected, "{text}");
        }
        for prefix in ["", "u:", "user:", "user1:"] {
            let masked = mask.masked(&base64(prefix));
            // At most the characters that also say something of what stands before and after.
            assert!(masked.contains("***") && masked.len() <= prefix.len() * 2 + 8, "{masked}");
        }
        assert!(Mask::new(&[]).is_none());
    }

    #[test]
    fn wrapped_base_64_is_masked_and_its_lines_stay() {
        let long: String = (0..300_u32).map(|n| char::from(b'a' + (n * n % 23) as u8)).collect();
        let mask = mask(&[&long]);
        let encoded = BASE64_STANDARD.encode(format!("x{long}"));
        let lines: Vec<&str> = (0..encoded.len())
            .step_by(76)
            .map(|at| &encoded[at..encoded.len().min(at + 76)])
            .collect();
        let masked = mask.masked(&lines.join("\n"));
        assert_eq!(masked.lines().count(), lines.len());
        assert!(masked.lines().all(|line| line.len() < 12), "{masked}");
    }

    #[test]
    fn each_line_of_a_key_is_a_secret() {
        let mask = mask(&["-----BEGIN KEY-----\r\nAAAABBBBCCCC\nshort\n-----END KEY-----\n"]);
        assert_eq!(mask.masked("+ echo AAAABBBBCCCC\nshort"), "+ echo ***\nshort");
    }

    #[test]
    fn what_is_no_secret_goes_out_at_once() {
        let mut masker = Masker::new(mask(&["secret-value"]));
        let mut out = Vec::new();
        for (piece, expected) in [
            ("cc -c main.c\n", "cc -c main.c\n"),
            ("secret", ""),
            ("-agent\n", "secret-agent\n"),
            ("a sec", "a "),
        ] {
            out.clear();
            masker.feed(piece.as_bytes(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
        out.clear();
        masker.flush(&mut out);
        assert_eq!(out, b"sec");
    }

    /// What is masked is what lies in any occurrence of any form.
    fn reference(forms: &[&[u8]], text: &[u8]) -> Vec<u8> {
        let mut masked = vec![false; text.len()];
        for form in forms {
            for at in 0..text.len() {
                if text[at..].starts_with(form) {
                    masked[at..at + form.len()].fill(true);
                }
            }
        }
        let mut out = Vec::new();
        for (at, &byte) in text.iter().enumerate() {
            match (masked[at], at > 0 && masked[at - 1]) {
                (true, true) => {}
                (true, false) => out.extend_from_slice(STARS),
                (false, _) => out.push(byte),
            }
        }
        out
    }

    proptest! {
        #[test]
        fn it_masks_what_a_search_finds_however_the_text_is_cut(
            forms in vec(vec(b'a'..=b'c', 1..6), 1..6),
            text in vec(b'a'..=b'd', 0..200),
            cuts in vec(0..200_usize, 0..8),
        ) {
            let forms: Vec<&[u8]> = forms.iter().map(Vec::as_slice).collect();
            let mut masker = Masker::new(Arc::new(Mask::of(forms.iter().copied())));
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mut out = Vec::new();
            for piece in cuts.windows(2) {
                masker.feed(&text[piece[0]..piece[1]], &mut out);
            }
            masker.flush(&mut out);
            prop_assert_eq!(out, reference(&forms, &text));
        }
    }
}

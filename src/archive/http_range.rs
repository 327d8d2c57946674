//! The `Range` header of HTTP, for one range: RFC 9110 section 14.
//!
//! What is not a byte range, or asks for several, is ignored as the RFC allows: the whole is sent.

use std::ops::Range;

/// What a request wants of a body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HttpRange {
    /// All of it: 200.
    Whole,
    /// These bytes, not empty and inside the body: 206 with `Content-Range`.
    Part(Range<u64>),
    /// Nothing that is there: 416 with `Content-Range: bytes */length`.
    Unsatisfiable,
}

/// What `header`, the value of a `Range` header, asks of a body of `length` bytes.
pub fn http_range(header: Option<&str>, length: u64) -> HttpRange {
    let Some(spec) = header.and_then(byte_range) else { return HttpRange::Whole };
    let range = match spec {
        Spec::From(first) => first..length,
        Spec::Between(first, last) => first..last.saturating_add(1).min(length),
        Spec::Last(count) => length.saturating_sub(count)..length,
    };
    if range.is_empty() { HttpRange::Unsatisfiable } else { HttpRange::Part(range) }
}

enum Spec {
    From(u64),
    Between(u64, u64),
    Last(u64),
}

fn byte_range(header: &str) -> Option<Spec> {
    let (unit, spec) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = spec.trim().split_once('-')?;
    match (first, last) {
        ("", last) => Some(Spec::Last(number(last)?)),
        (first, "") => Some(Spec::From(number(first)?)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::Between(first, last))
        }
    }
}

/// Digits only: `parse` would take a sign. A number beyond 64 bits is beyond every body.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_the_rfc() {
        use HttpRange::{Part, Unsatisfiable, Whole};
        for (header, length, expected) in [
            ("bytes=0-499", 1000, Part(0..500)),
            ("bytes=500-999", 1000, Part(500..1000)),
            ("bytes=999-999", 1000, Part(999..1000)),
            ("bytes=500-", 1000, Part(500..1000)),
            ("bytes=-1", 1000, Part(999..1000)),
            ("bytes=-5000", 1000, Part(0..1000)),
            ("bytes=10-99999999999999999999999", 1000, Part(10..1000)),
            ("BYTES = 0-0", 1000, Part(0..1)),
            ("bytes=1000-", 1000, Unsatisfiable),
            ("bytes=1000-2000", 1000, Unsatisfiable),
            ("bytes=99999999999999999999999-", 1000, Unsatisfiable),
            ("bytes=18446744073709551615-18446744073709551615", 1000, Unsatisfiable),
            ("bytes=-0", 1000, Unsatisfiable),
            ("bytes=0-", 0, Unsatisfiable),
            ("bytes=-5", 0, Unsatisfiable),
            ("bytes=5-4", 1000, Whole),
            ("bytes=0-1,5-6", 1000, Whole),
            ("bytes=", 1000, Whole),
            ("bytes=-", 1000, Whole),
            ("bytes=+1-2", 1000, Whole),
            ("bytes=a-b", 1000, Whole),
            ("bytes 0-1", 1000, Whole),
            ("lines=0-1", 1000, Whole),
            ("", 1000, Whole),
        ] {
            assert_eq!(http_range(Some(header), length), expected, "{header:?} of {length}");
        }
        assert_eq!(http_range(None, 7), Whole);
    }
}

//! The sealed log as a whole: any frames, any range, any streams; and any damage.

use proptest::{collection::vec, prelude::*, sample::Index as Place};

use super::*;
use crate::model::{Frame, FrameKind, StepKind, Stream, Timestamp};

/// Frames that follow each other: a kind, a length and, now and then, a jump.
fn any_log() -> impl Strategy<Value = Vec<Frame>> {
    let length = prop_oneof![3 => 0..200_usize, 1 => 60_000..65_536_usize];
    let part = (0..8_u8, length, prop_oneof![9 => Just(0), 1 => 1..100_000_u64], any::<u8>());
    vec(part, 0..40).prop_map(|parts| {
        let (mut seq, mut offset) = (0, 0);
        let mut frames = Vec::new();
        for (kind, length, jump, seed) in parts {
            let data = |stream| {
                let byte = |at: usize| seed.wrapping_add(u8::try_from(at % 241).unwrap());
                FrameKind::Data(stream, (0..length).map(byte).collect())
            };
            let kind = match kind {
                0 => FrameKind::StepEnd { exit_code: i32::from(seed) },
                1 => FrameKind::StepStart {
                    name: "compile".parse().unwrap(),
                    kind: StepKind::Compile,
                    run: "x".repeat(length),
                },
                2..=4 => data(Stream::Stdout),
                5..=6 => data(Stream::Stderr),
                _ => data(Stream::Kiln),
            };
            offset += jump;
            seq += jump % 3;
            let at = Timestamp::from_millis(1_000 + i64::from(seed));
            let frame = Frame { seq, offset, at, step: Some(u16::from(seed % 4)), kind };
            (seq, offset) = (seq + 1, frame.end());
            frames.push(frame);
        }
        frames
    })
}

fn any_streams() -> impl Strategy<Value = Streams> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(stdout, stderr, kiln)| Streams {
        stdout,
        stderr,
        kiln,
    })
}

fn seal(frames: &[Frame], end: u64) -> (Vec<u8>, Sealed) {
    let mut sealer = Sealer::new(Vec::new());
    frames.iter().try_for_each(|frame| sealer.push(frame)).unwrap();
    sealer.finish(end).unwrap()
}

fn open(index: &Index, number: usize, object: &[u8]) -> Result<Vec<Frame>, ReadError> {
    let range = index.members[number].range();
    let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
    index.open(number, &object[range])
}

fn open_all(object: &[u8]) -> Result<Vec<Frame>, ReadError> {
    let index = Index::of_object(object)?;
    let mut frames = Vec::new();
    for number in 0..index.members.len() {
        frames.extend(open(&index, number, object)?);
    }
    Ok(frames)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_range_of_any_streams_is_a_slice_of_the_log(
        frames in any_log(),
        streams in any_streams(),
        cuts in vec((any::<Place>(), any::<Place>()), 5),
    ) {
        let (object, sealed) = seal(&frames, 0);
        prop_assert_eq!(sealed.bytes, object.len() as u64);
        let index = Index::of_object(&object).unwrap();
        prop_assert_eq!(&index, &sealed.index);
        prop_assert_eq!(&open_all(&object).unwrap(), &frames);
        let wanted = |frame: &&Frame| frame.stream().is_some_and(|stream| streams.contain(stream));
        let whole: Vec<u8> =
            frames.iter().filter(wanted).flat_map(|frame| frame.data().to_vec()).collect();
        prop_assert_eq!(index.bytes(streams), whole.len() as u64);
        for (a, b) in cuts {
            let (a, b) = (a.index(whole.len() + 1), b.index(whole.len() + 1));
            let (a, b) = (a.min(b), a.max(b));
            let mut plan = index.plan(streams, a as u64..b as u64).unwrap();
            let mut part = Vec::new();
            for number in plan.members.clone() {
                plan.take_from(&open(&index, number, &object).unwrap(), streams, &mut part);
            }
            prop_assert_eq!(&part, &whole[a..b]);
            prop_assert_eq!((plan.skip, plan.take), (0, 0));
        }
        let beyond = index.plan(streams, 0..whole.len() as u64 + 1);
        prop_assert!(matches!(beyond, Err(ReadError::Outside)));
    }

    #[test]
    fn resuming_at_any_offset_misses_nothing(frames in any_log(), place in any::<Place>(), more in 0..9_u64) {
        let last = frames.last().map_or(0, Frame::end);
        let (object, Sealed { index, .. }) = seal(&frames, last + more);
        prop_assert_eq!(index.end, last + more);
        let offset = place.index(usize::try_from(index.end).unwrap() + 1) as u64;
        let mut found = Vec::new();
        for number in index.members_from(offset) {
            found.extend(open(&index, number, &object).unwrap());
        }
        let needed = |frame: &&Frame| frame.end() > offset || frame.offset == offset;
        let needed: Vec<_> = frames.iter().filter(needed).cloned().collect();
        found.retain(|frame| frame.end() > offset || frame.offset == offset);
        prop_assert_eq!(found, needed);
        // Kept bytes and gaps cover the log without overlap.
        let mut parts: Vec<_> = index.gaps.iter().map(|gap| (gap.from, gap.to)).collect();
        parts.extend(frames.iter().map(|frame| (frame.offset, frame.end())).filter(|(a, b)| a < b));
        parts.sort_unstable();
        let mut at = 0;
        for (from, to) in parts {
            prop_assert_eq!(from, at);
            at = to;
        }
        prop_assert_eq!(at, index.end);
        prop_assert!(index.gaps_from(offset).iter().all(|gap| gap.to > offset));
    }

    #[test]
    fn damage_is_an_error_or_changes_nothing(frames in any_log(), at in any::<Place>(), flip in 1..=255_u8) {
        let (mut object, _) = seal(&frames, 0);
        let at = at.index(object.len());
        object[at] ^= flip;
        match open_all(&object) {
            Ok(found) => prop_assert_eq!(found, frames),
            Err(error) => prop_assert!(error.to_string().starts_with("damaged"), "{}", error),
        }
        object.truncate(at);
        prop_assert!(open_all(&object).is_err());
    }
}

fn data(seq: u64, offset: u64, stream: Stream, bytes: &[u8]) -> Frame {
    let kind = FrameKind::Data(stream, bytes.to_vec());
    Frame { seq, offset, at: Timestamp::from_millis(1), step: None, kind }
}

#[test]
fn a_sealed_log_is_a_valid_gzip_file() {
    let frames = [data(0, 0, Stream::Stdout, b"hello\n"), data(1, 6, Stream::Stderr, b"oh\n")];
    let (object, _) = seal(&frames, 9);
    let mut text = String::new();
    let mut decoder = flate2::read::MultiGzDecoder::new(&object[..]);
    std::io::Read::read_to_string(&mut decoder, &mut text).unwrap();
    assert!(text.contains("hello\n") && text.contains("oh\n") && text.ends_with('}'));
    assert_eq!(decoder.into_inner(), b"");
}

#[test]
fn gaps_and_steps_are_in_the_index() {
    let step = |seq, offset, kind| Frame {
        seq,
        offset,
        at: Timestamp::from_millis(i64::try_from(seq).unwrap()),
        step: Some(0),
        kind,
    };
    let (name, run) = ("compile".parse().unwrap(), "make".to_owned());
    let frames = [
        step(0, 0, FrameKind::StepStart { name, kind: StepKind::Compile, run }),
        data(1, 0, Stream::Stdout, b"head"),
        data(7, 100, Stream::Stdout, b"tail"),
        step(8, 104, FrameKind::StepEnd { exit_code: 2 }),
    ];
    let (_, Sealed { index, .. }) = seal(&frames, 110);
    assert_eq!(index.gaps, [Gap { from: 4, to: 100 }, Gap { from: 104, to: 110 }]);
    assert_eq!(index.gaps_from(4).len(), 2);
    assert_eq!(index.gaps_from(100).len(), 1);
    assert_eq!((index.end, index.next_seq, index.totals.stdout), (110, 9, 8));
    assert_eq!(index.steps[0].ended, Some((Timestamp::from_millis(8), 2)));
    let (empty, _) = seal(&[], 0);
    assert_eq!(open_all(&empty).unwrap(), []);
}

#[test]
fn frames_that_do_not_follow_each_other_are_refused() {
    for (seq, offset) in [(4, 11), (5, 10), (6, 10), (6, u64::MAX), (u64::MAX, 11)] {
        let mut sealer = Sealer::new(Vec::new());
        sealer.push(&data(5, 10, Stream::Stdout, b"x")).unwrap();
        let error = sealer.push(&data(seq, offset, Stream::Stdout, b"x")).unwrap_err();
        assert!(matches!(error, SealError::Order { .. }), "{seq} {offset}");
    }
}

type Change = fn(&mut Index);

/// A sealed log whose index says what `change` makes of it.
fn with_index(change: impl Fn(&mut Index)) -> Result<Vec<Frame>, ReadError> {
    let block = vec![b'x'; 60_000];
    let frames: Vec<_> =
        (0..20).map(|seq| data(seq, seq * 60_000, Stream::Stdout, &block)).collect();
    let (object, Sealed { mut index, .. }) = seal(&frames, 0);
    change(&mut index);
    let at = index.members[..].iter().map(|m| u64::from(m.len)).sum::<u64>();
    let place = Index::locate(object.last_chunk().unwrap(), object.len() as u64).unwrap();
    let mut forged = object[..usize::try_from(place.start).unwrap()].to_vec();
    let json = serde_json::to_vec(&index).unwrap();
    let mut writer = crate::archive::gzip::MemberWriter::new(Vec::new(), 1);
    writer.write(&json).unwrap();
    let member = writer.finish().unwrap();
    forged.extend(&member);
    let (len, raw) = (u32::try_from(member.len()).unwrap(), u32::try_from(json.len()).unwrap());
    forged.extend(trailer::encode(at.min(place.start), len, raw));
    open_all(&forged)
}

#[test]
fn an_index_that_cannot_be_true_is_refused() {
    assert_eq!(with_index(|_| ()).unwrap().len(), 20);
    let changes: [(&str, Change); 13] = [
        ("a member that overlaps", |index| index.members[1].at -= 1),
        ("a huge member", |index| index.members[1].raw = u32::MAX),
        ("a member of other size", |index| index.members[1].raw -= 1),
        ("offsets backwards", |index| index.members[1].offset = 0),
        ("end before begin", |index| index.members[1].end = 0),
        ("numbers backwards", |index| index.members[1].seq = 0),
        ("streams backwards", |index| index.members[1].before.stdout = u64::MAX),
        ("bytes out of nothing", |index| index.totals.stderr += 1),
        ("another stream", |index| index.totals.stderr = std::mem::take(&mut index.totals.stdout)),
        ("overflow", |index| index.totals.kiln = u64::MAX),
        ("an empty gap", |index| index.gaps.push(Gap { from: 5, to: 5 })),
        ("a gap too many", |index| index.gaps.push(Gap { from: 5, to: 7 })),
        ("a member left out", |index| index.members.truncate(1)),
    ];
    for (what, change) in changes {
        assert!(with_index(change).is_err(), "{what}");
    }
}

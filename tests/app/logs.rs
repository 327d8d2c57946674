//! Logs to the byte: any bytes, any range, any stream, beyond the bound, before and after sealing.

use kiln::{
    model::{Clock, Frame, FrameKind, JobId, StepKind, Stream, SystemClock, Verdict},
    protocol::{Claimed, LogEnd, LogEvent, LogQuery},
};
use serde_json::json;

use crate::{
    farm::Farm,
    follow::follow,
    raw::{Raw, frames, report},
    wire::{Answer, Ask},
};

/// Pieces that no text could be.
const PIECES: [(Stream, &[u8]); 7] = [
    (Stream::Stdout, b"plain\n"),
    (Stream::Stderr, b"\0\0\0"),
    (Stream::Stdout, b"\xff\xfe\x80 broken \xc3"),
    (Stream::Stderr, b"\xa9 split\r\n"),
    (Stream::Kiln, b"kiln says\n"),
    (Stream::Stdout, b"\x1b[31mred\x1b[0m \x1e"),
    (Stream::Stderr, b"no newline"),
];

fn of(streams: &[Stream]) -> Vec<u8> {
    let wanted = PIECES.iter().filter(|(stream, _)| streams.contains(stream));
    wanted.flat_map(|(_, bytes)| bytes.to_vec()).collect()
}

async fn log(farm: &Farm, job: JobId, query: &str, range: Option<&str>) -> Answer {
    let mut ask = Ask::get(format!("/api/v1/jobs/{job}/log{query}"));
    if let Some(range) = range {
        ask = ask.header("range", range);
    }
    ask.send(farm.address()).await
}

async fn check_bytes(farm: &Farm, job: JobId) {
    let all = of(&[Stream::Stdout, Stream::Stderr, Stream::Kiln]);
    for (query, expected) in [
        ("", all.clone()),
        ("?attempt=1", all.clone()),
        ("?stream=stdout", of(&[Stream::Stdout])),
        ("?stream=stderr", of(&[Stream::Stderr])),
        ("?stream=kiln&attempt=1", of(&[Stream::Kiln])),
    ] {
        let whole = log(farm, job, query, None).await;
        assert_eq!((whole.status, &whole.body), (200, &expected), "{query}");
        assert_eq!(whole.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(whole.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(whole.header("content-length"), Some(&*expected.len().to_string()));
        let length = expected.len();
        for from in (0..length).step_by(5) {
            for to in [from, (from + 7).min(length - 1), length - 1] {
                let range = format!("bytes={from}-{to}");
                let part = log(farm, job, query, Some(&range)).await;
                assert_eq!((part.status, &part.body[..]), (206, &expected[from..=to]), "{range}");
            }
        }
        let outside = log(farm, job, query, Some(&format!("bytes={length}-"))).await;
        assert_eq!((outside.status, outside.refusal()), (416, "range".to_owned()));
        let last = log(farm, job, query, Some("bytes=-3")).await;
        assert_eq!(last.body, expected[length - 3..]);
    }
    for (query, code) in [
        ("?attempt=2", "not_found"),
        ("?attempt=0", "not_found"),
        ("?stream=other", "bad_request"),
        ("?after=1.0", "invalid"),
        ("?unknown=1", "bad_request"),
    ] {
        assert_eq!(log(farm, job, query, None).await.refusal(), code, "{query}");
    }
}

#[tokio::test]
async fn any_bytes_come_back_exactly_while_it_runs_and_when_it_is_sealed() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let (_, leg) = agent.leg(&farm, json!({})).await;
    assert_eq!(log(&farm, leg.job, "", None).await.body, b"");
    let mut end = LogEnd::default();
    for pieces in PIECES.chunks(3) {
        agent.attempt(&leg).log(frames(&mut end, pieces)).await.unwrap();
    }
    check_bytes(&farm, leg.job).await;
    agent.attempt(&leg).finish(&report(Verdict::Success, end)).await.unwrap();
    farm.until_sealed(leg.job).await;
    check_bytes(&farm, leg.job).await;
    let followed = follow(&farm, leg.job).await;
    assert_eq!(followed.bytes, of(&[Stream::Stdout, Stream::Stderr, Stream::Kiln]));
    assert_eq!(followed.gaps, []);
    farm.end().await;
}

/// Sends `count` frames of 8 KiB, each filled with its own number.
async fn write_much(agent: &Raw, leg: &Claimed, end: &mut LogEnd, count: u8) {
    for number in 0..count {
        let bytes = vec![number; 8 << 10];
        let wire = frames(end, &[(Stream::Stdout, &bytes[..])]);
        agent.attempt(leg).log(wire).await.unwrap();
    }
}

#[tokio::test]
async fn beyond_the_bound_head_and_tail_are_kept_with_one_gap_between() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let (_, leg) = agent.leg(&farm, json!({"limits": {"log_bytes": 64 << 10}})).await;
    let mut end = LogEnd::default();
    write_much(&agent, &leg, &mut end, 100).await;
    let kept: Vec<u8> = (0..4).chain(96..100).flat_map(|number| vec![number; 8 << 10]).collect();
    let missing = (92_u64 * (8 << 10)).to_string();
    let gap = (4 * (8 << 10), 96 * (8 << 10));
    for is_sealed in [false, true] {
        if is_sealed {
            agent.attempt(&leg).finish(&report(Verdict::Success, end)).await.unwrap();
            farm.until_sealed(leg.job).await;
            let followed = follow(&farm, leg.job).await;
            assert_eq!((followed.bytes == kept, followed.gaps), (true, vec![gap]));
        }
        let whole = log(&farm, leg.job, "", None).await;
        assert_eq!((whole.status, whole.body == kept), (200, true), "sealed: {is_sealed}");
        assert_eq!(whole.header("kiln-log-missing"), Some(&*missing));
        let part = log(&farm, leg.job, "?stream=stdout", Some("bytes=32760-32775")).await;
        if is_sealed {
            assert_eq!(part.body, [vec![3; 8], vec![96; 8]].concat());
        } else {
            // Its tail still moves: a place in it means nothing.
            assert_eq!((part.status, part.body == kept), (200, true));
            assert_eq!(part.header("content-length"), None);
        }
    }
    assert_eq!(farm.job(leg.job).await.attempts[0].log_bytes, 100 * (8 << 10));
    farm.end().await;
}

#[tokio::test]
async fn a_log_has_one_gap_however_large_its_frames_are() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let (_, leg) = agent.leg(&farm, json!({"limits": {"log_bytes": 64 << 10}})).await;
    let mut end = LogEnd::default();
    for (fill, length) in [(b'a', 1_000), (b'b', 60_000), (b'c', 1_000), (b'd', 60_000), (b'e', 9)]
    {
        let bytes = vec![fill; length];
        let wire = frames(&mut end, &[(Stream::Stdout, &bytes[..])]);
        agent.attempt(&leg).log(wire).await.unwrap();
    }
    agent.attempt(&leg).finish(&report(Verdict::Success, end)).await.unwrap();
    farm.until_sealed(leg.job).await;
    let followed = follow(&farm, leg.job).await;
    assert_eq!(followed.gaps, [(1_000, 122_000)]);
    assert_eq!(followed.bytes, [vec![b'a'; 1_000], vec![b'e'; 9]].concat());
    farm.end().await;
}

#[tokio::test]
async fn forged_step_marks_do_not_pile_up() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let (_, leg) = agent.leg(&farm, json!({})).await;
    let mut wire = Vec::new();
    for seq in 0..500 {
        let kind = FrameKind::StepStart {
            name: format!("s{seq}").parse().unwrap(),
            kind: StepKind::Compile,
            run: "make".into(),
        };
        let step = Some(u16::try_from(seq).unwrap());
        Frame { seq, offset: 0, at: SystemClock.now(), step, kind }.encode(&mut wire);
    }
    let end = agent.attempt(&leg).log(wire).await.unwrap();
    assert_eq!(end, LogEnd { seq: 500, offset: 0 });
    agent.attempt(&leg).finish(&report(Verdict::Success, end)).await.unwrap();
    assert_eq!(farm.job(leg.job).await.attempts[0].steps.len(), 64);
    farm.end().await;
}

#[tokio::test]
async fn attempts_have_logs_of_their_own() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let (_, first) = agent.leg(&farm, json!({})).await;
    let mut end = LogEnd::default();
    agent.attempt(&first).log(frames(&mut end, &[(Stream::Stdout, b"first\n")])).await.unwrap();
    let lost = Verdict::Failed(kiln::model::Cause::Engine);
    agent.attempt(&first).finish(&report(lost, end)).await.unwrap();
    farm.time.advance(std::time::Duration::from_secs(11));
    let second = agent.claim().await.unwrap();
    let mut end = LogEnd::default();
    agent.attempt(&second).log(frames(&mut end, &[(Stream::Stdout, b"second\n")])).await.unwrap();
    agent.attempt(&second).finish(&report(Verdict::Success, end)).await.unwrap();
    farm.until_sealed(first.job).await;
    for (query, expected) in
        [("", "second\n"), ("?attempt=1", "first\n"), ("?attempt=2", "second\n")]
    {
        assert_eq!(log(&farm, first.job, query, None).await.text(), expected);
    }
    let followed = follow(&farm, first.job).await;
    assert_eq!((followed.bytes, followed.attempts), (b"first\nsecond\n".to_vec(), vec![1, 2]));
    let query = LogQuery { attempt: Some(2), ..LogQuery::default() };
    let target = format!("/{}", kiln::client::Paths::log_stream(first.job, &query));
    assert_eq!(Ask::get(target).send(farm.address()).await.status, 200);
    assert!(followed.events.iter().any(|event| matches!(event, LogEvent::End(_))));
    farm.end().await;
}

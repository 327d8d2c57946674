//! Followers see every byte once, in order, however many they are and wherever they come in.

use std::time::Duration;

use futures_util::{StreamExt as _, future::join_all};
use kiln::{
    client::{LogFollow, event_bytes},
    model::{JobId, Outcome, Stream, Verdict},
    protocol::{Event, EventKind, HoldKind, LogEnd, LogEvent},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    farm::Farm,
    raw::{Raw, frames, report},
    wire::Ask,
};

/// What a follower saw of a log.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) gaps: Vec<(u64, u64)>,
    pub(crate) attempts: Vec<u32>,
    pub(crate) events: Vec<LogEvent>,
}

/// Follows a job's log from its beginning to its end.
pub(crate) async fn follow(farm: &Farm, job: JobId) -> Followed {
    let follow = LogFollow::new(farm.rest.clone(), job, None, CancellationToken::new());
    let mut follow = follow.giving_up_after(crate::farm::PATIENCE);
    let mut seen = Followed::default();
    while let Some(event) = follow.next().await {
        let event = event.unwrap();
        seen.bytes.extend(event_bytes(&event).unwrap_or_default().iter());
        match event {
            LogEvent::Gap { from, to, .. } => seen.gaps.push((from, to)),
            LogEvent::Attempt { attempt } => seen.attempts.push(attempt),
            _ => {}
        }
        seen.events.push(event);
    }
    seen
}

/// One event of a stream: id, name and data.
pub(crate) type Raw3 = (String, String, String);

/// Reads events from a stream until `enough` says so or the stream ends.
pub(crate) async fn events(
    farm: &Farm,
    target: &str,
    last: Option<&str>,
    mut enough: impl FnMut(&Raw3) -> bool,
) -> Vec<Raw3> {
    use eventsource_stream::Eventsource as _;
    let mut request = farm.rest.http().request(reqwest::Method::GET, target);
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let answer = farm.rest.http().send(request).await.unwrap();
    let mut stream = answer.bytes_stream().eventsource();
    let mut seen = Vec::new();
    let all = async {
        while let Some(Ok(event)) = stream.next().await {
            let event = (event.id, event.event, event.data);
            let is_enough = enough(&event);
            seen.push(event);
            if is_enough {
                break;
            }
        }
    };
    tokio::time::timeout(crate::farm::PATIENCE, all).await.expect("the events come");
    seen
}

fn text(events: &[Raw3]) -> String {
    let logs = events.iter().filter(|(_, name, _)| name == "log");
    let data = logs.map(|(_, _, data)| serde_json::from_str::<serde_json::Value>(data).unwrap());
    data.map(|data| data["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn two_hundred_followers_all_get_every_byte() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let (_, leg) = agent.leg(&farm, json!({})).await;
    let mut end = LogEnd::default();
    let lines: Vec<String> = (0..30).map(|n| format!("line {n}\n")).collect();
    let write = async {
        for (number, line) in lines.iter().enumerate() {
            if number % 10 == 0 {
                tokio::task::yield_now().await;
            }
            let wire = frames(&mut end, &[(Stream::Stdout, line.as_bytes())]);
            agent.attempt(&leg).log(wire).await.unwrap();
        }
        agent.attempt(&leg).finish(&report(Verdict::Success, end)).await.unwrap();
    };
    let (followers, ()) = tokio::join!(join_all((0..200).map(|_| follow(&farm, leg.job))), write);
    for seen in followers {
        assert_eq!(String::from_utf8(seen.bytes).unwrap(), lines.concat());
        assert_eq!((seen.gaps.len(), seen.attempts), (0, vec![1]));
    }
    farm.end().await;
}

#[tokio::test]
async fn going_on_after_an_event_neither_loses_nor_repeats_a_byte() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let (_, leg) = agent.leg(&farm, json!({})).await;
    let mut end = LogEnd::default();
    for line in ["one\n", "two\n", "three\n", "four\n"] {
        agent
            .attempt(&leg)
            .log(frames(&mut end, &[(Stream::Stdout, line.as_bytes())]))
            .await
            .unwrap();
    }
    let target = format!("api/v1/jobs/{}/log/stream", leg.job);
    let live = events(&farm, &target, None, |(_, _, data)| data.contains("four")).await;
    assert_eq!(text(&live), "one\ntwo\nthree\nfour\n");
    agent.attempt(&leg).finish(&report(Verdict::Success, end)).await.unwrap();
    for is_sealed in [false, true] {
        if is_sealed {
            farm.until_sealed(leg.job).await;
        }
        for (id, _, _) in live.iter().filter(|(_, name, _)| name == "log") {
            let offset: usize = id.strip_prefix("1.").unwrap().parse().unwrap();
            let rest = events(&farm, &target, Some(id), |_| false).await;
            assert_eq!(text(&rest), "one\ntwo\nthree\nfour\n"[offset..], "{id}");
            assert_eq!(rest.last().unwrap().1, "end");
            let after = format!("{target}?after={id}");
            assert_eq!(text(&events(&farm, &after, None, |_| false).await), text(&rest));
        }
        let middle = events(&farm, &target, Some("1.5"), |_| false).await;
        assert_eq!(text(&middle), "wo\nthree\nfour\n");
    }
    for bad in ["x", "1", "1.-1", "1.99999999999999999999999"] {
        let ask = Ask::get(format!("/{target}")).header("last-event-id", bad);
        assert_eq!(ask.send(farm.address()).await.refusal(), "bad_request", "{bad}");
    }
    for beyond in ["1.18446744073709551615", "4294967295.0", "1.9223372036854775807", "7.7"] {
        let seen = events(&farm, &target, Some(beyond), |_| false).await;
        assert_eq!((text(&seen), &*seen.last().unwrap().1), (String::new(), "end"), "{beyond}");
    }
    farm.end().await;
}

#[tokio::test]
async fn a_follower_that_comes_before_the_job_runs_sees_it_all() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    farm.submit_raw(json!({})).await;
    let plan = agent.plan().await;
    let job = farm.build(plan.build).await.jobs[0].id;
    let run = async {
        let leg = agent.claim().await.unwrap();
        let mut end = LogEnd::default();
        agent.attempt(&leg).log(frames(&mut end, &[(Stream::Stderr, b"hi\n")])).await.unwrap();
        agent.attempt(&leg).finish(&report(Verdict::Success, end)).await.unwrap();
    };
    let (seen, ()) = tokio::join!(follow(&farm, job), run);
    assert_eq!(seen.bytes, b"hi\n");
    let states: Vec<_> = seen.events.iter().map(LogEvent::name).collect();
    assert_eq!(states.last(), Some(&"end"));
    assert!(
        matches!(seen.events.last(), Some(LogEvent::End(end)) if end.outcome == Outcome::Success)
    );
    farm.end().await;
}

#[tokio::test]
async fn state_changes_are_events_with_numbers_that_can_be_gone_on_from() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let run = async {
        let (build, leg) = agent.leg(&farm, json!({})).await;
        agent.end(&leg, Verdict::Success).await;
        build
    };
    let is_end = |event: &Raw3| event.1 == "build" && event.2.contains("\"finished\"");
    let build = run.await;
    let seen = events(&farm, "api/v1/events", Some("0"), is_end).await;
    let parsed: Vec<Event> =
        seen.iter().map(|(_, _, data)| serde_json::from_str(data).unwrap()).collect();
    let mut words = Vec::new();
    for (event, (id, name, _)) in parsed.iter().zip(&seen) {
        assert_eq!((event.id.to_string(), event.kind.name()), (id.clone(), &**name));
        words.push(match &event.kind {
            EventKind::Build { state, outcome, .. } => {
                format!("build {} {}", state.as_str(), outcome.map_or("", Outcome::as_str))
            }
            EventKind::Job { state, toolchain, attempt, .. } => format!(
                "{} {} {attempt}",
                toolchain.as_ref().map_or("plan", |name| name.as_str()),
                state.as_str()
            ),
            EventKind::Agent { .. } => continue,
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(
        words.join("; "),
        "build planning ; plan queued 0; plan running 1; gcc:14 queued 0; plan finished 1; \
         build queued ; gcc:14 running 1; build running ; gcc:14 finished 1; build finished success"
    );
    let ids: Vec<u64> = parsed.iter().map(|event| event.id).collect();
    assert!(ids.is_sorted_by(|a, b| a + 1 == *b), "{ids:?}");
    for (place, id) in ids.iter().enumerate().take(ids.len() - 1) {
        let rest = events(&farm, "api/v1/events", Some(&id.to_string()), is_end).await;
        assert_eq!(rest, seen[place + 1..]);
    }
    for future in ["99999", "18446744073709551615"] {
        let resync = events(&farm, "api/v1/events", Some(future), |_| true).await;
        assert_eq!(resync[0].1, "resync");
    }
    let ask = Ask::get("/api/v1/events").header("last-event-id", "x");
    assert_eq!(ask.send(farm.address()).await.refusal(), "bad_request");
    assert_eq!(farm.build(build.id).await.outcome, Some(Outcome::Success));
    farm.end().await;
}

/// Agents tell of themselves by what they do, or no longer do; whoever watches hears of it once.
#[tokio::test]
async fn agents_and_queues_that_change_are_told_of_once() {
    let farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let told = format!("\"agent\":\"{}\"", agent.id);
    let mut last = "0".to_owned();
    // The next event there is, which is all that is new.
    let mut next = async |name: &str, what: &str| {
        let seen = events(&farm, "api/v1/events", Some(&last), |_| true).await;
        assert!(seen[0].1 == name && seen[0].2.contains(what), "{name} {what}: {seen:?}");
        last.clone_from(&seen[0].0);
    };
    next("agent", &told).await;
    // What it has is news, what it does is told by its jobs.
    let mut request = agent.request(Duration::ZERO);
    request.status.workers += 1;
    agent.client.claim(&request).await.unwrap();
    next("agent", &told).await;
    request.status.free_memory_bytes = Some(1 << 30);
    request.status.busy = 1;
    agent.client.claim(&request).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    farm.rest.hold_agent(agent.id, HoldKind::Held, "new disk").await.unwrap();
    next("agent", &told).await;
    farm.rest.resume_agent(agent.id).await.unwrap();
    next("agent", &told).await;
    // It goes silent, and comes back.
    farm.time.advance(Duration::from_secs(46));
    next("agent", &told).await;
    assert!(!farm.rest.agent(agent.id).await.unwrap().online);
    agent.client.claim(&request).await.unwrap();
    next("agent", &told).await;
    assert!(farm.rest.agent(agent.id).await.unwrap().online);
    farm.rest.remove_agent(agent.id, true).await.unwrap();
    next("agent", &told).await;
    let queue = "default".parse().unwrap();
    farm.rest.pause_queue(&queue, "new disk").await.unwrap();
    next("queue", "\"default\"").await;
    farm.rest.resume_queue(&queue).await.unwrap();
    next("queue", "\"default\"").await;
    farm.end().await;
}

#[tokio::test]
async fn an_event_reaches_who_waits_for_it() {
    let farm = Farm::alone().await;
    let wait = events(&farm, "api/v1/events", None, |_| true);
    let submit = async {
        // The stream begins with what happens next: submit until somebody has heard of it.
        loop {
            let build = farm.submit_raw(json!({})).await;
            farm.rest.cancel_build(build.id).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let seen = tokio::select! {
        seen = wait => seen,
        () = submit => Vec::new(),
    };
    assert_eq!(seen.len(), 1);
    for build in farm.rest.builds(&kiln::protocol::BuildFilter::default()).await.unwrap().items {
        farm.rest.cancel_build(build.id).await.unwrap();
    }
    farm.end().await;
}

/// One reader serves all streams: those that listen from the start, those that come back to an
/// earlier event while others are written, and those that stop reading for a while.
#[tokio::test]
async fn every_stream_of_events_has_each_number_once() {
    let farm = Farm::alone().await;
    let write = async |builds: usize| {
        let mut last = None;
        for _ in 0..builds {
            let build = farm.submit_raw(json!({})).await;
            farm.rest.cancel_build(build.id).await.unwrap();
            last = Some(build.id);
        }
        last.unwrap().to_string()
    };
    let first = write(40).await;
    let is_end_of = |build: &str, event: &Raw3| {
        event.1 == "build" && event.2.contains(build) && event.2.contains("\"finished\"")
    };
    let before = events(&farm, "api/v1/events", Some("0"), |event| is_end_of(&first, event)).await;
    assert!(before.len() > 100, "more than are read at one time: {}", before.len());
    let (told, last) = tokio::sync::watch::channel(None::<String>);
    let streams = (0..30).map(|number| {
        let last = last.clone();
        let (farm, before) = (&farm, &before);
        async move {
            let from = before[number * before.len() / 30].0.clone();
            let is_enough = |event: &Raw3| {
                if number % 10 == 9 {
                    // Slow enough to fall behind; it holds the whole thread up.
                    std::thread::sleep(Duration::from_millis(1));
                }
                last.borrow().as_deref().is_some_and(|last| is_end_of(last, event))
            };
            (from.clone(), events(farm, "api/v1/events", Some(&from), is_enough).await)
        }
    });
    let more = async {
        write(40).await;
        // Told before it is written, or a stream could pass it without knowing.
        let build = farm.submit_raw(json!({})).await;
        told.send_replace(Some(build.id.to_string()));
        farm.rest.cancel_build(build.id).await.unwrap();
    };
    let (seen, ()) = tokio::join!(join_all(streams), more);
    for (from, seen) in seen {
        let ids: Vec<u64> = seen.iter().map(|(id, _, _)| id.parse().unwrap()).collect();
        assert_eq!(ids[0], from.parse::<u64>().unwrap() + 1);
        assert!(ids.is_sorted_by(|a, b| a + 1 == *b), "{ids:?}");
        assert!(seen.iter().all(|(_, name, _)| name != "resync"));
    }
    farm.end().await;
}

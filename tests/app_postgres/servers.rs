//! Several servers on one database: whichever one asks, the answer is the same.

use std::time::Duration;

use futures_util::StreamExt as _;
use kiln::{
    client::{LogFollow, event_bytes},
    model::{JobId, Outcome},
    protocol::{BuildState, Event},
    sandbox::{Act, Scenario},
};
use tokio_util::sync::CancellationToken;

use crate::{
    farm::{Another, Farm, PATIENCE, Setup, project},
    fault_proxy::FaultProxy,
    follow::follow,
    script::{endless, hello, mark, out},
};

/// What a follower at a server hears of a job until it ends.
async fn heard(at: &kiln::client::Rest, job: JobId) -> Vec<u8> {
    let follow = LogFollow::new(at.clone(), job, None, CancellationToken::new());
    let mut follow = follow.giving_up_after(PATIENCE);
    let mut bytes = Vec::new();
    while let Some(event) = follow.next().await {
        bytes.extend(event_bytes(&event.unwrap()).unwrap_or_default().iter());
    }
    bytes
}

/// Lines that a build says, each when its gate opens.
#[derive(Clone)]
struct Gates(Vec<CancellationToken>);

impl Gates {
    fn new(lines: usize) -> Self {
        Self((0..lines).map(|_| CancellationToken::new()).collect())
    }

    fn scenario(&self) -> Scenario {
        let mut acts = mark("s;0").to_vec();
        for (line, gate) in self.0.iter().enumerate() {
            acts.push(Act::Until(gate.clone()));
            acts.push(out(format!("line {line}\n").as_bytes()));
        }
        acts.extend(mark("e;0;0"));
        Scenario { acts, ..hello() }
    }

    /// Opens one after the other, so that each line is a frame of its own.
    async fn open(&self, lines: std::ops::Range<usize>) {
        for gate in &self.0[lines] {
            gate.cancel();
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_followed_live_at_a_server_that_the_agent_does_not_know() {
    let gates = Gates::new(40);
    let script = gates.clone();
    let farm = Farm::new(move |_| script.scenario()).await;
    let another: Another = farm.another_server().await;
    let repo = project([]);
    let build = farm.submit(&repo).await;
    let job = farm.until_first_leg_runs(build.id).await.summary.id;
    let (there, rest) = (another.rest.clone(), farm.rest.clone());
    let following = tokio::spawn(async move { heard(&there, job).await });
    let events = tokio::spawn(events_until_end(another.rest.clone(), build.id));
    gates.open(0..40).await;
    let elsewhere = tokio::time::timeout(PATIENCE, following).await.unwrap().unwrap();
    let here = heard(&rest, job).await;
    assert_eq!(elsewhere, here);
    assert_eq!(elsewhere, follow(&farm, job).await.bytes);
    assert!(String::from_utf8_lossy(&here).contains("line 39"));
    let events = tokio::time::timeout(PATIENCE, events).await.unwrap().unwrap();
    assert!(events.windows(2).all(|pair| pair[1].id == pair[0].id + 1), "{events:?}");
    // The other server shows and serves the same.
    let view = another.rest.build(build.id).await.unwrap();
    assert_eq!((view.state, view.outcome), (BuildState::Finished, Some(Outcome::Success)));
    another.end().await;
    farm.end().await;
}

/// Events at a server until the build has ended.
async fn events_until_end(at: kiln::client::Rest, build: kiln::model::BuildId) -> Vec<Event> {
    use eventsource_stream::Eventsource as _;
    let request = at.http().request(reqwest::Method::GET, "api/v1/events");
    let mut stream = at.http().send(request).await.unwrap().bytes_stream().eventsource();
    let mut seen: Vec<Event> = Vec::new();
    while let Some(Ok(event)) = stream.next().await {
        let event: Event = serde_json::from_str(&event.data).unwrap();
        let is_end = matches!(&event.kind, kiln::protocol::EventKind::Build { build: id, state: BuildState::Finished, .. } if *id == build);
        seen.push(event);
        if is_end {
            break;
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_at_one_server_reaches_an_agent_at_another_and_claims_wake_across() {
    let farm = Farm::new(|_| endless()).await;
    let another = farm.another_server().await;
    let repo = project([]);
    let request = serde_json::json!({"source": {"git": {"url": repo.url()}}});
    let request = serde_json::from_value(request).unwrap();
    // Submitted there, claimed here: the agent waits in a long poll.
    let build = another.rest.submit(&request, "key").await.unwrap();
    let job = farm.until_first_leg_runs(build.id).await.summary.id;
    another.rest.cancel_job(job).await.unwrap();
    let build = farm.finished(build.id).await;
    assert_eq!(build.outcome, Some(Outcome::Cancelled));
    another.end().await;
    farm.end().await;
}

/// The server that the agent and a follower are at goes away; both go on at the other one.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_and_its_follower_go_on_at_another_server() {
    let gates = Gates::new(40);
    let script = gates.clone();
    let script = move |_: &kiln::sandbox::SessionSpec| script.scenario();
    let mut farm = Farm::with(Setup { agents: 0, ..Setup::default() }, script).await;
    let another = farm.another_server().await;
    let proxy = FaultProxy::before(farm.address()).await;
    farm.agents_go_to(proxy.address);
    farm.start_agent(0);
    let repo = project([]);
    let build = farm.submit(&repo).await;
    let job = farm.until_first_leg_runs(build.id).await.summary.id;
    let at = kiln::client::Rest::new(&format!("http://{}", proxy.address), None).unwrap();
    let following = tokio::spawn(async move { heard(&at, job).await });
    gates.open(0..10).await;
    proxy.lead_to(another.address);
    let (stopped, ()) = tokio::join!(farm.stop_server(), gates.open(10..40));
    let () = stopped;
    let bytes = tokio::time::timeout(PATIENCE, following).await.unwrap().unwrap();
    let kept = heard(&another.rest, job).await;
    assert_eq!(bytes, kept);
    assert!(String::from_utf8_lossy(&kept).contains("line 39"));
    let view = another.rest.job(job).await.unwrap();
    assert_eq!(view.summary.outcome, Some(Outcome::Success));
    assert_eq!(view.attempts.len(), 1, "nobody had to begin again");
    farm.restart_stopped().await;
    another.end().await;
    farm.end().await;
}

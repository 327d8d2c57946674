//! A server whose disk is nearly full: it takes nothing new, says so, and everything else goes on.

use std::time::Duration;

use kiln::{client::ClientError, model::Verdict};
use serde_json::json;

use crate::{
    farm::{Farm, PATIENCE},
    raw::Raw,
    uploads,
    wire::Ask,
};

#[tokio::test]
async fn a_server_without_space_takes_no_work_and_says_so() {
    let mut farm = Farm::alone().await;
    let agent = Raw::new(&farm, "a").await;
    let (build, running) = agent.leg(&farm, json!({"toolchains": ["gcc:14", "clang:19"]})).await;
    let waiting = build.jobs.iter().find(|job| job.id != running.job).unwrap().id;

    // More than any disk has.
    farm.change_settings(|settings| settings.server.min_free_bytes = u64::MAX).await;
    let request = serde_json::from_value(json!({
        "source": {"git": {"url": "https://example.org/x", "commit": crate::farm::COMMIT}}
    }));
    match farm.rest.submit(&request.unwrap(), "key").await {
        Err(ClientError::Refused { status: 507, body }) => {
            assert_eq!(body.code, "disk_full");
            assert!(body.message.contains("kiln retention"), "{}", body.message);
        }
        other => panic!("{other:?}"),
    }
    let ask =
        Ask { body: uploads::tar(&[("a.c", b"int a;\n")]), ..Ask::new("POST", "/api/v1/uploads") };
    let answer = ask.header("content-type", "application/x-tar").send(farm.address()).await;
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (507, &json!("disk_full")));
    assert!(agent.claim().await.is_none());
    let job = farm.job(waiting).await;
    let why = job.summary.message.clone();
    assert!(why.contains("gives out no jobs") && why.contains("server.min_free_bytes"), "{why}");
    let ready = Ask::get("/readyz").send(farm.address()).await;
    assert_eq!(ready.status, 200);
    assert!(ready.text().contains("nearly full"), "{}", ready.text());
    // What runs goes on, and what there is can be read and removed.
    agent.end(&running, Verdict::Success).await;
    assert_eq!(farm.build(build.id).await.jobs.len(), 2);

    farm.change_settings(|settings| settings.server.min_free_bytes = 1 << 20).await;
    let claimed = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(claimed) = agent.claim().await {
                return claimed;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let claimed = claimed.await.expect("there is space again");
    assert_eq!(claimed.job, waiting);
    agent.end(&claimed, Verdict::Success).await;
    farm.end().await;
}

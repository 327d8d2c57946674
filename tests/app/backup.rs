//! The restore drill: a backup made while builds run, brought back elsewhere, beside the artifacts.

use kiln::{
    model::Outcome,
    store::{back_up, bring_back},
};

use crate::{
    farm::{Farm, project},
    script::hello,
    wire::{Answer, Ask},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_backed_up_is_there_on_another_machine() {
    let farm = Farm::new(|_| hello()).await;
    let repo = project([]);
    let mut jobs = Vec::new();
    for _ in 0..3 {
        let job = farm.run(&repo).await;
        assert_eq!(job.summary.outcome, Some(Outcome::Success));
        jobs.push(job);
    }
    // Others are in the middle of it.
    let running = farm.submit(&repo).await;
    let backup = farm.data.path().join("backup.db");
    back_up(&farm.server_data().join("kiln.db"), &backup).await.unwrap();
    farm.finished(running.id).await;
    let elsewhere = farm.data.path().join("another");
    std::fs::create_dir_all(&elsewhere).unwrap();
    assert_eq!(bring_back(&backup, &elsewhere.join("kiln.db"), false).await.unwrap(), None);
    // With the same artifact repository, as a bucket or a copied folder is.
    let another = farm.another_server().await;
    for job in &jobs {
        let id = job.summary.id;
        for path in ["", "/log", "/manifest", "/artifacts.tar.gz", "/artifacts/app"] {
            let ask = Ask::get(format!("/api/v1/jobs/{id}{path}"));
            let [here, there]: [Answer; 2] =
                [ask.send(farm.address()).await, ask.send(another.address).await];
            assert_eq!(there.status, 200, "{path}: {}", there.text());
            assert_eq!(there.body, here.body, "{path}");
        }
    }
    // What ran then was lost with its agent: it is queued again there, or ends as lost.
    let there = another.rest.build(running.id).await.unwrap();
    assert_eq!(there.id, running.id);
    another.rest.cancel_build(running.id).await.unwrap();
    another.end().await;
    farm.end().await;
}

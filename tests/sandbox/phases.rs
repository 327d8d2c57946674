//! How long each phase of a cold session takes. It asserts nothing about time; it prints, for
//! `cargo test phases -- --nocapture`.

use std::time::{Duration, Instant};

use kiln::sandbox::Sandbox;

use crate::harness::{entries, run, source, with_farm};

const ROUNDS: usize = 11;
const HELLO: &[u8] = b"#include <stdio.h>\nint main(void) { puts(\"hello\"); }\n";

#[tokio::test]
async fn a_cold_session_goes_through_its_phases() {
    with_farm(async |farm| {
        let mut phases: [Vec<Duration>; 6] = Default::default();
        for _ in 0..ROUNDS {
            let mut mark = Instant::now();
            let mut lap = || std::mem::replace(&mut mark, Instant::now()).elapsed();
            let mut session = farm.sandbox.open(farm.spec()).await.unwrap();
            phases[0].push(lap());
            session.load(source(&[("hello.c", 0o644, HELLO)])).await.unwrap();
            phases[1].push(lap());
            let ran = run(session.as_mut(), "gcc -o hello hello.c && ./hello").await.ok();
            phases[2].push(lap());
            assert_eq!(ran.text(), "hello\n");
            session.list(100).await.unwrap();
            phases[3].push(lap());
            let found = entries(session.collect(vec![b"hello".to_vec()]).await.unwrap()).await;
            phases[4].push(lap());
            assert_eq!(found.len(), 1);
            session.close().await.unwrap();
            phases[5].push(lap());
        }
        for (name, phase) in
            ["open", "load", "run", "list", "collect", "close"].iter().zip(&mut phases)
        {
            phase.sort();
            println!("{name:8} median {:?}  longest {:?}", phase[ROUNDS / 2], phase[ROUNDS - 1]);
        }
    })
    .await;
}

//! The same file as a stack on a Swarm of one node.
//!
//! An engine that is in a swarm already is used as it is and stays in it; otherwise the test makes
//! one that nobody else can reach, and dissolves it.

use super::{
    docker::{crash, docker, line, lines},
    installation::{By, with_installation},
    program::eventually,
    work::{all_end_once, all_tick, builds_a_real_project, slow_project, submit},
};

/// The bridge that an engine makes for swarms and does not take away with them.
const BRIDGE: &str = "docker_gwbridge";

/// A swarm for one test, if there was none.
struct Swarm {
    is_ours: bool,
    had_bridge: bool,
}

impl Swarm {
    fn here() -> Self {
        let state =
            line(["info", "--format", "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}"]);
        let is_ours = match state.as_str() {
            "inactive false" => true,
            "active true" => false,
            other => panic!("this engine's swarm cannot be used (state and manager: {other})"),
        };
        let had_bridge = has_bridge();
        if is_ours {
            docker([
                "swarm",
                "init",
                "--advertise-addr",
                "127.0.0.1",
                "--listen-addr",
                "127.0.0.1",
            ])
            .exits(0);
        }
        Self { is_ours, had_bridge }
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        if self.is_ours {
            docker(["swarm", "leave", "--force"]);
            if !self.had_bridge {
                // Gone once the last network of the swarm is.
                eventually(std::time::Duration::from_secs(20), || {
                    docker(["network", "rm", BRIDGE]);
                    (!has_bridge()).then_some(())
                });
            }
        }
    }
}

fn has_bridge() -> bool {
    lines(["network", "ls", "--format", "{{.Name}}"]).iter().any(|name| name == BRIDGE)
}

#[test]
fn the_same_file_is_a_stack_whose_parts_the_swarm_replaces() {
    let swarm = Swarm::here();
    with_installation(By::Swarm, |at| {
        builds_a_real_project(at);
        let slow = slow_project(at);
        let builds = submit(at, slow.to_str().unwrap(), 2);
        all_tick(at, &builds, 1);
        crash(&at.containers("server")[0], &at.images.kiln);
        crash(&at.container("agent"), &at.images.kiln);
        let lost = all_end_once(at, &builds);
        assert!(lost >= 1, "the agent was killed at its jobs");
        at.is_complete();
    });
    let is_ours = swarm.is_ours;
    drop(swarm);
    if is_ours {
        assert_eq!(line(["info", "--format", "{{.Swarm.LocalNodeState}}"]), "inactive");
    }
}

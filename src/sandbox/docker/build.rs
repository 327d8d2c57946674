//! The build's side of a session: hand over the script, pass the output on, see the end.
//!
//! The end is the engine's answer to `wait`, never the end of the output: a broken connection ends
//! that too. Killing does not wait for whoever reads the output.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bollard::{
    container::LogOutput,
    errors::Error,
    query_parameters::{
        InspectContainerOptions, KillContainerOptionsBuilder, WaitContainerOptionsBuilder,
    },
};
use futures_util::StreamExt;
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{engine::Engine, pipe::Pipe, usage};
use crate::{
    model::Stream,
    sandbox::{Exit, Output, SandboxError, Script},
};

/// The exit status of a container that was killed.
const KILLED: i64 = 137;
/// One argument of a process may be 128 KiB long; the wrapper around the script needs some of it.
const SCRIPT_BYTES: usize = 96 << 10;
/// The switch inside the container ends the build this much after its wall time, in case nobody
/// else did.
const GRACE: Duration = Duration::from_secs(30);
/// The engine has this long to end a build that was killed, and to say how it ended.
const END_DEADLINE: Duration = Duration::from_secs(30);
/// After a stop, output that nobody takes for this long is given up: the engine itself waits for
/// its reader before it says that the container has ended.
const STOPPED_STALL: Duration = Duration::from_millis(500);

/// A started build container that waits for its script.
#[derive(Debug)]
pub(super) struct Build {
    pub(super) engine: Engine,
    pub(super) name: String,
    pub(super) pipe: Pipe,
    /// The exit status, once there is one.
    pub(super) exit: JoinHandle<Result<i64, SandboxError>>,
}

/// What a run is told.
pub(super) struct Order<'a> {
    pub(super) script: Script<'a>,
    pub(super) wall: Duration,
    pub(super) output: mpsc::Sender<Output>,
    pub(super) stop: CancellationToken,
}

impl Build {
    /// Runs the script to its end.
    pub(super) async fn run(mut self, order: Order<'_>) -> Result<Exit, SandboxError> {
        let limit = order.wall + GRACE;
        self.hand_over(order.script, limit).await?;
        let meter = usage::Meter::start(&self.engine, &self.name);
        // Ends the run when the switch inside does not; a build may not outlive its time because an
        // image brought its own `timeout`.
        let overdue = CancellationToken::new();
        let killer = self.killer(order.stop.clone(), overdue.clone());
        let last = Instant::now() + limit + GRACE;
        let run = self.follow(&order, last, &overdue).await;
        killer.abort();
        let used = meter.stop();
        let code = run?;
        let inspected = self.engine.call(
            "inspect",
            self.engine.docker().inspect_container(&self.name, None::<InspectContainerOptions>),
        );
        let state = inspected.await?.state.unwrap_or_default();
        // A build that came to its own end just before the kill was not stopped.
        let stopped = order.stop.is_cancelled() && code == KILLED;
        Ok(Exit { code, oom_killed: state.oom_killed.unwrap_or(false), stopped, used })
    }

    async fn hand_over(&mut self, script: Script<'_>, limit: Duration) -> Result<(), SandboxError> {
        let encoded = encode(script.text)?;
        let has_input = u8::from(!script.input.is_empty());
        let lines = format!("{}\n{encoded}\n{has_input}\n", limit.as_secs());
        self.pipe.input.write(lines.as_bytes()).await?;
        if script.input.is_empty() {
            return Ok(());
        }
        self.pipe.input.write(script.input).await
    }

    /// Passes output on until both the output and the container have ended.
    async fn follow(
        &mut self,
        order: &Order<'_>,
        last: Instant,
        overdue: &CancellationToken,
    ) -> Result<i64, SandboxError> {
        let mut relay = Relay { output: Some(order.output.clone()), stop: order.stop.clone() };
        let output = &mut self.pipe.output;
        let exited = CancellationToken::new();
        let drained = async {
            loop {
                let silent = async {
                    exited.cancelled().await;
                    sleep(END_DEADLINE).await;
                };
                let frame = tokio::select! {
                    frame = output.frame() => frame,
                    () = silent => return Err(lost(&"its output goes on after its exit")),
                };
                match frame {
                    Some(frame) => relay.pass(frame.map_err(|error| lost(&error))?).await,
                    None => return Ok(()),
                }
            }
        };
        let ended = async {
            let gone = async {
                order.stop.cancelled().await;
                sleep(END_DEADLINE).await;
            };
            let late = async {
                sleep_until(last).await;
                overdue.cancel();
                sleep(END_DEADLINE).await;
            };
            tokio::select! {
                exit = &mut self.exit => exit.map_err(|error| lost(&error))?,
                () = gone => Err(undead()),
                () = late => Err(undead()),
            }
        };
        tokio::pin!(drained, ended);
        tokio::select! {
            code = &mut ended => {
                // What is in the pipes still comes; how long that takes is up to the reader.
                let code = code?;
                exited.cancel();
                drained.await?;
                Ok(code)
            }
            drained = &mut drained => {
                drained?;
                ended.await
            }
        }
    }

    /// Kills the container when either token says so, and again if the engine did not do it.
    fn killer(&self, stop: CancellationToken, overdue: CancellationToken) -> JoinHandle<()> {
        let (engine, name) = (self.engine.clone(), self.name.clone());
        let killing = async move {
            tokio::select! { () = stop.cancelled() => {}, () = overdue.cancelled() => {} }
            loop {
                let options = KillContainerOptionsBuilder::default().signal("SIGKILL").build();
                let kill = engine.docker().kill_container(&name, Some(options));
                match engine.ask("kill", kill).await {
                    Ok(()) => return,
                    // It is not there or has ended already.
                    Err(refusal) if matches!(refusal.status, 404 | 409) => return,
                    Err(refusal) => {
                        tracing::warn!(container.name = name, error = %refusal.error, "could not kill a build; trying again");
                        sleep(Duration::from_millis(200)).await;
                    }
                }
            }
        };
        tokio::spawn(killing.in_current_span())
    }
}

/// Where output goes.
struct Relay {
    output: Option<mpsc::Sender<Output>>,
    stop: CancellationToken,
}

impl Relay {
    /// Gives one frame to the reader, as late as the reader wants it.
    async fn pass(&mut self, frame: LogOutput) {
        let (stream, bytes) = match frame {
            LogOutput::StdErr { message } => (Stream::Stderr, message),
            other => (Stream::Stdout, other.into_bytes()),
        };
        let Some(output) = &self.output else { return };
        let given_up = async {
            self.stop.cancelled().await;
            sleep(STOPPED_STALL).await;
        };
        let sent = tokio::select! {
            biased;
            sent = output.send(Output { stream, bytes }) => sent.is_ok(),
            () = given_up => false,
        };
        if !sent {
            // Nobody listens any more; the build is drained all the same, so that it can end.
            self.output = None;
        }
    }
}

/// Waits for a started container to end and gives its exit status.
pub(super) fn watch(engine: &Engine, name: &str) -> JoinHandle<Result<i64, SandboxError>> {
    let (docker, name) = (engine.docker().clone(), name.to_owned());
    tokio::spawn(async move {
        // Asked after the start, `not-running` answers whether or not the end has come already;
        // `next-exit` would hang for one that has ended in between.
        let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
        let mut wait = std::pin::pin!(docker.wait_container(&name, Some(options)));
        match wait.next().await {
            Some(Ok(answer)) => Ok(answer.status_code),
            Some(Err(Error::DockerContainerWaitError { error, code })) if error.is_empty() => {
                Ok(code)
            }
            Some(Err(error)) => Err(lost(&error)),
            None => Err(lost(&"no exit status")),
        }
    })
}

fn encode(script: &str) -> Result<String, SandboxError> {
    let encoded = BASE64_STANDARD.encode(script);
    if encoded.len() > SCRIPT_BYTES {
        let most = SCRIPT_BYTES / 4 * 3;
        return Err(SandboxError::Script(format!("{} bytes of at most {most}", script.len())));
    }
    Ok(encoded)
}

fn lost(error: &dyn std::fmt::Display) -> SandboxError {
    SandboxError::Engine(format!("the end of a container was not seen: {error}"))
}

fn undead() -> SandboxError {
    let seconds = END_DEADLINE.as_secs();
    SandboxError::Engine(format!("a killed container was still there after {seconds} s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_fits_no_argument_is_refused_before_it_is_sent() {
        assert!(encode(&"x".repeat(SCRIPT_BYTES / 4 * 3)).is_ok());
        let error = encode(&"x".repeat(SCRIPT_BYTES / 4 * 3 + 1)).unwrap_err();
        assert!(error.to_string().contains("at most 73728"), "{error}");
    }
}

//! Following a build to its end: the one loop behind `build`, `retry --follow` and
//! `log BUILD --follow`.
//!
//! The build and each log are read by tasks of their own that send what they find; this loop alone
//! prints. Interruptions of the connection are waited out, Ctrl-C leaves the build alone.

use std::{collections::HashSet, time::Duration};

use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{CliError, Console, Exit, plain::Plain, progress::Progress};
use crate::{
    client::{BuildWatch, ClientError, LogFollow, Rest, WatchUpdate},
    model::{BuildId, Clock, JobId, SystemClock},
    protocol::{Build, BuildState, LogEvent},
};

/// How often the time on progress lines is drawn anew.
const TICK: Duration = Duration::from_millis(250);
/// How long nothing may come of a log after the build has ended: it is sealed by then, so this is
/// only for a server that just went away. A log that is long still comes to its end.
const LOGS_GRACE: Duration = Duration::from_mins(1);
/// Messages on their way to be printed; readers wait when nobody reads.
const MESSAGES: usize = 64;

/// How a build is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    /// Nothing until it has ended.
    Nothing,
    /// A progress line for each job.
    Progress,
    /// Progress lines, and all logs above them.
    ProgressAndLogs,
    /// Plain lines.
    Lines,
}

/// How following ended.
#[derive(Debug)]
pub(super) enum Followed {
    /// The build has ended.
    Ended(Box<Build>),
    /// A person did not want to wait.
    Interrupted,
}

enum Message {
    Watch(Result<Option<WatchUpdate>, ClientError>),
    Log(JobId, Result<LogEvent, ClientError>),
    LogOver(JobId),
}

/// Follows `build` until it has ended.
pub(super) async fn attach(
    rest: &Rest,
    build: BuildId,
    show: Show,
    console: &mut Console,
) -> Result<Followed, CliError> {
    let mut follower = Follower::new(rest, build, show, console.notes_have_colors());
    let done = follower.run(console).await;
    if let Some(progress) = &follower.progress {
        progress.clear();
    }
    done
}

/// What to do when a person presses Ctrl-C while a build is followed.
pub(super) async fn interrupted(
    rest: &Rest,
    build: BuildId,
    cancel: bool,
    console: &mut Console,
) -> Result<Exit, CliError> {
    if cancel {
        rest.cancel_build(build).await?;
        console.note(&format!("build {build} is being cancelled\n"));
    } else {
        console.note(&format!(
            "build {build} goes on\n  see it:    kiln show {build}\n  cancel it: kiln cancel {build}\n"
        ));
    }
    Ok(Exit::Interrupted)
}

struct Follower {
    rest: Rest,
    show: Show,
    stop: CancellationToken,
    /// Ends the readers when this goes, whatever the reason.
    _guard: DropGuard,
    sender: mpsc::Sender<Message>,
    messages: mpsc::Receiver<Message>,
    progress: Option<Progress>,
    plain: Plain,
    followed: HashSet<JobId>,
    open: HashSet<JobId>,
    ended: Option<Box<Build>>,
}

impl Follower {
    fn new(rest: &Rest, build: BuildId, show: Show, colors: bool) -> Self {
        let (sender, messages) = mpsc::channel(MESSAGES);
        let stop = CancellationToken::new();
        let mut watch = BuildWatch::new(rest.clone(), build, stop.clone());
        let watching = sender.clone();
        tokio::spawn(async move {
            loop {
                let update = watch.next().await;
                let over = !matches!(update, Ok(Some(_)));
                if watching.send(Message::Watch(update)).await.is_err() || over {
                    return;
                }
            }
        });
        let progress =
            matches!(show, Show::Progress | Show::ProgressAndLogs).then(|| Progress::new(colors));
        Self {
            rest: rest.clone(),
            show,
            _guard: stop.clone().drop_guard(),
            stop,
            sender,
            messages,
            progress,
            plain: Plain::default(),
            followed: HashSet::new(),
            open: HashSet::new(),
            ended: None,
        }
    }

    async fn run(&mut self, console: &mut Console) -> Result<Followed, CliError> {
        let mut ticks = tokio::time::interval(TICK);
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        let mut grace = std::pin::pin!(tokio::time::sleep(LOGS_GRACE));
        loop {
            if self.open.is_empty()
                && let Some(build) = self.ended.take()
            {
                return Ok(Followed::Ended(build));
            }
            tokio::select! {
                signal = &mut interrupt => {
                    signal.map_err(CliError::Output)?;
                    return Ok(Followed::Interrupted);
                }
                message = self.messages.recv() => {
                    let message = message.expect("a sender is kept here");
                    self.take(message, console)?;
                    grace.as_mut().reset(tokio::time::Instant::now() + LOGS_GRACE);
                }
                _ = ticks.tick() => {
                    if let Some(progress) = &mut self.progress {
                        progress.tick(SystemClock.now());
                    }
                }
                () = &mut grace, if self.ended.is_some() => {
                    for job in self.open.drain() {
                        console.note(&format!("the log is not complete here: kiln log {job}\n"));
                    }
                }
            }
        }
    }

    fn take(&mut self, message: Message, console: &mut Console) -> Result<(), CliError> {
        match message {
            Message::Watch(Ok(Some(WatchUpdate::Build(build)))) => self.build(build, console)?,
            Message::Watch(Ok(Some(WatchUpdate::Lost(problem)))) => {
                let note = format!("{problem}; the build goes on, trying again\n");
                self.note(&note, console);
            }
            Message::Watch(Ok(Some(WatchUpdate::Back))) => {
                self.note("the server is there again\n", console);
            }
            Message::Watch(Ok(None)) => {}
            Message::Watch(Err(error)) => return Err(error.into()),
            Message::Log(job, Ok(event)) => {
                let plain = &mut self.plain;
                match &self.progress {
                    None => plain.log(job, &event, console)?,
                    Some(progress) => {
                        let mut result = Ok(());
                        progress.above(|| {
                            result = plain.log(job, &event, console);
                            Ok(())
                        })?;
                        result?;
                    }
                }
            }
            // The log is still there when the build has ended; the build itself counts.
            Message::Log(job, Err(error)) => {
                let note = format!("the log of {job} cannot be followed: {error}\n");
                self.note(&super::sanitize::text(&note), console);
            }
            Message::LogOver(job) => {
                self.open.remove(&job);
            }
        }
        Ok(())
    }

    fn build(&mut self, build: Box<Build>, console: &mut Console) -> Result<(), CliError> {
        let now = SystemClock.now();
        let with_logs = matches!(self.show, Show::Lines | Show::ProgressAndLogs);
        for job in build.jobs.iter().filter(|_| with_logs) {
            if self.followed.insert(job.id) {
                self.open.insert(job.id);
                self.follow_log(job.id);
            }
        }
        match (&mut self.progress, self.show) {
            (Some(progress), _) => {
                progress.build(&build, now);
                // Only for the names of the jobs; the lines show where they are.
                self.plain.learn(&build);
            }
            (None, Show::Lines) => self.plain.build(&build, now, console)?,
            (None, _) => {}
        }
        if build.state == BuildState::Finished {
            self.ended = Some(build);
        }
        Ok(())
    }

    fn follow_log(&self, job: JobId) {
        let mut follow = LogFollow::new(self.rest.clone(), job, None, self.stop.clone());
        let sender = self.sender.clone();
        tokio::spawn(async move {
            while let Some(event) = follow.next().await {
                if sender.send(Message::Log(job, event)).await.is_err() {
                    return;
                }
            }
            // Nobody listens any more: fine.
            let _ = sender.send(Message::LogOver(job)).await;
        });
    }

    fn note(&self, text: &str, console: &mut Console) {
        match &self.progress {
            None => console.note(text),
            Some(progress) => {
                // The closure cannot fail.
                let _ = progress.above(|| {
                    console.note(text);
                    Ok(())
                });
            }
        }
    }
}

//! Following a build to its end: the one loop behind `build`, `retry --follow` and
//! `log BUILD --follow`.
//!
//! The build and each log are read by tasks of their own that send what they find; this loop alone
//! prints. Interruptions of the connection are waited out.

use std::{collections::HashSet, time::Duration};

use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    CliError, Console, Exit,
    interrupt::{Answer, Interrupts, OnInterrupt, QUESTION},
    pass::Pass,
    plain::Plain,
    progress::Progress,
};
use crate::{
    client::{BuildWatch, ClientError, LogFollow, Rest, WatchUpdate, event_bytes},
    model::{BuildId, Clock, JobId, Stream, SystemClock},
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
    /// Plain lines: each log line behind the name of its leg.
    Lines,
    /// The log of the only leg, byte for byte, and all else on the error output; of several legs
    /// plain lines.
    Raw,
    /// What the only leg writes, on the two outputs; before it begins, where it is.
    Command,
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
    (show, on_interrupt): (Show, OnInterrupt),
    console: &mut Console,
) -> Result<Followed, CliError> {
    let mut follower = Follower::new(rest, build, show, console);
    follower.run(on_interrupt, console).await
}

/// What to do when a person does not want to wait for the end.
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
    id: BuildId,
    show: Show,
    stop: CancellationToken,
    /// Ends the readers when this goes, whatever the reason.
    _guard: DropGuard,
    sender: mpsc::Sender<Message>,
    messages: mpsc::Receiver<Message>,
    progress: Option<Progress>,
    plain: Plain,
    pass: Pass,
    followed: HashSet<JobId>,
    open: HashSet<JobId>,
    /// Whether there is one leg only, whose log is printed as it is.
    is_raw: bool,
    ended: Option<Box<Build>>,
}

impl Follower {
    fn new(rest: &Rest, build: BuildId, show: Show, console: &Console) -> Self {
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
        let is_drawn = match show {
            Show::Progress | Show::ProgressAndLogs => true,
            Show::Command => console.is_interactive(),
            Show::Nothing | Show::Lines | Show::Raw => false,
        };
        let progress = is_drawn.then(|| Progress::new(console.notes_have_colors()));
        Self {
            rest: rest.clone(),
            id: build,
            show,
            _guard: stop.clone().drop_guard(),
            stop,
            sender,
            messages,
            progress,
            plain: Plain::default(),
            pass: Pass::default(),
            followed: HashSet::new(),
            open: HashSet::new(),
            is_raw: false,
            ended: None,
        }
    }

    async fn run(
        &mut self,
        on_interrupt: OnInterrupt,
        console: &mut Console,
    ) -> Result<Followed, CliError> {
        let mut ticks = tokio::time::interval(TICK);
        let mut interrupts = Interrupts::new().map_err(CliError::Output)?;
        let may_ask =
            on_interrupt == OnInterrupt::Ask && Interrupts::can_ask() && console.has_listener();
        let mut grace = std::pin::pin!(tokio::time::sleep(LOGS_GRACE));
        loop {
            if let Some(build) = self.ended.take_if(|_| self.open.is_empty()) {
                return Ok(Followed::Ended(build));
            }
            tokio::select! {
                () = interrupts.next() => {
                    if !may_ask || !self.ask(&mut interrupts, console).await? {
                        return Ok(Followed::Interrupted);
                    }
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

    /// Asks what Ctrl-C means; whether to go on. What comes meanwhile waits.
    async fn ask(
        &mut self,
        interrupts: &mut Interrupts,
        console: &mut Console,
    ) -> Result<bool, CliError> {
        if let Some(progress) = &mut self.progress {
            progress.pause();
        }
        console.note(QUESTION);
        let goes_on = loop {
            match interrupts.answer().await {
                Answer::Cancel => {
                    self.rest.cancel_build(self.id).await?;
                    console.note(&format!("build {} is being cancelled\n", self.id));
                    break true;
                }
                Answer::Again => {
                    console.note("\n");
                    break false;
                }
                Answer::Detach => break false,
                Answer::GoOn => break true,
                Answer::Unclear => console.note("Type c, d or nothing, and Enter: "),
            }
        };
        if let Some(progress) = self.progress.as_mut().filter(|_| goes_on) {
            progress.resume(SystemClock.now());
        }
        Ok(goes_on)
    }

    fn take(&mut self, message: Message, console: &mut Console) -> Result<(), CliError> {
        match message {
            Message::Watch(Ok(Some(WatchUpdate::Build(build)))) => self.build(build, console)?,
            Message::Watch(Ok(Some(WatchUpdate::Lost(problem)))) => {
                let note = format!("{problem}; the build goes on, trying again\n");
                self.note(&super::sanitize::text(&note), console);
            }
            Message::Watch(Ok(Some(WatchUpdate::Back))) => {
                self.note("the server is there again\n", console);
            }
            Message::Watch(Ok(None)) => {}
            Message::Watch(Err(error)) => return Err(error.into()),
            Message::Log(job, Ok(event)) => self.log(job, &event, console)?,
            // The log is still there when the build has ended; the build itself counts.
            Message::Log(job, Err(error)) => {
                let note = format!("the log of {job} cannot be followed: {error}");
                self.note(&format!("{}\n", super::sanitize::text(&note)), console);
            }
            Message::LogOver(job) => {
                self.open.remove(&job);
            }
        }
        Ok(())
    }

    fn log(&mut self, job: JobId, event: &LogEvent, console: &mut Console) -> Result<(), CliError> {
        let plain = &mut self.plain;
        match (&mut self.progress, self.show) {
            (progress, Show::Command) => {
                match event {
                    LogEvent::Log { stream: Stream::Kiln, .. } => {}
                    LogEvent::Log { stream, .. } => {
                        if let Some(progress) = progress {
                            progress.pause();
                        }
                        self.pass.bytes(*stream, &event_bytes(event)?, console)?;
                    }
                    LogEvent::End(_) => self.pass.rest(console)?,
                    _ => {}
                }
                Ok(())
            }
            (Some(progress), Show::ProgressAndLogs) => {
                progress.log(job, event);
                let mut result = Ok(());
                if plain.completes(job, event) {
                    progress.above(SystemClock.now(), || {
                        result = plain.log(job, event, console);
                        Ok(())
                    })?;
                } else {
                    result = plain.log(job, event, console);
                }
                result
            }
            (Some(progress), _) => {
                progress.log(job, event);
                Ok(())
            }
            (None, _) if self.is_raw && !console.is_terminal() => {
                if let LogEvent::Log { .. } = event {
                    let bytes = event_bytes(event)?;
                    console.raw().write_all(&bytes)?;
                    console.raw().flush()?;
                }
                Ok(())
            }
            (None, _) => plain.log(job, event, console),
        }
    }

    fn build(&mut self, build: Box<Build>, console: &mut Console) -> Result<(), CliError> {
        let now = SystemClock.now();
        self.is_raw =
            self.show == Show::Raw && build.jobs.iter().filter(|j| !j.retried).count() == 1;
        self.plain.set_bare(self.is_raw);
        for job in build.jobs.iter().filter(|_| self.show != Show::Nothing) {
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
            (None, Show::Lines | Show::Raw) => self.plain.build(&build, now, console)?,
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

    fn note(&mut self, text: &str, console: &mut Console) {
        match &mut self.progress {
            None => console.note(text),
            Some(progress) => {
                // The closure cannot fail.
                let _ = progress.above(SystemClock.now(), || {
                    console.note(text);
                    Ok(())
                });
            }
        }
    }
}

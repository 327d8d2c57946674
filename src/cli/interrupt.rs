//! Ctrl-C while a build is followed: a person at a terminal is asked what is meant, once.
//!
//! The answer is a line, read by a thread of its own: a read of a terminal cannot be given up, and
//! the second Ctrl-C must not wait for it.

use std::io::{self, BufRead, IsTerminal};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

/// What is printed when a person is to say what is meant.
pub(super) const QUESTION: &str =
    "Interrupted. Cancel the build (c), detach and let it go on (d), or keep following (Enter)? ";

/// What Ctrl-C means for a followed build.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OnInterrupt {
    /// A person is asked, if there is one; else it means to detach.
    Ask,
    /// It means to leave off at once; what then happens to the build is up to the caller.
    Leave,
}

/// What a person said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// The build is to end.
    Cancel,
    /// The build goes on, and nobody follows it.
    Detach,
    /// Nothing is to change.
    GoOn,
    /// Ctrl-C, once more.
    Again,
    /// Something else: asked again.
    Unclear,
}

/// Ctrl-C, and the lines that a person types when asked.
#[derive(Debug)]
pub(super) struct Interrupts {
    signals: Signal,
    answers: Option<mpsc::Receiver<Answer>>,
}

impl Interrupts {
    /// From now on Ctrl-C does not end the process by itself.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { signals: signal(SignalKind::interrupt())?, answers: None })
    }

    /// The next Ctrl-C.
    pub(super) async fn next(&mut self) {
        if self.signals.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether somebody is there to answer.
    pub(super) fn can_ask() -> bool {
        io::stdin().is_terminal()
    }

    /// The next answer; another Ctrl-C is one, too. Reading begins with the first call and then
    /// goes on.
    pub(super) async fn answer(&mut self) -> Answer {
        let answers = self.answers.get_or_insert_with(|| {
            let (sender, answers) = mpsc::channel(1);
            std::thread::spawn(move || {
                for line in io::stdin().lock().lines() {
                    let Ok(line) = line else { return };
                    if sender.blocking_send(parse(&line)).is_err() {
                        return;
                    }
                }
            });
            answers
        });
        tokio::select! {
            // The input has ended: nobody will answer any more, so the build is left alone.
            answer = answers.recv() => answer.unwrap_or(Answer::Detach),
            Some(()) = self.signals.recv() => Answer::Again,
        }
    }
}

fn parse(line: &str) -> Answer {
    match line.trim().to_ascii_lowercase().as_str() {
        "c" | "cancel" => Answer::Cancel,
        "d" | "detach" => Answer::Detach,
        "" | "g" | "go on" | "k" | "keep" | "f" | "follow" => Answer::GoOn,
        _ => Answer::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_with_some_good_will() {
        for (line, answer) in [
            ("c", Answer::Cancel),
            (" Cancel ", Answer::Cancel),
            ("d\r", Answer::Detach),
            ("", Answer::GoOn),
            ("g", Answer::GoOn),
            ("what?", Answer::Unclear),
        ] {
            assert_eq!(parse(line), answer, "{line:?}");
        }
    }
}

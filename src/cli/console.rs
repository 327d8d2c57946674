//! Where output goes: the one place, beside `screen`, that touches the standard streams.
//!
//! Answers go to the output, talk about them goes to the error output, so that a script that reads
//! the one is never disturbed by the other. Colors are taken out unless there is a terminal that
//! wants them.

use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice, adapter::strip_str};

/// The output and the error output of a command.
#[derive(Debug)]
pub struct Console {
    out: Output,
    err: Output,
    /// Whether the terminal can only print line after line.
    is_dumb: bool,
}

struct Output {
    to: Box<dyn Write + Send>,
    terminal: bool,
    colors: bool,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("terminal", &self.terminal).finish_non_exhaustive()
    }
}

impl Console {
    /// The process's own streams; `NO_COLOR` and its like are honored.
    pub fn standard() -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let out_colors = AutoStream::choice(&out) != ColorChoice::Never;
        let err_colors = AutoStream::choice(&err) != ColorChoice::Never;
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        Self {
            out: Output::new(out.is_terminal(), out_colors, Box::new(out)),
            err: Output::new(err.is_terminal(), err_colors, Box::new(err)),
            is_dumb,
        }
    }

    /// Other streams, as if they were pipes.
    pub fn piped(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        let (out, err) = (Output::new(false, false, out), Output::new(false, false, err));
        Self { out, err, is_dumb: true }
    }

    /// Whether a person reads the output.
    pub(super) fn is_terminal(&self) -> bool {
        self.out.terminal
    }

    /// Whether a person reads both outputs on a terminal that can draw lines again.
    pub(super) fn is_interactive(&self) -> bool {
        self.out.terminal && self.err.terminal && !self.is_dumb
    }

    /// Whether a person reads the error output, and so can be asked something.
    pub(super) fn has_listener(&self) -> bool {
        self.err.terminal
    }

    /// Whether the error output shows colors.
    pub(super) fn notes_have_colors(&self) -> bool {
        self.err.colors
    }

    /// Writes text that may have colors, and flushes it: who reads along sees it now.
    pub(super) fn print(&mut self, text: &str) -> io::Result<()> {
        self.out.write(text)
    }

    /// Writes text that may have colors to the error output. Nobody may be there to read it, which
    /// is no reason to stop.
    pub(super) fn note(&mut self, text: &str) {
        let _ = self.err.write(text);
    }

    /// What a renderer writes.
    pub(super) fn render(
        &mut self,
        renderer: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut text = Vec::new();
        renderer(&mut text)?;
        self.print(&String::from_utf8_lossy(&text))
    }

    /// What a renderer writes, to the error output.
    pub(super) fn render_note(&mut self, renderer: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        let mut text = Vec::new();
        // Memory takes everything.
        let _ = renderer(&mut text);
        self.note(&String::from_utf8_lossy(&text));
    }

    /// The output, for bytes that must not be touched.
    pub(super) fn raw(&mut self) -> &mut (dyn Write + Send) {
        &mut *self.out.to
    }

    /// The error output, for bytes that must not be touched.
    pub(super) fn raw_notes(&mut self) -> &mut (dyn Write + Send) {
        &mut *self.err.to
    }

    /// Writes JSON.
    pub(super) fn json<T: serde::Serialize>(&mut self, value: &T) -> io::Result<()> {
        let text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
        self.print(&format!("{text}\n"))
    }
}

impl Output {
    fn new(terminal: bool, colors: bool, to: Box<dyn Write + Send>) -> Self {
        Self { to, terminal, colors: terminal && colors }
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        if self.colors {
            self.to.write_all(text.as_bytes())?;
        } else {
            self.to.write_all(strip_str(text).to_string().as_bytes())?;
        }
        self.to.flush()
    }
}

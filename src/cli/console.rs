//! Where output goes: the one place that touches the standard streams.
//!
//! Answers go to the output, talk about them goes to the error output, so that a script that reads
//! the one is never disturbed by the other. Colors are taken out unless there is a terminal that
//! wants them.

use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice, adapter::strip_str};

/// The output and the error output of a command.
pub struct Console {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    terminal: bool,
    interactive: bool,
    out_colors: bool,
    err_colors: bool,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").field("terminal", &self.terminal).finish_non_exhaustive()
    }
}

impl Console {
    /// The process's own streams; `NO_COLOR` and its like are honored.
    pub fn standard() -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let terminal = out.is_terminal();
        Self {
            terminal,
            interactive: terminal && err.is_terminal(),
            out_colors: terminal && AutoStream::choice(&out) != ColorChoice::Never,
            err_colors: err.is_terminal() && AutoStream::choice(&err) != ColorChoice::Never,
            out: Box::new(out),
            err: Box::new(err),
        }
    }

    /// Other streams, as if they were pipes.
    pub fn piped(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        let (terminal, interactive, out_colors, err_colors) = (false, false, false, false);
        Self { out, err, terminal, interactive, out_colors, err_colors }
    }

    /// Whether a person reads the output.
    pub(super) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Whether a person reads both outputs, so that lines may be drawn again.
    pub(super) fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// Writes text that may have colors, and flushes it: who reads along sees it now.
    pub(super) fn print(&mut self, text: &str) -> io::Result<()> {
        write(&mut *self.out, text, self.out_colors)
    }

    /// Writes text that may have colors to the error output. Nobody may be there to read it, which
    /// is no reason to stop.
    pub(super) fn note(&mut self, text: &str) {
        let _ = write(&mut *self.err, text, self.err_colors);
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

    /// The output, for bytes that must not be touched.
    pub(super) fn raw(&mut self) -> &mut (dyn Write + Send) {
        &mut *self.out
    }

    /// Writes JSON.
    pub(super) fn json<T: serde::Serialize>(&mut self, value: &T) -> io::Result<()> {
        let text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
        self.print(&format!("{text}\n"))
    }
}

fn write(to: &mut dyn Write, text: &str, colors: bool) -> io::Result<()> {
    if colors {
        to.write_all(text.as_bytes())?;
    } else {
        to.write_all(strip_str(text).to_string().as_bytes())?;
    }
    to.flush()
}

//! The output of a command, passed on to the two outputs of this process: the bytes themselves into
//! a pipe, and on a terminal whole lines of which nothing but colors is left.

use std::io;

use super::{Console, lines::Lines, sanitize};
use crate::model::Stream;

/// What is still to come of lines that have not ended.
#[derive(Debug, Default)]
pub(super) struct Pass {
    out: Lines,
    err: Lines,
}

impl Pass {
    /// Passes bytes on. What kiln itself says is not the command's.
    pub(super) fn bytes(
        &mut self,
        stream: Stream,
        bytes: &[u8],
        console: &mut Console,
    ) -> io::Result<()> {
        match stream {
            Stream::Stdout if console.is_terminal() => console.print(&shown(&self.out.push(bytes))),
            Stream::Stdout => {
                console.raw().write_all(bytes)?;
                console.raw().flush()
            }
            Stream::Stderr if console.has_listener() => {
                console.note(&shown(&self.err.push(bytes)));
                Ok(())
            }
            Stream::Stderr => {
                // Nobody may be there to read it, which is no reason to stop.
                let _ = console.raw_notes().write_all(bytes);
                Ok(())
            }
            Stream::Kiln => Ok(()),
        }
    }

    /// Passes on last lines that never ended.
    pub(super) fn rest(&mut self, console: &mut Console) -> io::Result<()> {
        if let Some(line) = self.err.rest() {
            console.note(&shown(&[line]));
        }
        match self.out.rest() {
            Some(line) => console.print(&shown(&[line])),
            None => Ok(()),
        }
    }
}

fn shown(lines: &[Vec<u8>]) -> String {
    lines.iter().map(|line| sanitize::log_line(line) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixtures;

    #[test]
    fn in_a_pipe_every_byte_comes_out_where_it_was_written() {
        let (mut console, out, err) = fixtures::console();
        let mut pass = Pass::default();
        for (stream, bytes) in [
            (Stream::Stdout, &b"a\xff\x1b[2J\r"[..]),
            (Stream::Stderr, b"wrong\n"),
            (Stream::Kiln, b"not the command's\n"),
            (Stream::Stdout, b"no end"),
        ] {
            pass.bytes(stream, bytes, &mut console).unwrap();
        }
        pass.rest(&mut console).unwrap();
        assert_eq!(out.bytes(), b"a\xff\x1b[2J\rno end");
        assert_eq!(err.text(), "wrong\n");
    }
}

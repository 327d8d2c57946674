//! Bytes between a connection, which is asynchronous, and a tar, which is not.

use std::{
    io::{self, Read, Write},
    pin::Pin,
};

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt as _};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Pieces on their way: enough that neither side waits for the other's turn.
const PIECES: usize = 16;
/// How much is gathered before it is sent on.
const PIECE: usize = 256 * 1024;

/// Bytes on their way.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// The reading end, for a thread that may block. Ends early if the other end is dropped.
#[derive(Debug)]
pub struct PipeReader {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    rest: Bytes,
}

/// A pipe whose reading end is synchronous.
pub fn to_reader() -> (mpsc::Sender<io::Result<Bytes>>, PipeReader) {
    let (sender, pieces) = mpsc::channel(PIECES);
    (sender, PipeReader { pieces, rest: Bytes::new() })
}

impl Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.pieces.blocking_recv() {
                None => return Ok(0),
                Some(piece) => self.rest = piece?,
            }
        }
        let read = self.rest.len().min(buffer.len());
        self.rest.copy_to_slice(&mut buffer[..read]);
        Ok(read)
    }
}

/// The writing end, for a thread that may block.
#[derive(Debug)]
pub struct PipeWriter {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    gathered: Vec<u8>,
}

/// A pipe whose writing end is synchronous.
pub fn from_writer() -> (PipeWriter, ByteStream) {
    let (pieces, receiver) = mpsc::channel(PIECES);
    let writer = PipeWriter { pieces, gathered: Vec::with_capacity(PIECE) };
    (writer, ReceiverStream::new(receiver).boxed())
}

impl PipeWriter {
    /// Says that what came so far is not all, and why there is no more.
    pub fn fail(self, error: io::Error) {
        // Whoever reads may be gone, and then needs no reason.
        let _ = self.pieces.blocking_send(Err(error));
    }
}

impl Write for PipeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.gathered, Vec::with_capacity(PIECE));
        let sent = self.pieces.blocking_send(Ok(piece.into()));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

//! Frames that wait for the server: a queue in memory, then in a file, both bounded.
//!
//! The file has no name from the moment it is made, so nothing of it outlives the agent, however
//! that ends. A frame leaves the spool only when the server has it.

use std::{collections::VecDeque, fs::OpenOptions, io, path::PathBuf, sync::Arc};

use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt},
    sync::{Mutex, Notify},
};

use crate::{model::Frame, protocol::LogEnd};

/// Where frames wait, and how many.
#[derive(Clone, Debug)]
pub(crate) struct SpoolSettings {
    /// The most that waits in memory, in bytes.
    pub memory_bytes: u64,
    /// The most that waits on disk, in bytes.
    pub disk_bytes: u64,
    /// The file, which exists only for a moment; unique for each attempt.
    pub path: PathBuf,
}

/// The queue between the writer and the sender.
#[derive(Clone, Debug)]
pub(super) struct Spool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// Something was added, or the end is known.
    added: Notify,
    /// Something was taken.
    taken: Notify,
}

#[derive(Debug)]
struct Queue {
    settings: SpoolSettings,
    memory: VecDeque<Encoded>,
    memory_bytes: u64,
    /// What came after `memory`, if that was full.
    disk: Option<Disk>,
    end: LogEnd,
    closed: bool,
}

/// A frame in its wire form.
#[derive(Clone, Debug)]
struct Encoded {
    seq: u64,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Disk {
    file: File,
    /// Number and length of each frame between `read` and `written`.
    frames: VecDeque<(u64, usize)>,
    read: u64,
    written: u64,
}

/// What the sender is to do next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// Send these frames, of which the first has this number.
    Send(u64, Vec<u8>),
    /// Everything is sent and nothing more will come.
    End,
}

impl Spool {
    /// An empty spool.
    pub(super) fn new(settings: SpoolSettings) -> Self {
        let queue = Queue {
            settings,
            memory: VecDeque::new(),
            memory_bytes: 0,
            disk: None,
            end: LogEnd::default(),
            closed: false,
        };
        let (added, taken) = (Notify::new(), Notify::new());
        Self(Arc::new(Shared { queue: Mutex::new(queue), added, taken }))
    }

    /// Adds a frame; waits while the spool is full.
    pub(super) async fn push(&self, frame: &Frame) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(frame.data().len() + 128);
        frame.encode(&mut bytes);
        let mut encoded = Encoded { seq: frame.seq, bytes };
        loop {
            let taken = self.0.taken.notified();
            let mut queue = self.0.queue.lock().await;
            match queue.push(encoded).await? {
                None => {
                    queue.end = LogEnd { seq: frame.seq + 1, offset: frame.end() };
                    break;
                }
                Some(back) => encoded = back,
            }
            drop(queue);
            taken.await;
        }
        self.0.added.notify_one();
        Ok(())
    }

    /// Nothing more will come.
    pub(super) async fn close(&self) {
        self.0.queue.lock().await.closed = true;
        self.0.added.notify_one();
    }

    /// Waits for something to send: at most about `most` bytes from the front, which stay here.
    pub(super) async fn next(&self, most: usize) -> io::Result<Next> {
        loop {
            let added = self.0.added.notified();
            let mut queue = self.0.queue.lock().await;
            queue.refill().await?;
            if let Some(first) = queue.memory.front() {
                let (seq, mut batch) = (first.seq, Vec::new());
                for frame in &queue.memory {
                    if !batch.is_empty() && batch.len() + frame.bytes.len() > most {
                        break;
                    }
                    batch.extend_from_slice(&frame.bytes);
                }
                return Ok(Next::Send(seq, batch));
            }
            if queue.closed {
                return Ok(Next::End);
            }
            drop(queue);
            added.await;
        }
    }

    /// The server has everything before frame `seq`. False if it wants frames that are gone or were
    /// never made: then the two do not talk of the same log.
    pub(super) async fn acknowledge(&self, seq: u64) -> io::Result<bool> {
        let mut queue = self.0.queue.lock().await;
        queue.refill().await?;
        let first = queue.memory.front().map_or(queue.end.seq, |frame| frame.seq);
        if seq < first || seq > queue.end.seq {
            return Ok(false);
        }
        while queue.memory.front().is_some_and(|frame| frame.seq < seq) {
            let length = queue.memory.pop_front().map_or(0, |frame| frame.bytes.len());
            queue.memory_bytes -= length as u64;
            queue.refill().await?;
        }
        drop(queue);
        self.0.taken.notify_one();
        Ok(true)
    }
}

impl Queue {
    /// Adds a frame, or gives it back when there is no room.
    async fn push(&mut self, frame: Encoded) -> io::Result<Option<Encoded>> {
        let length = frame.bytes.len() as u64;
        let waits_on_disk = self.disk.as_ref().is_some_and(|disk| !disk.frames.is_empty());
        let fits = self.memory_bytes + length <= self.settings.memory_bytes;
        if !waits_on_disk && (fits || self.memory.is_empty()) {
            self.memory_bytes += length;
            self.memory.push_back(frame);
            return Ok(None);
        }
        if self.disk.is_none() {
            self.disk = Some(Disk::create(&self.settings)?);
        }
        let Some(disk) = &mut self.disk else { return Ok(Some(frame)) };
        if disk.written + length > self.settings.disk_bytes {
            return Ok(Some(frame));
        }
        disk.write(&frame).await?;
        Ok(None)
    }

    /// Moves frames from the file to memory while there is room.
    async fn refill(&mut self) -> io::Result<()> {
        let Some(disk) = &mut self.disk else { return Ok(()) };
        while let Some(&(_, length)) = disk.frames.front() {
            let length = length as u64;
            if !self.memory.is_empty() && self.memory_bytes + length > self.settings.memory_bytes {
                return Ok(());
            }
            let frame = disk.read().await?;
            self.memory_bytes += length;
            self.memory.push_back(frame);
        }
        disk.rewind().await
    }
}

impl Disk {
    fn create(settings: &SpoolSettings) -> io::Result<Self> {
        if let Some(folder) = settings.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file =
            OpenOptions::new().read(true).write(true).create_new(true).open(&settings.path)?;
        std::fs::remove_file(&settings.path)?;
        Ok(Self { file: File::from_std(file), frames: VecDeque::new(), read: 0, written: 0 })
    }

    async fn write(&mut self, frame: &Encoded) -> io::Result<()> {
        self.file.seek(io::SeekFrom::Start(self.written)).await?;
        self.file.write_all(&frame.bytes).await?;
        self.file.flush().await?;
        self.frames.push_back((frame.seq, frame.bytes.len()));
        self.written += frame.bytes.len() as u64;
        Ok(())
    }

    async fn read(&mut self) -> io::Result<Encoded> {
        let (seq, length) = self.frames.front().copied().unwrap_or_default();
        let mut bytes = vec![0; length];
        self.file.seek(io::SeekFrom::Start(self.read)).await?;
        self.file.read_exact(&mut bytes).await?;
        self.frames.pop_front();
        self.read += length as u64;
        Ok(Encoded { seq, bytes })
    }

    /// Begins the file anew once all of it was read.
    async fn rewind(&mut self) -> io::Result<()> {
        if self.frames.is_empty() && self.written > 0 {
            self.file.set_len(0).await?;
            (self.read, self.written) = (0, 0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::model::{FrameKind, Stream, Timestamp};

    fn spool(memory_bytes: u64, disk_bytes: u64) -> (Spool, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool").join("1");
        (Spool::new(SpoolSettings { memory_bytes, disk_bytes, path }), folder)
    }

    fn frame(seq: u64) -> Frame {
        let kind = FrameKind::Data(Stream::Stdout, vec![b'x'; 1000]);
        Frame { seq, offset: seq * 1000, at: Timestamp::from_millis(0), step: None, kind }
    }

    impl Spool {
        async fn closed(&self) {
            while !self.0.queue.lock().await.closed {
                tokio::task::yield_now().await;
            }
        }
    }

    async fn drain(spool: &Spool) -> Vec<u64> {
        let mut numbers = Vec::new();
        while let Next::Send(first, bytes) = spool.next(2_500).await.unwrap() {
            let frames = Frame::decode_all(&bytes).unwrap();
            assert_eq!(frames[0].seq, first);
            numbers.extend(frames.iter().map(|frame| frame.seq));
            assert!(spool.acknowledge(frames.last().unwrap().seq + 1).await.unwrap());
        }
        numbers
    }

    #[tokio::test]
    async fn frames_keep_their_order_through_memory_and_disk_and_no_file_stays() {
        let (spool, folder) = spool(3_000, 100_000);
        for seq in 0..40 {
            spool.push(&frame(seq)).await.unwrap();
        }
        assert_eq!(std::fs::read_dir(folder.path().join("spool")).unwrap().count(), 0);
        spool.close().await;
        assert_eq!(drain(&spool).await, (0..40).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_full_spool_makes_the_writer_wait_until_the_server_took_something() {
        let (spool, _folder) = spool(2_300, 4_600);
        let pushing = spool.clone();
        let pushed = tokio::spawn(async move {
            for seq in 0..20 {
                pushing.push(&frame(seq)).await.unwrap();
            }
            pushing.close().await;
        });
        let waits = timeout(Duration::from_millis(300), spool.closed()).await.is_err();
        assert!(waits, "twenty frames do not fit");
        assert_eq!(drain(&spool).await, (0..20).collect::<Vec<_>>());
        pushed.await.unwrap();
    }

    #[tokio::test]
    async fn unsent_frames_are_given_again_and_foreign_numbers_are_refused() {
        let (spool, _folder) = spool(100_000, 0);
        for seq in 0..3 {
            spool.push(&frame(seq)).await.unwrap();
        }
        let again = spool.next(usize::MAX).await.unwrap();
        assert_eq!(spool.next(usize::MAX).await.unwrap(), again);
        assert!(spool.acknowledge(2).await.unwrap());
        assert!(matches!(spool.next(usize::MAX).await.unwrap(), Next::Send(2, _)));
        assert!(!spool.acknowledge(1).await.unwrap());
        assert!(!spool.acknowledge(4).await.unwrap());
    }
}

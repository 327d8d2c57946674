//! The program at a terminal: a real pseudo-terminal, and the screen that a person would see.

use std::{
    io::{Read, Write},
    num::NonZero,
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::farm::PATIENCE;

/// How often the screen is looked at.
const LOOK: Duration = Duration::from_millis(15);

/// A terminal with a program in it.
pub(crate) struct Terminal {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    seen: Arc<Mutex<Seen>>,
    reader: Option<JoinHandle<()>>,
}

struct Seen {
    screen: vt100::Parser,
    raw: Vec<u8>,
}

const fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

fn some(number: u16) -> NonZero<u16> {
    NonZero::new(number).unwrap()
}

impl Terminal {
    /// Starts kiln with these arguments in a terminal of this size, with these variables beside the
    /// usual ones.
    pub(crate) fn start(
        server: &str,
        (columns, rows): (u16, u16),
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let pair = native_pty_system().openpty(size(columns, rows)).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_kiln"));
        command.args(arguments);
        command.env_clear();
        command.cwd(std::env::temp_dir());
        for (name, value) in
            [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("KILN_SERVER", server)]
                .iter()
                .chain(variables)
        {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        // The program has the only other end, so that reading ends when it has.
        drop(pair.slave);
        let screen = vt100::Parser::new(some(rows), some(columns), 500);
        let seen = Arc::new(Mutex::new(Seen { screen, raw: Vec::new() }));
        let (mut from, into) = (pair.master.try_clone_reader().unwrap(), Arc::clone(&seen));
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = from.read(&mut bytes) {
                let mut seen = into.lock().unwrap();
                seen.screen.process(&bytes[..read]);
                seen.raw.extend_from_slice(&bytes[..read]);
            }
        });
        let keys = pair.master.take_writer().unwrap();
        Self { master: pair.master, child, keys, seen, reader: Some(reader) }
    }

    /// What is on the screen now, without blank lines at its end.
    pub(crate) fn screen(&self) -> String {
        self.seen.lock().unwrap().screen.screen().contents().trim_end().to_owned()
    }

    /// Everything that was written so far.
    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap().raw).into_owned()
    }

    /// Waits until the screen is as wanted, and gives it.
    pub(crate) async fn until(&self, wanted: impl Fn(&str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let screen = self.screen();
            if wanted(&screen) {
                return screen;
            }
            assert!(began.elapsed() < PATIENCE, "the screen stays\n{screen}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until this is on the screen.
    pub(crate) async fn shows(&self, text: &str) -> String {
        let began = Instant::now();
        loop {
            let screen = self.screen();
            if screen.contains(text) {
                return screen;
            }
            assert!(began.elapsed() < PATIENCE, "{text:?} does not come\n{screen}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Types keys.
    pub(crate) fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Makes the terminal larger or smaller.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.seen.lock().unwrap().screen.screen_mut().set_size(some(rows), some(columns));
        self.master.resize(size(columns, rows)).unwrap();
    }

    /// Waits for the program's end; its exit code and the last screen.
    pub(crate) async fn end(mut self) -> (u32, String) {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "the program does not end:\n{}", self.screen());
            tokio::time::sleep(LOOK).await;
        };
        self.reader.take().unwrap().join().unwrap();
        (status.exit_code(), self.screen())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that failed in the middle must not leave its program behind.
        if self.reader.is_some() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

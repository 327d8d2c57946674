//! Programs that tests start: to their end within a time, or in the background.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{Read, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

/// How often something is looked at that nobody tells us of.
const LOOK: Duration = Duration::from_millis(20);

/// A program, not started yet; it sees nothing of the tests' environment but what is named here.
#[expect(clippy::disallowed_methods, reason = "the rule is for the product; tests start it")]
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    for name in ["PATH", "HOME", "DOCKER_HOST"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// How a program ended, and all it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Fails with what was said unless it exited with `code`.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        let (out, err) = (self.text(), &self.stderr);
        let end = &out[out.floor_char_boundary(out.len().saturating_sub(8_000))..];
        assert_eq!(self.code, Some(code), "stdout ends:\n{end}\nstderr:\n{err}");
        self
    }
}

/// Runs a program to its end, which must come within `most`.
pub(crate) fn run(command: &mut Command, input: Vec<u8>, most: Duration) -> Ran {
    start(command, input).end(most)
}

/// A program whose output is taken while it runs.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// What it has written so far.
    said: Arc<Mutex<Vec<u8>>>,
    stdout: Option<thread::JoinHandle<Vec<u8>>>,
    stderr: Option<thread::JoinHandle<Vec<u8>>>,
}

/// Starts a program.
pub(crate) fn start(command: &mut Command, input: Vec<u8>) -> Running {
    fn all(
        mut from: impl Read + Send + 'static,
        said: Arc<Mutex<Vec<u8>>>,
    ) -> thread::JoinHandle<Vec<u8>> {
        thread::spawn(move || {
            let mut part = vec![0; 64 << 10];
            loop {
                match from.read(&mut part).unwrap() {
                    0 => break,
                    read => said.lock().unwrap().extend_from_slice(&part[..read]),
                }
            }
            std::mem::take(&mut *said.lock().unwrap())
        })
    }
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    // A program that ends without reading all of it says why by itself.
    thread::spawn(move || drop(stdin.write_all(&input)));
    let said = Arc::<Mutex<_>>::default();
    let stdout = child.stdout.take().map(|from| all(from, Arc::clone(&said)));
    let stderr = child.stderr.take().map(|from| all(from, Arc::default()));
    Running { child, said, stdout, stderr }
}

impl Running {
    /// Waits until it has written this.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) {
        let has =
            || String::from_utf8_lossy(&self.said.lock().unwrap()).contains(text).then_some(());
        assert!(eventually(Duration::from_mins(1), has).is_some(), "it does not say {text:?}");
    }

    /// Waits for its end, which must come within `most`.
    pub(crate) fn end(mut self, most: Duration) -> Ran {
        let ended = eventually(most, || self.child.try_wait().unwrap());
        if ended.is_none() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
        let stdout = self.stdout.take().unwrap().join().unwrap();
        let stderr = self.stderr.take().unwrap().join().unwrap();
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        let said = String::from_utf8_lossy(&stdout[stdout.len().saturating_sub(4_000)..]);
        let status = ended.unwrap_or_else(|| {
            panic!("it did not end within {most:?}; it said:\n{said}\n{stderr}")
        });
        Ran { code: status.code(), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server or an agent: a process group of its own, with its log in a file.
#[derive(Debug)]
pub(crate) struct Service {
    child: Child,
    log: PathBuf,
}

impl Service {
    pub(crate) fn start(command: &mut Command, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let child = command.process_group(0).spawn().unwrap();
        Self { child, log: log.to_owned() }
    }

    /// The number of the process, and of its group.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// All it logged, with what earlier ones logged into the same file.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// Waits until it has logged a line from which `read` gets something, after the first `skip`
    /// bytes.
    #[track_caller]
    pub(crate) fn logged<T>(&mut self, skip: usize, read: impl Fn(&str) -> Option<T>) -> T {
        let found = eventually(Duration::from_mins(1), || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("it ended with {status}:\n{}", self.log());
            }
            let log = self.log();
            // Only whole lines.
            let whole = log.rfind('\n').map_or("", |end| &log[..end]);
            whole.get(skip..).and_then(|text| text.lines().find_map(&read))
        });
        found.unwrap_or_else(|| panic!("it did not log what is waited for:\n{}", self.log()))
    }

    /// Asks it to stop, and waits until it has.
    #[track_caller]
    pub(crate) fn terminate(mut self) {
        let id = self.id().to_string();
        run(command("kill").args(["-TERM", &id]), Vec::new(), Duration::from_secs(5)).exits(0);
        let status = eventually(Duration::from_secs(45), || self.child.try_wait().unwrap());
        assert!(status.is_some_and(|status| status.success()), "{status:?}\n{}", self.log());
    }

    /// Ends it as a power cut does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `look` finds, as soon as it does; none if it does not within `most`.
pub(crate) fn eventually<T>(most: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + most;
    loop {
        // Looked at once more after the time is over: this thread may have waited for its turn.
        let last = Instant::now() >= end;
        if let Some(found) = look() {
            return Some(found);
        }
        if last {
            return None;
        }
        thread::sleep(LOOK);
    }
}

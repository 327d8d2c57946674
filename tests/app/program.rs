//! The program itself, run to its end, or in the background.

use std::process::{Output, Stdio};

use tokio::process::{Child, Command};

use crate::farm::PATIENCE;

/// kiln with these arguments, in a folder where nothing is, for this server; it sees nothing of the
/// tests' environment.
#[expect(clippy::disallowed_methods, reason = "the rule is for the product; tests start it")]
pub(crate) fn kiln(server: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
    command.args(arguments).env_clear().env("KILN_SERVER", server);
    // How full the machine is that the tests run on is none of their business.
    command.env("KILN_SERVER_MIN_FREE_BYTES", "0");
    command.env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

/// Runs it to its end.
pub(crate) async fn run(mut command: Command) -> Ran {
    end(command.spawn().unwrap()).await
}

/// Waits for its end.
pub(crate) async fn end(child: Child) -> Ran {
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    let Output { status, stdout, stderr } = output.expect("the program ends").unwrap();
    Ran { code: status.code(), out: stdout, err: String::from_utf8_lossy(&stderr).into_owned() }
}

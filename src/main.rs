//! kiln: parses the command line and hands over to the part that is meant.

use std::process::ExitCode;

use clap::Parser;
use kiln::{
    cli::{Cli, Command, Console, Exit},
    images::ImagesError,
    process,
    toolchain::UnknownToolchain,
};

fn main() -> ExitCode {
    // Before anything else: the helper process has no settings, no log and one thread.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == "source-helper") {
        return kiln::source::helper_main();
    }
    // A shell that completes a line asks here; nothing else is done then.
    kiln::cli::complete();
    let cli = Cli::parse();
    let exit = match cli.command {
        Command::Client(command) => {
            let mut console = Console::standard();
            runtime(kiln::cli::run(&cli.access, command, &mut console))
        }
        Command::SourceHelper => return kiln::source::helper_main(),
        Command::Serve(args) => part(process::serve(args)),
        Command::Agent(args) => part(process::agent(cli.access.server, args)),
        Command::Images(args) => part(process::images(args)),
        Command::Db(args) => part(process::db(args)),
    };
    ExitCode::from(exit.code())
}

/// Runs a part of the farm; what stops it is kiln's fault or the machine's, and said in full.
fn part(part: impl Future<Output = anyhow::Result<()>>) -> Exit {
    runtime(async {
        match part.await {
            Ok(()) => Exit::Success,
            Err(error) => {
                anstream::eprintln!("error: {error:#}");
                // A name that does not exist is the mistake of who typed it.
                let is_typed = error.is::<UnknownToolchain>()
                    || matches!(error.downcast_ref(), Some(ImagesError::Unknown(_)));
                if is_typed { Exit::Usage } else { Exit::Fault }
            }
        }
    })
}

/// Runs a command to its end. What it left behind must not hold it up: a read of a connection that
/// nobody waits for any more.
fn runtime(command: impl Future<Output = Exit>) -> Exit {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let exit = runtime.block_on(command);
            runtime.shutdown_background();
            exit
        }
        Err(error) => {
            anstream::eprintln!("error: cannot start: {error}");
            Exit::Fault
        }
    }
}

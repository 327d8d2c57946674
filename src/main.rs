//! kiln: parses the command line and hands over to the part that is meant.

use std::process::ExitCode;

use clap::Parser;
use kiln::cli::{Cli, Command, Console, Exit};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let exit = match cli.command {
        Command::Client(command) => {
            let mut console = Console::standard();
            runtime(kiln::cli::run(&cli.server, command, &mut console))
        }
        // The parts of the farm; wired where they are merged.
        Command::SourceHelper => not_wired("source-helper"), // kiln::source::helper_main()
        Command::Serve(_) => not_wired("serve"),
        Command::Agent(_) => not_wired("agent"),
        Command::Images(_) => not_wired("images"),
    };
    ExitCode::from(exit.code())
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

fn not_wired(command: &str) -> Exit {
    anstream::eprintln!("error: `kiln {command}` is not wired in this branch");
    Exit::Fault
}

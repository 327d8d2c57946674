//! kiln.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else: the helper process has no settings, no log and one thread.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == "source-helper") {
        return kiln::source::helper_main();
    }
    ExitCode::SUCCESS
}

//! Runs a client command and turns its end into an exit code.

use super::{CliError, ClientCommand, Console, Exit, commands};
use crate::client::Rest;

/// Runs `command` against the server at `server`.
pub async fn run(server: &str, command: ClientCommand, console: &mut Console) -> Exit {
    let waits = match &command {
        ClientCommand::Build(args) => !args.detach,
        ClientCommand::Retry(args) => args.wait,
        _ => false,
    };
    match dispatch(server, command, console).await {
        Ok(exit) => exit,
        // How the build ends is not known then, so it must not look like a success.
        Err(error) if error.is_closed_pipe() && waits => Exit::ClosedPipe,
        Err(error) if error.is_closed_pipe() => Exit::Success,
        Err(error) => {
            console.note(&format!("error: {}\n", super::sanitize::text(&error.to_string())));
            if let Some(hint) = error.hint() {
                console.note(&format!("  {hint}\n"));
            }
            error.exit()
        }
    }
}

async fn dispatch(
    server: &str,
    command: ClientCommand,
    console: &mut Console,
) -> Result<Exit, CliError> {
    let rest = || Rest::new(server, None).map_err(CliError::from);
    match command {
        ClientCommand::Build(args) => return commands::build(&rest()?, &args, console).await,
        ClientCommand::Retry(args) => return commands::retry(&rest()?, &args, console).await,
        ClientCommand::Builds(args) => commands::builds(&rest()?, &args, console).await?,
        ClientCommand::Show(args) => commands::show(&rest()?, &args, console).await?,
        ClientCommand::Log(args) => commands::log(&rest()?, &args, console).await?,
        ClientCommand::Artifacts(args) => commands::artifacts(&rest()?, &args, console).await?,
        ClientCommand::Cancel(args) => commands::cancel(&rest()?, &args, console).await?,
        ClientCommand::Toolchains(args) => commands::toolchains(&rest()?, &args, console).await?,
        ClientCommand::Agents(args) => commands::agents(&rest()?, &args, console).await?,
        ClientCommand::Completions(args) => commands::completions(&args, console)?,
        ClientCommand::Man => commands::man(console)?,
    }
    Ok(Exit::Success)
}

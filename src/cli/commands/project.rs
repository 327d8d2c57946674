//! `kiln project …`.

use serde_json::Value;

use super::say::say;
use crate::{
    cli::{
        CliError, Console,
        args::{ProjectArgs, ProjectCommand},
        render,
    },
    client::{Paths, Rest},
    model::{Clock as _, SystemClock},
    protocol::{ChangeProject, NewProject},
};

pub(in crate::cli) async fn project(
    rest: &Rest,
    args: &ProjectArgs,
    console: &mut Console,
) -> Result<(), CliError> {
    match &args.command {
        ProjectCommand::Add { name, url } => {
            let new = NewProject { name: Some(name.clone()), url: url.clone() };
            let added = rest.add_project(&new).await?;
            say(
                console,
                &match added.url {
                    Some(url) => format!("builds of {url} belong to {name} from now on"),
                    None => format!("uploads with --project {name} belong to it from now on"),
                },
            )
        }
        ProjectCommand::List { json: true } => {
            Ok(console.json(&rest.get::<Value>(&Paths::projects()).await?)?)
        }
        ProjectCommand::List { json: false } => {
            let page = rest.projects().await?;
            Ok(console.render(|out| render::projects(&page.items, SystemClock.now(), out))?)
        }
        ProjectCommand::Show { name, json: true } => {
            Ok(console.json(&rest.get::<Value>(&Paths::project(name)).await?)?)
        }
        ProjectCommand::Show { name, json: false } => {
            let one = [rest.project(name).await?];
            Ok(console.render(|out| render::projects(&one, SystemClock.now(), out))?)
        }
        ProjectCommand::Set { name, rename, url } => {
            let change = ChangeProject { name: rename.clone(), url: url.clone() };
            let project = rest.change_project(name, &change).await?;
            let url = project.url.as_deref().unwrap_or("no repository");
            say(console, &format!("the project is {} now: {url}", project.name))
        }
        ProjectCommand::Remove { name } => {
            rest.remove_project(name).await?;
            say(console, &format!("{name} is removed; its builds stay"))
        }
    }
}

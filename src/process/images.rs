//! `kiln images build` and `kiln images list`, on this machine's engine.

use crate::{
    cli::{ImagesArgs, ImagesCommand},
    images::{BuildCommand, Images, build_command, list_command},
    model::{Clock as _, SystemClock},
    sandbox::Engine,
    toolchain::Catalogue,
};

use super::setup;

/// Does what the command line says.
pub async fn images(args: ImagesArgs) -> anyhow::Result<()> {
    let setup = setup::read(None, None)?;
    let settings = setup.settings;
    let engine = Engine::connect(&settings.sandbox).await?;
    let mut catalogue = Catalogue::builtin().with_custom(settings.toolchains.images);
    if !settings.toolchains.default.is_empty() {
        catalogue = catalogue.with_defaults(settings.toolchains.default)?;
    }
    let images = Images::new(engine.docker().clone(), catalogue);
    let mut out = std::io::stdout();
    match args.command {
        ImagesCommand::Build { names, all } => {
            let command = BuildCommand { names, all, fresh: false, verbose: false };
            build_command(&images, &command, &mut out).await?;
        }
        ImagesCommand::List { json } => {
            list_command(&images, json, SystemClock.now(), &mut out).await?;
        }
    }
    Ok(())
}

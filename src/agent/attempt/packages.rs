//! The packages of a leg: its toolchain with them, and what the log says of it.

use super::{context::Context, leg::Leg, lines, report::Parts, trouble::Trouble};
use crate::{
    agent::ports::{PinnedToolchain, WithPackages},
    images::Made,
    model::PackageName,
};

/// How many installed packages the log names.
const SHOWN: usize = 60;

/// Gives the toolchain the packages of the recipe.
pub(super) async fn provide(
    cx: &Context,
    leg: Leg<'_>,
    pinned: PinnedToolchain,
    parts: &mut Parts,
) -> Result<PinnedToolchain, Trouble> {
    let packages = leg.recipe.packages.as_slice();
    if packages.is_empty() {
        return Ok(pinned);
    }
    let names: Vec<&str> = packages.iter().map(PackageName::as_str).collect();
    cx.log.say(format!("Packages: {}", names.join(", "))).await;
    let toolchains = &cx.deps.toolchains;
    let with = toolchains.with_packages(&pinned, (leg.toolchain, packages)).await?;
    cx.log.say(how(&with, cx)).await;
    if let Some(line) = installed(&with.installed) {
        cx.log.say(line).await;
    }
    parts.in_use = with.in_use;
    Ok(with.pinned)
}

fn how(with: &WithPackages, cx: &Context) -> String {
    let image = lines::short(&with.pinned.image.0);
    match with.made {
        Made::Now(took) => format!("Packages: image {image} made in {}", lines::seconds(took)),
        Made::Before(then) => {
            let age = lines::age(cx.deps.clock.now().since(then));
            format!("Packages: image {image} used again, made {age} ago")
        }
    }
}

fn installed(installed: &[String]) -> Option<String> {
    let (shown, more) = installed.split_at(installed.len().min(SHOWN));
    let more = match more.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!shown.is_empty()).then(|| format!("Installed: {}{more}", shown.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut() {
        assert_eq!(installed(&[]), None);
        let two = ["a 1".to_owned(), "b 2".to_owned()];
        assert_eq!(installed(&two).unwrap(), "Installed: a 1, b 2");
        let many = vec!["a 1".to_owned(); SHOWN + 2];
        assert!(installed(&many).unwrap().ends_with(", a 1 and 2 more"));
    }
}

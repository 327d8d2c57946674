//! From toolchain names to stages: what is made from what, in which order, and the digest of each.
//!
//! A digest covers the Dockerfile, the files it copies, its arguments and the digest of its parent,
//! and nothing of the machine. Pure.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::{
    model::ToolchainName,
    toolchain::{ImageSource, Recipe, Toolchain, file},
};

/// The label with the digest of what an image was made from.
pub(super) const RECIPE_LABEL: &str = "kiln.image.recipe";
/// The label with the kind of stage: `root`, `base`, `tools`, `index`, `toolchain` or `packages`.
pub(super) const STAGE_LABEL: &str = "kiln.image.stage";
/// The label of a root file system that says where it came from.
pub(super) const ORIGIN_LABEL: &str = "kiln.image.origin";
/// The label with the toolchain's name.
pub(super) const TOOLCHAIN_LABEL: &str = "kiln.image.toolchain";
/// The label with what the compiler says of its version.
pub(super) const COMPILER_LABEL: &str = "kiln.image.compiler";

/// Where a root file system came from; part of its digest, as the two differ in content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    /// An image registry's official slim image.
    Registry,
    /// Made here from Debian's packages.
    Packages,
}

/// One image to be made with a Dockerfile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Stage {
    /// Its reference.
    pub(super) image: String,
    /// `base`, `tools`, `index` or `toolchain`.
    pub(super) kind: &'static str,
    /// The reference of the image it is made from, and the argument that names it.
    pub(super) parent: (&'static str, String),
    /// Debian release.
    pub(super) release: String,
    /// The Dockerfile's text.
    pub(super) dockerfile: &'static str,
    /// Files for its context: path and text.
    pub(super) files: Vec<(String, &'static str)>,
    /// Build arguments besides the parent.
    pub(super) args: BTreeMap<String, String>,
    /// The toolchain, in the last stage.
    pub(super) toolchain: Option<ToolchainName>,
    /// The digest of what it is made from.
    pub(super) recipe: String,
}

impl Origin {
    /// As it stands in a label.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Packages => "packages",
        }
    }

    /// From a label.
    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Registry, Self::Packages].into_iter().find(|origin| origin.name() == text)
    }
}

/// The reference of a release's root file system.
pub(super) fn root_image(release: &str) -> String {
    format!("kiln/root:{release}")
}

/// The reference of a release's base.
pub(super) fn base_image(release: &str) -> String {
    format!("kiln/base:{release}")
}

/// The digest of a release's root file system. The number changes when the way it is made does.
pub(super) fn root_recipe(release: &str, origin: Origin) -> String {
    digest(&["root", "1", release, origin.name()])
}

/// The releases whose roots the toolchains need. The holder's is always among them.
pub(super) fn releases<'a>(
    toolchains: impl IntoIterator<Item = &'a Toolchain>,
    holder: &str,
) -> BTreeSet<String> {
    let of = |toolchain: &Toolchain| match &toolchain.source {
        ImageSource::Recipe(recipe) => Some(recipe.release.clone()),
        ImageSource::Reference(_) => None,
    };
    toolchains.into_iter().filter_map(of).chain([holder.to_owned()]).collect()
}

/// The stages that all toolchains of a release share.
pub(super) fn shared_stages(release: &str, origin: Origin) -> [Stage; 2] {
    let base = stage(
        ("base", base_image(release)),
        (("ROOT", root_image(release)), &root_recipe(release, origin)),
        release,
        "base.Dockerfile",
    );
    let tools = stage(
        ("tools", format!("kiln/tools:{release}")),
        (("PARENT", base.image.clone()), &base.recipe),
        release,
        "tools.Dockerfile",
    );
    [base, tools]
}

/// The reference of a release's package index.
pub(super) fn index_image(release: &str) -> String {
    format!("kiln/index:{release}")
}

/// The stage of a release's package index, which no other is made from.
pub(super) fn index_stage(release: &str, origin: Origin) -> Stage {
    let [base, _] = shared_stages(release, origin);
    let mut index = stage(
        ("index", index_image(release)),
        (("PARENT", base.image.clone()), &base.recipe),
        release,
        "index.Dockerfile",
    );
    index.files = ["package-index.sh"].map(|name| (name.to_owned(), text(name))).into();
    index.recipe = index.digest(&base.recipe);
    index
}

/// The last stage of a toolchain.
pub(super) fn toolchain_stage(toolchain: &Toolchain, recipe: &Recipe, origin: Origin) -> Stage {
    let [_, tools] = shared_stages(&recipe.release, origin);
    let mut last = stage(
        ("toolchain", toolchain.image()),
        (("PARENT", tools.image), &tools.recipe),
        &recipe.release,
        &recipe.dockerfile,
    );
    last.files = recipe.files.iter().map(|name| (name.clone(), text(name))).collect();
    last.args = recipe.args.clone();
    last.toolchain = Some(toolchain.name.clone());
    last.recipe = last.digest(&tools.recipe);
    last
}

fn stage(
    (kind, image): (&'static str, String),
    (parent, parent_recipe): ((&'static str, String), &str),
    release: &str,
    dockerfile: &str,
) -> Stage {
    let mut stage = Stage {
        image,
        kind,
        parent,
        release: release.to_owned(),
        dockerfile: text(dockerfile),
        files: Vec::new(),
        args: BTreeMap::new(),
        toolchain: None,
        recipe: String::new(),
    };
    stage.recipe = stage.digest(parent_recipe);
    stage
}

fn text(name: &str) -> &'static str {
    file(name).expect("the catalogue names only files that are there")
}

impl Stage {
    fn digest(&self, parent_recipe: &str) -> String {
        let mut parts = vec![self.kind, parent_recipe, self.dockerfile];
        parts.extend(self.files.iter().flat_map(|(name, text)| [name.as_str(), text]));
        parts.extend(self.args.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]));
        digest(&parts)
    }
}

/// SHA-256 over the parts, each with its length before it, so that no two lists are alike.
pub(super) fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::Catalogue;

    fn last(name: &str, origin: Origin) -> Stage {
        let catalogue = Catalogue::builtin();
        let toolchain = catalogue.get(&name.parse().unwrap()).unwrap();
        let ImageSource::Recipe(recipe) = &toolchain.source else { panic!("{name}") };
        toolchain_stage(toolchain, recipe, origin)
    }

    #[test]
    fn every_toolchain_has_a_digest_of_its_own() {
        let catalogue = Catalogue::builtin();
        let digests: BTreeSet<String> = catalogue
            .names()
            .flat_map(|name| {
                [Origin::Registry, Origin::Packages].map(|o| last(name.as_str(), o).recipe)
            })
            .collect();
        assert_eq!(digests.len(), 2 * catalogue.names().count());
    }

    #[test]
    fn a_change_anywhere_below_changes_the_digest() {
        let stage = last("musl", Origin::Packages);
        let check = |change: fn(&mut Stage)| {
            let mut changed = stage.clone();
            change(&mut changed);
            assert_ne!(changed.digest("parent"), stage.digest("parent"));
        };
        assert_ne!(stage.digest("parent"), stage.digest("other"));
        check(|stage| stage.dockerfile = "FROM scratch");
        check(|stage| stage.files[0].1 = "");
        check(|stage| drop(stage.files.pop()));
        check(|stage| drop(stage.args.insert("VERSION".to_owned(), "15".to_owned())));
    }

    #[test]
    fn the_parts_of_a_digest_do_not_run_into_each_other() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
    }

    #[test]
    fn toolchains_of_a_release_share_all_stages_but_the_last() {
        let [base, tools] = shared_stages("trixie", Origin::Packages);
        assert_eq!(tools.parent.1, base.image);
        for name in ["gcc:14", "clang:19", "mingw64"] {
            assert_eq!(last(name, Origin::Packages).parent.1, tools.image);
        }
        assert_eq!(last("gcc:11", Origin::Packages).parent.1, "kiln/tools:bookworm");
    }

    #[test]
    fn the_holders_release_is_always_needed() {
        let catalogue = Catalogue::builtin();
        let gcc11 = catalogue.get(&"gcc:11".parse().unwrap());
        let needed = releases(gcc11, "trixie");
        assert_eq!(needed.into_iter().collect::<Vec<_>>(), ["bookworm", "trixie"]);
    }
}

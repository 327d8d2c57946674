//! What to say to somebody whose build lacks something: the package that has it, from the index.

use std::collections::HashSet;

use super::find::{System, Wanted, find};
use crate::{
    images::{Images, ImagesError},
    model::{PackageName, ToolchainName},
    sandbox::ImageId,
    toolchain::PackageTarget,
};

/// How many other packages are named.
const OTHERS: usize = 3;

/// What is lacking, and where.
#[derive(Clone, Copy, Debug)]
pub struct Lacking<'a> {
    /// The thing.
    pub wanted: Wanted<'a>,
    /// The toolchain.
    pub toolchain: &'a ToolchainName,
    /// The image the build ran in.
    pub image: &'a ImageId,
    /// The packages the recipe names.
    pub packages: &'a [PackageName],
}

/// The answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lacks {
    /// A sentence.
    pub sentence: String,
    /// The packages that have it, the most fitting first.
    pub packages: Vec<String>,
}

/// What is known when the sentence is made.
struct Known<'a> {
    release: Option<&'a str>,
    target: PackageTarget,
    has_index: bool,
    installed: &'a HashSet<String>,
}

impl Images {
    /// Names what is missing and, where an index of the release is here, what to do about it.
    pub async fn lacks(&self, lacking: &Lacking<'_>) -> Result<Lacks, ImagesError> {
        let toolchain = self.catalogue.require(lacking.toolchain)?;
        let (release, target) = (toolchain.release(), toolchain.package_target());
        let index = match release {
            Some(release) => self.index(release).await?,
            None => None,
        };
        let has_index = index.is_some();
        let system = match target {
            PackageTarget::Windows => System::Windows,
            _ => System::Debian,
        };
        let packages = match index {
            None => Vec::new(),
            Some(_) if is_beyond(target, lacking.wanted) => Vec::new(),
            Some(index) => find(&index, lacking.wanted, system).packages,
        };
        let installed = self.installed(&lacking.image.0).await?;
        let known = Known { release, target, has_index, installed: &installed };
        Ok(Lacks { sentence: sentence(lacking, &packages, &known), packages })
    }
}

/// Whether no package can have it: Debian has no libraries for musl.
fn is_beyond(target: PackageTarget, wanted: Wanted<'_>) -> bool {
    let runs_here = matches!(
        wanted,
        Wanted::Program(_) | Wanted::PythonModule(_) | Wanted::PerlModule(_) | Wanted::Macro(_)
    );
    target == PackageTarget::Musl && !runs_here
}

fn sentence(lacking: &Lacking<'_>, packages: &[String], known: &Known<'_>) -> String {
    let name: String =
        lacking.wanted.name().chars().filter(|c| !c.is_control()).take(120).collect();
    let name = match lacking.wanted {
        Wanted::Library(_) => format!("the library {name}"),
        _ => name,
    };
    if is_beyond(known.target, lacking.wanted) {
        return format!(
            "{name} is missing; Debian has no libraries for musl: add its source to the project, \
             or take another toolchain"
        );
    }
    let is_there = |package: &&String| {
        let for_target = match known.target {
            PackageTarget::Architecture(architecture) => {
                known.installed.contains(&format!("{package}:{architecture}"))
                    || known.installed.contains(&format!("{package}:all"))
            }
            _ => known.installed.contains(*package),
        };
        for_target || lacking.packages.iter().any(|asked| asked.name() == package.as_str())
    };
    match (packages, known.release) {
        ([], Some(release)) if known.has_index => {
            format!("{name} is missing, and no package of Debian {release} has it")
        }
        ([], _) => format!("{name} is missing"),
        ([first, others @ ..], _) => match packages.iter().find(is_there) {
            Some(package) => format!(
                "{name} is missing, although {package}, which has it, is installed: the build looks \
                 for it elsewhere"
            ),
            None => format!("{name} is missing; add packages = [\"{first}\"]{}", also(others)),
        },
    }
}

fn also(others: &[String]) -> String {
    let (shown, more) = others.split_at(others.len().min(OTHERS));
    match (shown, more.len()) {
        ([], _) => String::new(),
        (shown, 0) => format!(" (or {})", shown.join(", ")),
        (shown, more) => format!(" (or {} and {more} more)", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        (wanted, target): (Wanted<'_>, PackageTarget),
        packages: &[&str],
        installed: &[&str],
        expected: &str,
    ) {
        let asked = ["libasked-dev".parse().unwrap()];
        let lacking = Lacking {
            wanted,
            toolchain: &"gcc:14".parse().unwrap(),
            image: &ImageId(String::new()),
            packages: &asked,
        };
        let installed = installed.iter().map(|&name| name.to_owned()).collect();
        let known =
            Known { release: Some("trixie"), target, has_index: true, installed: &installed };
        let packages: Vec<String> = packages.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(sentence(&lacking, &packages, &known), expected);
    }

    #[test]
    fn the_package_is_named_and_what_is_there_already_is_said() {
        use PackageTarget::{Architecture, Musl, Native};
        let header = Wanted::Header("event2/event.h");
        check(
            (header, Native),
            &["libevent-dev"],
            &["libc6"],
            r#"event2/event.h is missing; add packages = ["libevent-dev"]"#,
        );
        check(
            (header, Native),
            &["a-dev", "b-dev", "c-dev", "d-dev", "e-dev"],
            &[],
            r#"event2/event.h is missing; add packages = ["a-dev"] (or b-dev, c-dev, d-dev and 1 more)"#,
        );
        let there = "event2/event.h is missing, although libevent-dev, which has it, is installed: \
                     the build looks for it elsewhere";
        check((header, Native), &["libevent-dev"], &["libevent-dev"], there);
        check(
            (header, Architecture("arm64")),
            &["libevent-dev"],
            &["libevent-dev", "libevent-dev:amd64"],
            r#"event2/event.h is missing; add packages = ["libevent-dev"]"#,
        );
        check((header, Architecture("arm64")), &["libevent-dev"], &["libevent-dev:arm64"], there);
        check(
            (Wanted::Library("asked"), Native),
            &["libasked-dev"],
            &[],
            "the library asked is missing, although libasked-dev, which has it, is installed: the \
             build looks for it elsewhere",
        );
        check(
            (Wanted::Dependency("nowhere"), Native),
            &[],
            &[],
            "nowhere is missing, and no package of Debian trixie has it",
        );
        check(
            (header, Musl),
            &[],
            &[],
            "event2/event.h is missing; Debian has no libraries for musl: add its source to the \
             project, or take another toolchain",
        );
    }
}

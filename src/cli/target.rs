//! What a command is about: a build, a job, a leg of a build, or a revision.
//!
//! Builds and jobs have ids of one form, so that nobody has to say which it is: the server is
//! asked for a build first, then for a job.

use super::CliError;
use crate::{
    client::{ClientError, Rest},
    model::{BuildId, Revision, ToolchainName, nearest},
    protocol::{Build, Job, JobSummary},
};

const EXAMPLE: &str = "01KB0Q6M3V8W2T5XJ4C9ZR7HND";

/// What was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A build or a job, and of a build perhaps one toolchain.
    Id(String, Option<ToolchainName>),
    /// A commit or an uploaded tree, and perhaps one toolchain.
    Revision(Revision, Option<ToolchainName>),
}

/// What the server knows by that name.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// A build.
    Build(Box<Build>),
    /// A job.
    Job(Box<Job>),
}

impl Target {
    /// `ID`, `BUILD/TOOLCHAIN`, `REVISION` or `REVISION/TOOLCHAIN`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (head, toolchain) = match text.split_once('/') {
            Some((head, toolchain)) => {
                (head, Some(toolchain.parse().map_err(|error| format!("{error}"))?))
            }
            None => (text, None),
        };
        if let Ok(revision) = head.parse::<Revision>() {
            return Ok(Self::Revision(revision, toolchain));
        }
        // Ids are typed off a screen now and then: upper case is the canonical form.
        let id = head.to_ascii_uppercase();
        match id.parse::<BuildId>() {
            Ok(_) => Ok(Self::Id(id, toolchain)),
            Err(_) => Err(format!(
                "{head:?} is no id of a build or a job (26 letters and digits, as {EXAMPLE}), no \
                 commit (40 hexadecimal digits) and no tree (tree- and 64 of them); `kiln builds` \
                 lists builds"
            )),
        }
    }

    /// Like [`Self::parse`], but no revision.
    pub(super) fn parse_id(text: &str) -> Result<Self, String> {
        match Self::parse(text)? {
            Self::Revision(..) => {
                Err("this is a commit or a tree: give the id of a build or a job; \
                 `kiln builds --commit COMMIT` lists them"
                    .to_owned())
            }
            id @ Self::Id(..) => Ok(id),
        }
    }

    /// Asks the server for it.
    pub(super) async fn find(&self, rest: &Rest) -> Result<Found, CliError> {
        let Self::Id(id, toolchain) = self else {
            return Err(CliError::Usage("give the id of a build or a job".to_owned()));
        };
        let parse = "an id was parsed before";
        match rest.build(id.parse().expect(parse)).await {
            Ok(build) => match toolchain {
                None => Ok(Found::Build(Box::new(build))),
                Some(toolchain) => {
                    let leg = leg(&build, toolchain)?;
                    Ok(Found::Job(Box::new(rest.job(leg.id).await?)))
                }
            },
            Err(error) if is_absent(&error) => match rest.job(id.parse().expect(parse)).await {
                Ok(_) if toolchain.is_some() => Err(CliError::Usage(format!(
                    "{id} is a job, which has one toolchain: name it without"
                ))),
                Ok(job) => Ok(Found::Job(Box::new(job))),
                Err(error) if is_absent(&error) => Err(CliError::Usage(format!(
                    "there is no build and no job {id}; `kiln builds` lists builds"
                ))),
                Err(error) => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }
}

/// The jobs of a build that count: the newest of each leg.
pub(super) fn newest_legs(build: &Build) -> impl Iterator<Item = &JobSummary> {
    build.jobs.iter().filter(|job| !job.retried)
}

/// The newest job of a build with this toolchain.
pub(super) fn leg<'a>(
    build: &'a Build,
    toolchain: &ToolchainName,
) -> Result<&'a JobSummary, CliError> {
    newest_legs(build)
        .find(|job| job.toolchain.as_ref() == Some(toolchain))
        .ok_or_else(|| no_leg(build, toolchain))
}

fn no_leg(build: &Build, toolchain: &ToolchainName) -> CliError {
    let names: Vec<&str> = newest_legs(build)
        .filter_map(|job| job.toolchain.as_ref().map(ToolchainName::as_str))
        .collect();
    CliError::Usage(match &names[..] {
        [] => format!("build {} has no jobs yet", build.id),
        names => {
            let meant = nearest(toolchain.as_str(), names.iter().copied());
            let meant = meant.map_or_else(String::new, |meant| format!(" (did you mean {meant}?)"));
            let names = names.join(", ");
            format!("build {} has no job with {toolchain}{meant}, only {names}", build.id)
        }
    })
}

fn is_absent(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused { status: 404, .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_told_apart_by_their_form() {
        let ulid = "01KB0Q6M3V8W2T5XJ4C9ZR7HND";
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let gcc: ToolchainName = "gcc:14".parse().unwrap();
        let id = Target::Id(ulid.to_owned(), None);
        assert_eq!(Target::parse(ulid), Ok(id.clone()));
        assert_eq!(Target::parse(&ulid.to_lowercase()), Ok(id));
        assert_eq!(
            Target::parse(&format!("{ulid}/gcc:14")),
            Ok(Target::Id(ulid.to_owned(), Some(gcc.clone())))
        );
        assert_eq!(
            Target::parse(&format!("{commit}/gcc:14")),
            Ok(Target::Revision(commit.parse().unwrap(), Some(gcc)))
        );
        let tree = format!("tree-{}", "0123456789abcdef".repeat(4));
        assert_eq!(Target::parse(&tree), Ok(Target::Revision(tree.parse().unwrap(), None)));
        assert!(Target::parse_id(commit).is_err());
        assert!(Target::parse_id(&tree).is_err());
        for bad in ["", "main", "/gcc:14", "01KB/../x", &ulid[1..], &format!("{ulid}/")] {
            assert!(Target::parse(bad).is_err(), "{bad:?}");
        }
    }
}

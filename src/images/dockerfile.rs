//! One Dockerfile through the engine's builder: context in, progress out, labels and a tag on it.
//!
//! The engine's first builder is used: every engine has it, and it needs no session beside the call.
//! Builds have the engine's default network; where that leads nowhere, the host's.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    io,
    time::Duration,
};

use bollard::{body_full, query_parameters::BuildImageOptionsBuilder};
use futures_util::StreamExt as _;

use super::{
    BuildStep, Images, ImagesError,
    engine::{STAGE_DEADLINE, look},
};

/// The lines of a failed build that its error shows.
const TAIL_LINES: usize = 25;
/// The longest line that is waited for.
const MOST_LINE: usize = 8 << 10;
/// The longest silence of a build: apt gives up on a dead mirror earlier.
const SILENCE: Duration = Duration::from_mins(10);
/// What a build writes when the network it has leads nowhere.
const UNREACHABLE: &[&str] =
    &["Temporary failure resolving", "Could not resolve", "Could not connect", "Failed to fetch"];

/// What to build.
#[derive(Clone, Debug, Default)]
pub(super) struct Build {
    /// The reference it gets.
    pub(super) image: String,
    /// The Dockerfile.
    pub(super) dockerfile: String,
    /// Other files of the context: path and text.
    pub(super) files: Vec<(String, String)>,
    /// Build arguments.
    pub(super) args: BTreeMap<String, String>,
    /// Labels.
    pub(super) labels: BTreeMap<&'static str, String>,
    /// Whether the steps need packages.
    pub(super) network: bool,
    /// Whether steps that were run before are run again.
    pub(super) fresh: bool,
}

impl Images {
    /// Builds, with a second try on the host's network; the id of what was built, where the engine
    /// says it.
    pub(super) async fn build_dockerfile(
        &self,
        build: &Build,
        report: &mut (dyn FnMut(BuildStep) + Send),
    ) -> Result<Option<String>, ImagesError> {
        if !build.network {
            return self.build_once(build, "none", report).await;
        }
        match self.build_once(build, "default", report).await {
            Err(ImagesError::Build { image, output, .. })
                if UNREACHABLE.iter().any(|sign| output.contains(sign)) =>
            {
                tracing::warn!(
                    image.name = image,
                    "containers cannot reach the package mirror over the engine's default \
                     network; building over the host's network"
                );
                report(BuildStep::Started("again, over the host's network".to_owned()));
                self.build_once(build, "host", report).await
            }
            other => other,
        }
    }

    /// Gives an image labels and a reference, by a build that adds nothing else.
    pub(super) async fn label(
        &self,
        id: &str,
        image: &str,
        labels: BTreeMap<&'static str, String>,
    ) -> Result<(), ImagesError> {
        let build = Build {
            image: image.to_owned(),
            dockerfile: format!("FROM {id}\n"),
            labels,
            ..Build::default()
        };
        self.build_dockerfile(&build, &mut |_| ()).await.map(|_| ())
    }

    /// The id behind a reference, if there is one.
    pub(super) async fn id(&self, image: &str) -> Result<Option<String>, ImagesError> {
        let doing = format!("inspect {image}");
        let inspected = look(&doing, self.docker.inspect_image(image)).await?;
        Ok(inspected.and_then(|inspected| inspected.id))
    }

    /// The labels of an image, if it is there.
    pub(super) async fn labels(
        &self,
        image: &str,
    ) -> Result<Option<HashMap<String, String>>, ImagesError> {
        let doing = format!("inspect {image}");
        let inspected = look(&doing, self.docker.inspect_image(image)).await?;
        Ok(inspected.map(|image| image.config.and_then(|it| it.labels).unwrap_or_default()))
    }

    async fn build_once(
        &self,
        build: &Build,
        network: &str,
        report: &mut (dyn FnMut(BuildStep) + Send),
    ) -> Result<Option<String>, ImagesError> {
        let labels: HashMap<&str, &str> =
            build.labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let args: HashMap<&str, &str> =
            build.args.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let options = BuildImageOptionsBuilder::new()
            .dockerfile("Dockerfile")
            .t(&build.image)
            .rm(true)
            .forcerm(true)
            .nocache(build.fresh)
            .networkmode(network)
            .buildargs(&args)
            .labels(&labels)
            .build();
        let context =
            context(build).map_err(|error| ImagesError::engine("pack a context", &error))?;
        let docker = self.docker.clone().with_timeout(STAGE_DEADLINE);
        let mut events = docker.build_image(options, None, Some(body_full(context.into())));
        let (mut tail, mut id, mut begun) = (VecDeque::new(), None, String::new());
        let failed = |problem: String, tail: VecDeque<String>| ImagesError::Build {
            image: build.image.clone(),
            problem,
            output: Vec::from(tail).join("\n"),
        };
        let deadline = tokio::time::Instant::now() + STAGE_DEADLINE;
        loop {
            let until = deadline.min(tokio::time::Instant::now() + SILENCE);
            let event = match tokio::time::timeout_at(until, events.next()).await {
                Ok(None) => return Ok(id),
                Ok(Some(Ok(event))) => event,
                Ok(Some(Err(error))) => return Err(failed(error.to_string(), tail)),
                Err(_) => return Err(failed("it took too long".to_owned(), tail)),
            };
            id = event.aux.and_then(|aux| aux.id).or(id);
            for line in whole_lines(&mut begun, &event.stream.unwrap_or_default()) {
                let line = line.as_str();
                if tail.len() == TAIL_LINES {
                    tail.pop_front();
                }
                tail.push_back(line.to_owned());
                report(step(line));
            }
        }
    }
}

/// The lines that are whole with this text; what is left of it waits for the rest. The engine cuts what
/// a step writes where it likes.
fn whole_lines(begun: &mut String, text: &str) -> Vec<String> {
    begun.push_str(text);
    let end = begun.rfind(['\n', '\r']).map_or(0, |at| at + 1);
    let end = if begun.len() - end > MOST_LINE { begun.len() } else { end };
    let whole: String = begun.drain(..end).collect();
    let lines = whole.split(['\n', '\r']).map(str::trim_end).filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

/// `Step 3/4 : RUN …` begins a step if it can take time, everything else is output.
fn step(line: &str) -> BuildStep {
    match line.strip_prefix("Step ").and_then(|rest| rest.split_once(" : ")) {
        Some((number, what)) if ["FROM ", "RUN ", "COPY "].iter().any(|w| what.starts_with(w)) => {
            let what: String = what.split_whitespace().collect::<Vec<_>>().join(" ");
            BuildStep::Step(format!("{number} {}", what.chars().take(72).collect::<String>()))
        }
        _ => BuildStep::Output(line.to_owned()),
    }
}

fn context(build: &Build) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let dockerfile = ("Dockerfile".to_owned(), build.dockerfile.clone());
    for (path, text) in [dockerfile].iter().chain(&build.files) {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, text.as_bytes())?;
    }
    tar.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_builders_lines_become_steps_and_output() {
        let check = |line: &str, expected: BuildStep| assert_eq!(step(line), expected);
        check("Step 2/4 : FROM  x", BuildStep::Step("2/4 FROM x".to_owned()));
        check(" ---> 4b9a", BuildStep::Output(" ---> 4b9a".to_owned()));
        let label = "Step 3/4 : LABEL a=b";
        check(label, BuildStep::Output(label.to_owned()));
        check("Step by step", BuildStep::Output("Step by step".to_owned()));
    }

    #[test]
    fn lines_are_whole_however_the_engine_cuts_them() {
        let mut begun = String::new();
        let mut all = Vec::new();
        for text in ["one\ntw", "o", "\n\n10%\r20%\r", "three"] {
            all.extend(whole_lines(&mut begun, text));
        }
        assert_eq!(all, ["one", "two", "10%", "20%"]);
        assert_eq!(begun, "three");
        assert_eq!(whole_lines(&mut begun, &"x".repeat(MOST_LINE)).len(), 1);
    }

    #[test]
    fn a_context_holds_the_dockerfile_and_the_files() {
        let files = vec![("apt/kiln.conf".to_owned(), "text".to_owned())];
        let build = Build { dockerfile: "FROM x".to_owned(), files, ..Build::default() };
        let bytes = context(&build).unwrap();
        let mut tar = tar::Archive::new(bytes.as_slice());
        let paths: Vec<String> = tar
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(paths, ["Dockerfile", "apt/kiln.conf"]);
    }
}

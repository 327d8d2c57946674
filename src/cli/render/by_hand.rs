//! A job as a few lines of shell that do the same with `git` and `docker run`.
//!
//! Everything that a stranger wrote is one quoted word of the shell, and control characters are
//! refused: the lines are made to be pasted into a terminal.

use std::fmt::Write as _;

use crate::{
    cli::{CliError, quote::quote, render::label, sanitize},
    protocol::{AttemptView, Build, BuildSource, Job, SandboxView, StepView},
};

/// The lines, for the newest attempt that ran in a container.
pub(in crate::cli) fn by_hand(build: &Build, job: &Job) -> Result<String, CliError> {
    let ran = job.attempts.iter().rev().find_map(|attempt| {
        let sandbox = attempt.sandbox.as_ref()?;
        (!sandbox.options.is_empty() && !attempt.steps.is_empty()).then_some((attempt, sandbox))
    });
    let Some((attempt, sandbox)) = ran else {
        return Err(CliError::Usage(format!(
            "job {} has run no step in a container so far, so there is nothing to repeat by hand",
            job.summary.id
        )));
    };
    let folder = format!("kiln-{}", job.summary.id);
    let epoch = sandbox.environment.get("SOURCE_DATE_EPOCH").map_or("0", String::as_str);
    let mut text = head(job, attempt, sandbox);
    text.push_str(&source(build, job, &folder)?);
    let _ = write!(
        text,
        "tar -C \"$tree\" --mtime={} --owner=0 --group=0 -cf - . |\n  docker run",
        quote(&format!("@{epoch}"))
    );
    for option in &sandbox.options {
        let _ = write!(text, " \\\n    {}", word(option)?);
    }
    for (name, value) in &sandbox.environment {
        let _ = write!(text, " \\\n    --env={}", word(&format!("{name}={value}"))?);
    }
    let _ = write!(
        text,
        " \\\n    {} timeout -s KILL {} /bin/sh -c {} \\\n  > {folder}.tar\n",
        word(&sandbox.image)?,
        job.limits.wall_seconds,
        quote(&script(&attempt.steps)),
    );
    Ok(text)
}

fn head(job: &Job, attempt: &AttemptView, sandbox: &SandboxView) -> String {
    let (id, leg) = (job.summary.id, label(&job.summary));
    let compiler = sanitize::text(&sandbox.compiler);
    format!(
        "# Job {id} ({leg}), attempt {number}, by hand: the same source, image, environment, steps,\n\
         # bounds and hardening. What the steps write comes on the error output; all files that are\n\
         # there in the end come as kiln-{id}.tar. The exit status is that of the steps.\n\
         # The image ({compiler}) is on the machine of agent {agent}.\n\
         # Other than in kiln, the engine's own list of system calls applies.\n",
        number = attempt.number,
        agent = attempt.agent,
    )
}

/// Lines that make a folder with the source, or name the one there is.
fn source(build: &Build, job: &Job, folder: &str) -> Result<String, CliError> {
    let git = match &build.source {
        BuildSource::Git(git) => git,
        BuildSource::Upload(upload) => {
            return Ok(format!(
                "# The source was a working tree, {}: KILN_TREE is to name its folder.\n\
                 tree=\"${{KILN_TREE:?is to name the folder that was sent}}\"\n",
                upload.upload
            ));
        }
    };
    let (url, commit) = (word(&git.url)?, &job.commit);
    Ok(format!(
        "tree={folder}\n\
         git clone --quiet --no-checkout {url} \"$tree\" &&\n\
         git -C \"$tree\" -c core.autocrlf=false checkout --quiet --detach {commit} &&\n\
         if [ -f \"$tree/.gitmodules\" ]; then git -C \"$tree\" submodule --quiet update --init \
         --recursive; fi &&\n"
    ))
}

/// What runs in the container. A step that failed and was followed by another did not end the
/// build then, and does not now.
fn script(steps: &[StepView]) -> String {
    let mut script =
        "\ncd /workspace && mkdir -p \"$HOME\" src && cd src && tar -xf - && exec 3>&1 >&2 || exit 125\n\
         s=0\n\
         step() { [ \"$s\" = 0 ] || return 0; /bin/sh -e -c \"$1\" </dev/null; s=$?; }\n"
            .to_owned();
    for (index, step) in steps.iter().enumerate() {
        let _ = writeln!(script, "step {}", quote(&step.run));
        let failed = step.exit_code.is_some_and(|code| code != 0);
        if failed && index + 1 < steps.len() {
            script.push_str("s=0\n");
        }
    }
    script.push_str("tar --exclude=./.git -cf - . >&3\nexit \"$s\"\n");
    script
}

/// A word of the shell, which must not do anything to the terminal it is pasted into.
fn word(text: &str) -> Result<String, CliError> {
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err(CliError::Usage(
            "the job's environment or source has control characters in it, which cannot be written \
             as a line of shell"
                .to_owned(),
        ));
    }
    Ok(quote(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::fixtures, protocol::GitSource};

    #[test]
    fn every_text_of_others_is_one_word() {
        let (mut build, mut job) = (fixtures::build(), fixtures::jobs().remove(1));
        let attempt = job.attempts.last_mut().unwrap();
        let sandbox = attempt.sandbox.as_mut().unwrap();
        sandbox.options = ["--rm", "-i", "--cap-drop=ALL"].map(str::to_owned).into();
        sandbox.environment = [("CFLAGS".to_owned(), "-O2 '$(x)".to_owned())].into();
        attempt.steps[0].run = "make 'a b'".to_owned();
        let text = by_hand(&build, &job).unwrap();
        for expected in [
            "--env='CFLAGS=-O2 '\\''$(x)'",
            " \\\n    --cap-drop=ALL \\\n",
            "step '\\''make '\\''\\'\\'''\\''a b",
            "timeout -s KILL 900 /bin/sh -c '",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
        let of = |url: &str| BuildSource::Git(GitSource { url: url.to_owned(), reference: None });
        build.source = of("https://x/$(touch y)");
        assert!(by_hand(&build, &job).unwrap().contains(" 'https://x/$(touch y)' "));
        build.source = of("https://x/\u{1b}[2J");
        assert!(by_hand(&build, &job).is_err());
        job.attempts.clear();
        assert!(by_hand(&fixtures::build(), &job).is_err());
    }
}

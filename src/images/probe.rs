//! A look into an image: does it have what a sandbox needs, and which compiler is in it.
//!
//! Asked of the image itself, in a container without network or rights, because nothing that is
//! written about an image can be relied on.

use std::{collections::HashMap, time::Duration};

use bollard::{
    container::LogOutput,
    models::{ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig},
    query_parameters::{
        AttachContainerOptionsBuilder, CreateContainerOptions, RemoveContainerOptionsBuilder,
        StartContainerOptions,
    },
};
use futures_util::StreamExt as _;

use super::{Images, ImagesError, engine::look};
use crate::toolchain::Toolchain;

/// A container that says a few lines is done in a second, unless the machine is very busy.
const DEADLINE: Duration = Duration::from_mins(1);
/// What is read of the answer: an image can say what it likes.
const MOST_OUTPUT: usize = 8 << 10;
/// The longest compiler version that is kept.
const MOST_VERSION: usize = 200;

/// The label of containers that look into an image.
const PROBE_LABEL: &str = "kiln.probe";

/// Names what is missing, then the compiler's first line.
const SCRIPT: &str = r#"
for program in timeout base64 tar find sort; do
  command -v "$program" >/dev/null 2>&1 || echo "missing $program"
done
command -v "${CC%% *}" >/dev/null 2>&1 || echo "missing ${CC%% *} (the compiler)"
echo "compiler $($CC --version 2>/dev/null | head -n 1)"
"#;

/// A script that is to look into an image.
#[derive(Clone, Debug)]
pub(super) struct Look<'a> {
    /// The image's id.
    pub(super) image: &'a str,
    /// What is looked for, to tell the container by.
    pub(super) of: &'a str,
    /// The script's environment.
    pub(super) env: Vec<String>,
    /// The script.
    pub(super) script: &'a str,
}

/// What was seen in an image.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Probed {
    /// What the compiler says of itself; empty if it says nothing.
    pub(super) compiler: String,
    /// Programs that a sandbox needs and that are not there.
    pub(super) missing: Vec<String>,
}

impl Probed {
    /// Whether that is enough for a sandbox.
    pub(super) fn fit(&self, toolchain: &Toolchain) -> Result<(), ImagesError> {
        let problem = match (self.missing.as_slice(), self.compiler.as_str()) {
            ([], "") => "its compiler does not say its version".to_owned(),
            ([], _) => return Ok(()),
            (missing, _) => format!("it lacks {}", missing.join(", ")),
        };
        Err(ImagesError::Unfit { name: toolchain.name.clone(), image: toolchain.image(), problem })
    }
}

impl Images {
    /// Looks into an image as `toolchain`'s.
    pub(super) async fn probe(
        &self,
        id: &str,
        toolchain: &Toolchain,
    ) -> Result<Probed, ImagesError> {
        let env = toolchain.env.iter().map(|(name, value)| format!("{name}={value}"));
        let env = ["CC=cc".to_owned()].into_iter().chain(env).collect();
        let look = Look { image: id, of: toolchain.name.as_str(), env, script: SCRIPT };
        let unfit = |problem: String| ImagesError::Unfit {
            name: toolchain.name.clone(),
            image: toolchain.image(),
            problem,
        };
        match self.look_into(look, MOST_OUTPUT).await {
            Ok(answer) => Ok(read(&String::from_utf8_lossy(&answer))),
            // An image without a shell fails to start; the engine's words say so.
            Err(ImagesError::Engine { doing, problem }) if doing == START => {
                Err(unfit(format!("it cannot run sh: {problem}")))
            }
            Err(error) => Err(error),
        }
    }

    /// What a script says in an image, without network or rights; at most about `most` bytes of it.
    pub(super) async fn look_into(
        &self,
        look: Look<'_>,
        most: usize,
    ) -> Result<Vec<u8>, ImagesError> {
        let (images, body) = (self.clone(), body(look));
        // A task of its own: the container is removed even if nobody waits for the answer.
        let looking = tokio::spawn(async move { images.run_probe(body, most).await });
        looking.await.map_err(|error| ImagesError::engine("look into an image", &error))?
    }

    async fn run_probe(
        &self,
        body: ContainerCreateBody,
        most: usize,
    ) -> Result<Vec<u8>, ImagesError> {
        let doing = "create a container to look into an image";
        let created =
            look(doing, self.docker.create_container(None::<CreateContainerOptions>, body)).await?;
        let id = created.ok_or_else(|| ImagesError::engine(doing, "the image is gone"))?.id;
        let answer = tokio::time::timeout(DEADLINE, self.ask(&id, most)).await;
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let removed =
            look("remove a container", self.docker.remove_container(&id, Some(options))).await;
        let answer = answer
            .map_err(|_| ImagesError::engine("look into an image", "no answer in time"))??;
        removed.map(|_| answer)
    }

    async fn ask(&self, id: &str, most: usize) -> Result<Vec<u8>, ImagesError> {
        let attach = AttachContainerOptionsBuilder::new().stdout(true).stream(true).build();
        let mut attached = look("attach", self.docker.attach_container(id, Some(attach)))
            .await?
            .ok_or_else(|| ImagesError::engine("attach", "the container is gone"))?;
        look(START, self.docker.start_container(id, None::<StartContainerOptions>)).await?;
        let mut text = Vec::new();
        while let Some(frame) = attached.output.next().await {
            match frame.map_err(|error| ImagesError::engine("read from a container", &error))? {
                LogOutput::StdOut { message } if text.len() < most => {
                    text.extend_from_slice(&message);
                }
                _ => {}
            }
        }
        Ok(text)
    }
}

const START: &str = "start a container to look into an image";

fn body(look: Look<'_>) -> ContainerCreateBody {
    let env = ["LD_PRELOAD=", "ENV="].map(str::to_owned).into_iter().chain(look.env);
    ContainerCreateBody {
        image: Some(look.image.to_owned()),
        // So that one that a crash left behind can be told from others.
        labels: Some(HashMap::from([(PROBE_LABEL.to_owned(), look.of.to_owned())])),
        entrypoint: Some(Vec::new()),
        cmd: Some(["sh", "-c", look.script].map(str::to_owned).to_vec()),
        env: Some(env.collect()),
        user: Some("10240:10240".to_owned()),
        working_dir: Some("/".to_owned()),
        attach_stdout: Some(true),
        network_disabled: Some(true),
        healthcheck: Some(HealthConfig {
            test: Some(vec!["NONE".to_owned()]),
            ..HealthConfig::default()
        }),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            readonly_rootfs: Some(true),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
            memory: Some(256 << 20),
            memory_swap: Some(256 << 20),
            pids_limit: Some(64),
            init: Some(true),
            tmpfs: Some(HashMap::from([(
                "/tmp".to_owned(),
                "rw,nosuid,nodev,noexec,size=16m,mode=1777".to_owned(),
            )])),
            log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

fn read(text: &str) -> Probed {
    let after = |prefix: &str| {
        let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix(prefix)).collect();
        lines
    };
    let compiler = after("compiler ").first().copied().unwrap_or_default().trim();
    let printable = compiler.chars().filter(|c| !c.is_control()).take(MOST_VERSION);
    let mut missing: Vec<String> = after("missing ").iter().map(|&line| line.to_owned()).collect();
    if !text.contains("compiler ") {
        missing.push("sh".to_owned());
    }
    Probed { compiler: printable.collect(), missing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_names_the_compiler_and_what_is_missing() {
        let check = |text: &str, compiler: &str, missing: &[&str]| {
            let probed = read(text);
            assert_eq!(probed.compiler, compiler, "{text:?}");
            assert_eq!(probed.missing, missing, "{text:?}");
        };
        check("compiler gcc (Debian) 14.2.0\n", "gcc (Debian) 14.2.0", &[]);
        check(
            "missing tar\nmissing cc (the compiler)\ncompiler \n",
            "",
            &["tar", "cc (the compiler)"],
        );
        check("compiler a\u{1b}[0m\ncompiler b\n", "a[0m", &[]);
        check("", "", &["sh"]);
    }
}

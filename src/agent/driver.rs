//! The driver: the one shell script that runs all steps of an attempt in its container.
//!
//! Each step is a fresh `sh -e -c` in the source folder, so that nothing but files passes from one
//! to the next, and a line that fails ends its step. Before and after each step the driver writes a
//! mark on both streams; at the end it says what the container used, as far as its control group
//! can be read. It uses nothing but what every POSIX shell has built in, and `mkdir`.
//!
//! Secrets come on its standard input, one line each, before anything runs: they are in no argument and
//! in no file of the container's configuration. The driver keeps them in variables that it does not
//! export, and gives each to its steps: in the environment of that step alone, or as a file in /tmp that
//! is gone when the step is. All steps of a job are one user on one machine, and an earlier one may
//! change what a later one runs: who gets a secret keeps it out of programs that do not need it, and
//! is no wall between the steps of one commit.

use std::fmt::Write as _;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use zeroize::Zeroizing;

use crate::{
    model::{Environment, SecretForm, Step},
    protocol::ClaimedSecret,
};

/// The longest script: base64 makes 4 bytes of 3, and 96 KiB of that fit into one argument.
const MAX_SCRIPT_BYTES: usize = 96 * 1024 / 4 * 3;

/// Where secrets lie that steps get as files.
const SECRETS: &str = "/tmp/.kiln-secrets";

/// The script is too long.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "the steps and their environment make a script of {0} bytes, at most {MAX_SCRIPT_BYTES} are accepted: move long commands into a file of the repository"
)]
pub(super) struct ScriptTooLong(usize);

/// Reads the control group's own numbers, of either version; built-ins only. What cannot be read is
/// no concern of the build's, so nothing of it goes to standard error, the second mark included.
const USAGE: &str = r#"used() {
  m=0; c=0
  for f in /sys/fs/cgroup/memory.peak /sys/fs/cgroup/memory/memory.max_usage_in_bytes; do
    if [ -r "$f" ]; then IFS= read -r m <"$f"; break; fi
  done
  if [ -r /sys/fs/cgroup/cpu.stat ]; then
    while IFS=' ' read -r k v; do
      if [ "$k" = usage_usec ]; then c=$v; break; fi
    done </sys/fs/cgroup/cpu.stat
  fi
  for f in /sys/fs/cgroup/cpuacct/cpuacct.usage /sys/fs/cgroup/cpu,cpuacct/cpuacct.usage; do
    if [ "$c" = 0 ] && [ -r "$f" ]; then IFS= read -r c <"$f"; c=${c%???}; fi
  done
  mark "u;${m:-0};${c:-0}"
  cached
} 2>/dev/null
"#;

/// Puts ccache before the compilers, where the image has it, and says in the end what it was good for.
/// Compilers are found by name, those that the toolchain names among them; whoever calls one by its path
/// calls the compiler itself.
const CACHED: &str = r#"cache() {
  command -v ccache >/dev/null && mkdir -p /workspace/cache /workspace/compilers || return 0
  for n in cc c++ gcc g++ clang clang++ "${CC%% *}" "${CXX%% *}"; do
    case $n in ''|*/*) continue ;; esac
    ! command -v "$n" >/dev/null || ln -sf "$(command -v ccache)" "/workspace/compilers/$n"
  done
  PATH=/workspace/compilers:$PATH CCACHE_DIR=/workspace/cache CCACHE_MAXSIZE=${1}Ki
  export PATH CCACHE_DIR CCACHE_MAXSIZE
  ccache -z >/dev/null 2>&1
}
cached() {
  [ -n "${CCACHE_DIR:-}" ] || return 0
  h=0; m=0
  while read -r k v; do
    case $k in
    direct_cache_hit|preprocessed_cache_hit) h=$((h + v)) ;;
    cache_miss) m=$v ;;
    esac
  done <<X
$(ccache --print-stats)
X
  mark "c;$h;$m"
}
"#;

/// The script that runs `steps` with `env` and marks them with `nonce`; its input is that of `input`.
pub(super) fn script(
    steps: &[Step],
    env: &Environment,
    (secrets, cache_bytes): (&[ClaimedSecret], Option<u64>),
    nonce: &str,
) -> Result<String, ScriptTooLong> {
    let mut script = String::new();
    for number in 0..secrets.len() {
        // An image may have exported a variable of that name.
        let name = variable(number);
        let _ = writeln!(script, "unset -v {name}; IFS= read -r {name} || exit 125");
    }
    if !secrets.is_empty() {
        script.push_str("exec </dev/null\n");
    }
    // `command` keeps a variable that the shell itself has made read-only from ending the driver.
    for (name, value) in &env.0 {
        script.push_str("command export ");
        script.push_str(&quote(&format!("{name}={value}")));
        script.push('\n');
    }
    script.push_str("[ -z \"${HOME:-}\" ] || mkdir -p \"$HOME\"\n");
    let print = format!("printf '\\036{nonce};%s\\036' \"$1\"");
    let _ = writeln!(script, "mark() {{\n  {print}\n  {print} >&2\n}}");
    script.push_str(if cache_bytes.is_some() { CACHED } else { "cached() { :; }\n" });
    script.push_str(USAGE);
    if let Some(bytes) = cache_bytes {
        let _ = writeln!(script, "cache {}", bytes >> 10);
    }
    script.push_str("step() {\n  mark \"s;$1\"\n  (\n    ${3:-:}\n    exec /bin/sh -e -c \"$2\" </dev/null\n  )\n  s=$?\n");
    let _ = writeln!(script, "  [ -z \"${{3:-}}\" ] || rm -rf {SECRETS}");
    script.push_str("  mark \"e;$1;$s\"\n  [ \"$s\" = 0 ] || { used; exit \"$s\"; }\n}\n");
    for (index, step) in steps.iter().enumerate() {
        let give = give(step, secrets);
        if !give.is_empty() {
            let _ = writeln!(script, "give_{index}() {{\n{give}}}");
        }
        let gives = if give.is_empty() { String::new() } else { format!(" give_{index}") };
        let _ = writeln!(script, "step {index} {}{gives}", quote(&step.run));
    }
    script.push_str("used\nexit 0\n");
    if script.len() > MAX_SCRIPT_BYTES { Err(ScriptTooLong(script.len())) } else { Ok(script) }
}

/// What the driver reads before it begins: a line for each secret.
pub(super) fn input(secrets: &[ClaimedSecret]) -> Zeroizing<Vec<u8>> {
    let mut input = Zeroizing::new(Vec::new());
    for secret in secrets {
        let line = Zeroizing::new(BASE64_STANDARD.encode(secret.value.reveal()));
        input.extend_from_slice(line.as_bytes());
        input.push(b'\n');
    }
    input
}

/// Where the driver keeps a secret.
fn variable(number: usize) -> String {
    format!("kiln_secret_{number}")
}

/// The lines that give a step its secrets; none if it gets none.
fn give(step: &Step, secrets: &[ClaimedSecret]) -> String {
    let mut lines = String::new();
    let is_its_own =
        |secret: &ClaimedSecret| secret.steps.is_empty() || secret.steps.contains(&step.name);
    let own = || secrets.iter().enumerate().filter(|(_, secret)| is_its_own(secret));
    if own().any(|(_, secret)| secret.form == SecretForm::File) {
        let _ = writeln!(lines, "  rm -rf {SECRETS} && mkdir -m 700 {SECRETS} || exit 125");
    }
    if own().next().is_some() {
        // What others may read has nothing of a secret in it.
        lines.push_str("  command export CCACHE_READONLY=1\n");
    }
    for (number, secret) in own() {
        let (name, value) = (&secret.name, variable(number));
        let _ = match secret.form {
            // The last character keeps line breaks at the end, which a substitution takes away.
            SecretForm::Env => writeln!(
                lines,
                "  {name}=$(printf %s \"${value}\" | base64 -d && printf .) || exit 125\n  \
                 command export {name}=\"${{{name}%.}}\""
            ),
            SecretForm::File => writeln!(
                lines,
                "  (umask 077 && printf %s \"${value}\" | base64 -d >{SECRETS}/{name}) || exit 125\n  \
                 command export {name}={SECRETS}/{name}"
            ),
        };
    }
    lines
}

/// `text` as one word of the shell, whatever it holds.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{SecretValue, StepKind};

    const NONCE: &str = "00ff00ff00ff00ff00ff00ff00ff00ff";

    fn step(run: &str) -> Step {
        Step { name: "x".parse().unwrap(), kind: StepKind::Command, run: run.to_owned() }
    }

    #[test]
    fn every_text_is_one_quoted_word() {
        for (text, expected) in [
            ("", "''"),
            ("make -j2", "'make -j2'"),
            ("echo 'a' \"$b\" `c`", r#"'echo '\''a'\'' "$b" `c`'"#),
            ("a\nb", "'a\nb'"),
        ] {
            assert_eq!(quote(text), expected);
        }
    }

    #[test]
    fn the_script_holds_environment_and_steps_in_order() {
        let env = Environment([("CC".into(), "gcc -m'x'".into())].into());
        let script = script(&[step("make"), step("echo 'b'")], &env, (&[], None), NONCE).unwrap();
        assert!(script.starts_with("command export 'CC=gcc -m'\\''x'\\'''\n"), "{script}");
        assert!(script.contains("step 0 'make'\nstep 1 'echo '\\''b'\\'''\n"), "{script}");
        assert!(script.contains(&format!("\\036{NONCE};%s\\036")));
    }

    #[test]
    fn a_script_that_does_not_fit_into_one_argument_is_refused() {
        let error =
            script(&[step(&"x".repeat(80_000))], &Environment::default(), (&[], None), NONCE);
        assert!(error.unwrap_err().to_string().contains("at most 73728"), "{NONCE}");
    }

    /// Runs a script with this machine's shell, and gives back status, standard output, error.
    #[expect(clippy::disallowed_methods, reason = "a script is tested by running it")]
    fn run(steps: &[Step], env: &Environment) -> (Option<i32>, String, String) {
        let script = script(steps, env, (&[], None), NONCE).unwrap();
        let output = std::process::Command::new("/bin/sh")
            .args(["-c", &script])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(NONCE, "N");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    #[test]
    fn steps_run_in_order_with_their_environment_and_both_streams_are_marked() {
        let env = Environment([("WORD".into(), "it's $HOME".into())].into());
        let (code, out, err) =
            run(&[step("printf %s \"$WORD\""), step("cd /; exec >&2; pwd")], &env);
        assert_eq!(code, Some(0));
        let (marks, used) = out.split_once("\x1eN;u;").unwrap();
        assert_eq!(marks, "\x1eN;s;0\x1eit's $HOME\x1eN;e;0;0\x1e\x1eN;s;1\x1e\x1eN;e;1;0\x1e");
        assert!(
            used.trim_end_matches('\x1e').split(';').all(|n| n.parse::<u64>().is_ok()),
            "{used}"
        );
        assert_eq!(err, "\x1eN;s;0\x1e\x1eN;e;0;0\x1e\x1eN;s;1\x1e/\n\x1eN;e;1;0\x1e");
    }

    fn secret(name: &str, form: SecretForm, steps: &[&str], value: &[u8]) -> ClaimedSecret {
        ClaimedSecret {
            name: name.parse().unwrap(),
            form,
            steps: steps.iter().map(|name| name.parse().unwrap()).collect(),
            value: SecretValue::new(value.to_vec()),
        }
    }

    /// Runs a script as `run` does, with secrets on its input, which has no end.
    #[expect(clippy::disallowed_methods, reason = "a script is tested by running it")]
    fn run_with(steps: &[Step], secrets: &[ClaimedSecret]) -> (Option<i32>, String) {
        use std::io::{Read as _, Write as _};
        let script = script(steps, &Environment::default(), (secrets, None), NONCE).unwrap();
        assert!(!script.contains("hunter2"), "{script}");
        let mut child = std::process::Command::new("/bin/sh")
            .args(["-c", &script])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("kiln_secret_0", "exported by an image")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&input(secrets)).unwrap();
        let mut out = String::new();
        child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        let code = child.wait().unwrap().code();
        drop(stdin);
        // The marks of the steps, and those of the use, have no line break.
        let lines = out.split('\x1e').filter(|part| !part.starts_with(NONCE));
        (code, lines.collect())
    }

    /// Both write where jobs find their secrets, of which there is one on a machine.
    #[test]
    fn secrets_are_given_to_their_steps_and_to_nothing_else_and_are_gone_afterwards() {
        secrets_are_given_to_their_steps_and_to_nothing_else();
        a_file_of_secrets_is_gone_after_a_step_that_failed_and_is_no_link_of_an_earlier_one();
    }

    fn secrets_are_given_to_their_steps_and_to_nothing_else() {
        let named = |name: &str, run: &str| Step { name: name.parse().unwrap(), ..step(run) };
        let value = b"hunter2 '\"$x`\n\n";
        let secrets = [
            secret("A", SecretForm::Env, &["deploy"], value),
            secret("B", SecretForm::Env, &[], b"for everybody"),
            secret("F", SecretForm::File, &["deploy"], b"hunter2\0\xff\n"),
        ];
        let look = "env | grep -c 'hunter[2]' || true; printf '[%s|%s|%s]' \"${A-}\" \"${B-}\" \"${F-}\"; \
                    cat /proc/self/fd/0; ls /tmp/.kiln-secrets 2>/dev/null || true; ";
        let steps = [
            named("compile", look),
            named("deploy", &format!("{look} stat -c %a \"$F\" \"${{F%/*}}\"; od -An -tx1 \"$F\"")),
            named("after", look),
        ];
        let (code, out) = run_with(&steps, &secrets);
        assert_eq!(code, Some(0), "{out}");
        let given = "1\n[hunter2 '\"$x`\n\n|for everybody|/tmp/.kiln-secrets/F]F\n600\n700\n \
                     68 75 6e 74 65 72 32 00 ff 0a\n";
        assert_eq!(out, format!("0\n[|for everybody|]{given}0\n[|for everybody|]"));
    }

    fn a_file_of_secrets_is_gone_after_a_step_that_failed_and_is_no_link_of_an_earlier_one() {
        let folder = tempfile::tempdir().unwrap();
        let trap = folder.path().display();
        let secrets = [secret("F", SecretForm::File, &["deploy"], b"hunter2")];
        let steps = [
            step(&format!("rm -rf /tmp/.kiln-secrets; ln -s {trap} /tmp/.kiln-secrets")),
            Step { name: "deploy".parse().unwrap(), ..step("cat \"$F\"; exit 3") },
        ];
        assert_eq!(run_with(&steps, &secrets), (Some(3), "hunter2".to_owned()));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(!std::path::Path::new(SECRETS).exists());
    }

    #[test]
    fn the_first_step_that_fails_ends_the_script_with_its_status() {
        for (command, code) in [
            ("exit 7", 7),
            ("false\necho not reached", 1),
            ("kill -s XFSZ $$", 153),
            ("no-such-program-anywhere", 127),
        ] {
            let (status, out, _) = run(&[step(command), step("echo no")], &Environment::default());
            assert_eq!(status, Some(code), "{command}");
            assert!(
                out.starts_with(&format!("\x1eN;s;0\x1e\x1eN;e;0;{code}\x1e\x1eN;u;")),
                "{out}"
            );
        }
    }

    #[test]
    fn variables_that_matter_to_the_shell_do_not_break_the_driver() {
        let names = ["IFS", "PPID", "PWD", "OPTIND", "PS4", "UID"];
        let env = names.map(|name| (name.to_owned(), "e0;".to_owned()));
        let (code, out, _) = run(&[step("exit 10")], &Environment(env.into()));
        assert_eq!(code, Some(10));
        assert!(out.starts_with("\x1eN;s;0\x1e\x1eN;e;0;10\x1e"), "{out}");
    }
}

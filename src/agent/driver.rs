//! The driver: the one shell script that runs all steps of an attempt in its container.
//!
//! Each step is a fresh `sh -e -c` in the source folder, so that nothing but files passes from one
//! to the next, and a line that fails ends its step. Before and after each step the driver writes a
//! mark on both streams; at the end it says what the container used, as far as its control group
//! can be read. It uses nothing but what every POSIX shell has built in, and `mkdir`.

use std::fmt::Write as _;

use crate::model::{Environment, Step};

/// The longest script: base64 makes 4 bytes of 3, and 96 KiB of that fit into one argument.
const MAX_SCRIPT_BYTES: usize = 96 * 1024 / 4 * 3;

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
} 2>/dev/null
"#;

/// The script that runs `steps` with `env` and marks them with `nonce`.
pub(super) fn script(
    steps: &[Step],
    env: &Environment,
    nonce: &str,
) -> Result<String, ScriptTooLong> {
    let mut script = String::new();
    // `command` keeps a variable that the shell itself has made read-only from ending the driver.
    for (name, value) in &env.0 {
        script.push_str("command export ");
        script.push_str(&quote(&format!("{name}={value}")));
        script.push('\n');
    }
    script.push_str("[ -z \"${HOME:-}\" ] || mkdir -p \"$HOME\"\n");
    let print = format!("printf '\\036{nonce};%s\\036' \"$1\"");
    let _ = writeln!(script, "mark() {{\n  {print}\n  {print} >&2\n}}");
    script.push_str(USAGE);
    script.push_str("step() {\n  mark \"s;$1\"\n  /bin/sh -e -c \"$2\" </dev/null\n  s=$?\n");
    script.push_str("  mark \"e;$1;$s\"\n  [ \"$s\" = 0 ] || { used; exit \"$s\"; }\n}\n");
    for (index, step) in steps.iter().enumerate() {
        let _ = writeln!(script, "step {index} {}", quote(&step.run));
    }
    script.push_str("used\nexit 0\n");
    if script.len() > MAX_SCRIPT_BYTES { Err(ScriptTooLong(script.len())) } else { Ok(script) }
}

/// `text` as one word of the shell, whatever it holds.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StepKind;

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
        let script = script(&[step("make"), step("echo 'b'")], &env, NONCE).unwrap();
        assert!(script.starts_with("command export 'CC=gcc -m'\\''x'\\'''\n"), "{script}");
        assert!(script.contains("step 0 'make'\nstep 1 'echo '\\''b'\\'''\n"), "{script}");
        assert!(script.contains(&format!("\\036{NONCE};%s\\036")));
    }

    #[test]
    fn a_script_that_does_not_fit_into_one_argument_is_refused() {
        let error = script(&[step(&"x".repeat(80_000))], &Environment::default(), NONCE);
        assert!(error.unwrap_err().to_string().contains("at most 73728"), "{NONCE}");
    }

    /// Runs a script with this machine's shell, and gives back status, standard output, error.
    #[expect(clippy::disallowed_methods, reason = "a script is tested by running it")]
    fn run(steps: &[Step], env: &Environment) -> (Option<i32>, String, String) {
        let script = script(steps, env, NONCE).unwrap();
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

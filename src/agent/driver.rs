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
}

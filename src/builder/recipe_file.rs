//! Reads `.kiln.toml`: text that a stranger wrote, into a recipe that is safe to use.
//!
//! Unknown keys are errors, so that a misspelt key does not silently do nothing.

use std::str::FromStr;

use toml::de::DeTable;

use super::{
    RecipeFileError as Error,
    recipe_values::{Table, Text, Value},
};
use crate::model::{
    ArtifactRules, ArtifactWhen, Environment, Label, LimitsRequest, PackageName, Recipe, Step,
    StepKind, ToolchainName,
};

/// The name of the file, in the root of the tree.
pub const RECIPE_FILE: &str = ".kiln.toml";

/// The largest file that is read: what can be said in it is bounded to less than this.
pub const MAX_RECIPE_BYTES: usize = 64 * 1024;

/// The longest time that can be written: a year; what is allowed is for the server's policy.
const MAX_SECONDS: u64 = 366 * 24 * 3600;

const KEYS: &[&str] = &[
    "toolchains",
    "packages",
    "requires",
    "timeout",
    "test",
    "submodules",
    "cache",
    "env",
    "step",
    "artifacts",
    "limits",
];

/// Reads the text of a `.kiln.toml`.
pub fn parse(bytes: &[u8]) -> Result<Recipe, Error> {
    if bytes.len() > MAX_RECIPE_BYTES {
        return Err(Error::TooLarge { bytes: bytes.len(), most: MAX_RECIPE_BYTES });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        Error::NotUtf8 { line: Text(&good).line(good.len()) }
    })?;
    // Editors on Windows begin a file with a byte order mark; it says nothing.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = Text(text);
    let document = DeTable::parse(text).map_err(|error| Error::Syntax {
        line: lines.line(error.span().map_or(0, |span| span.start)),
        problem: error.message().replace('\n', ", "),
    })?;
    let root = Table::root(document.get_ref(), lines).only(KEYS)?;
    let recipe = Recipe {
        toolchains: root.get("toolchains").map(toolchains).transpose()?.unwrap_or_default(),
        packages: root.get("packages").map(packages).transpose()?.unwrap_or_default(),
        requires: root.get("requires").map(requires).transpose()?.unwrap_or_default(),
        steps: root.get("step").map(steps).transpose()?.unwrap_or_default(),
        env: root.get("env").map(env).transpose()?.unwrap_or_default(),
        artifacts: root.get("artifacts").map(artifacts).transpose()?.unwrap_or_default(),
        test: root.get("test").map(|value| value.boolean()).transpose()?,
        submodules: root.get("submodules").map(|value| value.boolean()).transpose()?,
        cache: root.get("cache").map(|value| value.boolean()).transpose()?,
        limits: limits(&root)?,
    };
    recipe.validate()?;
    Ok(recipe)
}

fn parsed<T: FromStr<Err: ToString>>(value: &Value<'_, '_>) -> Result<T, Error> {
    value.string()?.parse().map_err(|error: T::Err| value.refused(&error))
}

#[expect(clippy::needless_pass_by_value, reason = "so that it can be given to Option::map")]
fn toolchains(value: Value<'_, '_>) -> Result<Vec<ToolchainName>, Error> {
    value.list("a list of toolchain names")?.iter().map(parsed).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "so that it can be given to Option::map")]
fn packages(value: Value<'_, '_>) -> Result<Vec<PackageName>, Error> {
    value.list("a list of Debian packages")?.iter().map(parsed).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "so that it can be given to Option::map")]
fn requires(value: Value<'_, '_>) -> Result<Vec<Label>, Error> {
    value.list("a list of labels")?.iter().map(parsed).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "so that it can be given to Option::map")]
fn steps(value: Value<'_, '_>) -> Result<Vec<Step>, Error> {
    let list = value.list("a list of tables, each written as [[step]]")?;
    if list.is_empty() {
        return Err(value.refused("has no steps; leave it out to have them found"));
    }
    list.iter()
        .map(|item| {
            let table = item.table()?.only(&["name", "run"])?;
            let run = table.need("run")?;
            let step = Step {
                name: parsed(&table.need("name")?)?,
                kind: StepKind::Command,
                run: run.string()?.to_owned(),
            };
            if step.run.trim().is_empty() {
                return Err(run.refused("has nothing to run"));
            }
            Ok(Step { kind: StepKind::of_name(&step.name), ..step })
        })
        .collect()
}

#[expect(clippy::needless_pass_by_value, reason = "so that it can be given to Option::map")]
fn env(value: Value<'_, '_>) -> Result<Environment, Error> {
    let table = value.table()?;
    let pairs = table.each().map(|(name, value)| Ok((name, value.string()?.to_owned())));
    Ok(Environment(pairs.collect::<Result<_, Error>>()?))
}

#[expect(clippy::needless_pass_by_value, reason = "so that it can be given to Option::map")]
fn artifacts(value: Value<'_, '_>) -> Result<ArtifactRules, Error> {
    let table = value.table()?.only(&["include", "exclude", "required", "when"])?;
    let patterns = |key| match table.get(key) {
        Some(value) => value.strings(),
        None => Ok(Vec::new()),
    };
    let when = match table.get("when") {
        None => None,
        Some(value) => match value.string()? {
            "success" => Some(ArtifactWhen::Success),
            "always" => Some(ArtifactWhen::Always),
            _ => return Err(value.refused(r#"must be "success" or "always""#)),
        },
    };
    Ok(ArtifactRules {
        include: patterns("include")?,
        exclude: patterns("exclude")?,
        required: patterns("required")?,
        when,
    })
}

/// `[limits]` and `timeout`, which is the readable way to say `limits.wall_seconds`.
fn limits(root: &Table<'_, '_>) -> Result<LimitsRequest, Error> {
    let mut limits = LimitsRequest::default();
    if let Some(value) = root.get("limits") {
        limits = limits_table(&value)?;
    }
    if let Some(value) = root.get("timeout") {
        if limits.wall_seconds.is_some() {
            return Err(value.refused("is the same as limits.wall_seconds; give only one"));
        }
        let text = value.string()?;
        let seconds = seconds(text).ok_or_else(|| {
            value.refused(r#"must be a time such as "90s", "20m", "2h" or "1h30m""#)
        })?;
        limits.wall_seconds = Some(seconds);
    }
    Ok(limits)
}

macro_rules! limits_table {
    ($($field:ident),*) => {
        fn limits_table(value: &Value<'_, '_>) -> Result<LimitsRequest, Error> {
            let table = value.table()?.only(&[$(stringify!($field)),*])?;
            Ok(LimitsRequest { $($field: match table.get(stringify!($field)) {
                None => None,
                Some(value) => Some(
                    value.integer()?.try_into().map_err(|_| value.refused("is too large"))?,
                ),
            },)* })
        }
    };
}

limits_table!(
    cpu_millis,
    memory_bytes,
    workspace_bytes,
    workspace_files,
    tmp_bytes,
    processes,
    file_bytes,
    wall_seconds,
    silence_seconds,
    log_bytes,
    output_bytes,
    artifact_bytes,
    artifact_files
);

/// `1h30m`, `20m`, `90s`: each unit at most once, the larger first.
fn seconds(text: &str) -> Option<u32> {
    let mut rest = text;
    let mut total = 0_u64;
    for (unit, factor) in [('h', 3600_u64), ('m', 60), ('s', 1)] {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if let Some(after) = rest[digits..].strip_prefix(unit) {
            let count: u64 = rest[..digits].parse().ok()?;
            total = total.checked_add(count.checked_mul(factor)?)?;
            rest = after;
        }
    }
    (rest.is_empty() && (1..=MAX_SECONDS).contains(&total)).then(|| u32::try_from(total).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EVERYTHING: &str = r#"
toolchains = ["gcc:14", "clang:19"]
packages = ["libevent-dev", "g++"]
timeout = "20m"
test = true
submodules = false
[env]
CFLAGS = "-O2 -Wall"
[[step]]
name = "configure"
run = "cmake -S . -B build"
[[step]]
name = "compile"
run = "cmake --build build"
[artifacts]
include = ["build/app", "build/*.so*"]
exclude = ["**/*.o"]
required = ["build/app"]
when = "always"
[limits]
memory_bytes = 4_294_967_296
cpu_millis = 4000
"#;

    #[test]
    fn everything_that_can_be_said_is_understood() {
        let recipe = parse(EVERYTHING.as_bytes()).unwrap();
        assert_eq!(recipe.toolchains.len(), 2);
        assert_eq!(recipe.packages[0].as_str(), "libevent-dev");
        assert_eq!(recipe.limits.wall_seconds, Some(1200));
        assert_eq!(recipe.limits.memory_bytes, Some(4 << 30));
        assert_eq!(recipe.limits.cpu_millis, Some(4000));
        assert_eq!((recipe.test, recipe.submodules), (Some(true), Some(false)));
        assert_eq!(recipe.env.0["CFLAGS"], "-O2 -Wall");
        assert_eq!(recipe.steps[0].kind, StepKind::Configure);
        assert_eq!(recipe.steps[1].kind, StepKind::Compile);
        assert_eq!(recipe.artifacts.include, ["build/app", "build/*.so*"]);
        assert_eq!(recipe.artifacts.when, Some(ArtifactWhen::Always));
        assert_eq!(parse(b"").unwrap(), Recipe::default());
        let windows = format!("\u{feff}{}", EVERYTHING.replace('\n', "\r\n"));
        assert_eq!(parse(windows.as_bytes()).unwrap(), recipe);
    }

    #[test]
    fn mistakes_name_the_key_the_line_and_what_is_allowed() {
        let deep = format!("a = {}{}", "[".repeat(5000), "]".repeat(5000));
        for (text, expected) in [
            ("toolchain = []", "line 1: unknown key `toolchain`; allowed here: toolchains,"),
            ("\n[env]\nA = 1", "line 3: `env.A` must be a string, this is an integer"),
            ("[env]\n\"A=B\" = '1'", "env.\"A=B\""),
            ("[env]\nA.B = '1'", "line 2: `env.A` must be a string, this is a table"),
            (
                "packages = 'zlib1g-dev'",
                "line 1: `packages` must be a list of Debian packages, this is a string",
            ),
            (
                "packages = ['zlib1g-dev',\n'gcc-']",
                "line 2: `packages[1]`: \"gcc-\" is not the name of a Debian package",
            ),
            ("test = 'yes'", "line 1: `test` must be true or false, this is a string"),
            (
                "toolchains = 'gcc:14'",
                "`toolchains` must be a list of toolchain names, this is a string",
            ),
            ("toolchains = [\n'gcc:14',\n1]", "line 3: `toolchains[1]` must be a string"),
            (
                "toolchains = ['GCC 14']",
                "line 1: `toolchains[0]`: \"GCC 14\" is not a toolchain name",
            ),
            ("toolchains = ['a', 'a']", "asked for twice"),
            ("timeout = 20", "`timeout` must be a string, this is an integer"),
            ("timeout = '20'", "`timeout`: must be a time such as"),
            ("timeout = '0s'", "`timeout`: must be a time such as"),
            ("timeout = '1m1h'", "`timeout`: must be a time such as"),
            ("timeout = '99999999999999999999h'", "`timeout`: must be a time such as"),
            ("timeout = '1m'\n[limits]\nwall_seconds = 5", "give only one"),
            ("[step]\nname = 'x'\nrun = 'y'", "each written as [[step]]"),
            ("step = []", "`step`: has no steps"),
            ("[[step]]\nname = 'x'", "line 1: `step[0].run` is missing"),
            ("[[step]]\nrun = 'x'", "`step[0].name` is missing"),
            ("[[step]]\nname = 'x'\nrun = ' '", "line 3: `step[0].run`: has nothing to run"),
            ("[[step]]\nname = 'x'\nrun = \"a\\u0000b\"", "NUL"),
            ("[[step]]\nname = ' x'\nrun = 'y'", "line 2: `step[0].name`:"),
            ("[[step]]\nname = 'x'\nrun = 'y'\ncwd = '/'", "line 4: unknown key `step[0].cwd`"),
            ("[artifacts]\nwhen = 'never'", "line 2: `artifacts.when`: must be \"success\" or"),
            ("[artifacts]\ninclude = 'a'", "`artifacts.include` must be a list of strings"),
            ("[artifacts]\ninclude = ['/etc/passwd']", "not a pattern"),
            ("[artifacts]\ninclude = ['../x']", "not a pattern"),
            (
                "[limits]\nmemory = 1",
                "line 2: unknown key `limits.memory`; allowed here: cpu_millis",
            ),
            ("[limits]\ncpu_millis = -1", "`limits.cpu_millis`: must be between 0"),
            ("[limits]\ncpu_millis = 5000000000", "`limits.cpu_millis`: is too large"),
            ("[limits]\ncpu_millis = 1.5", "must be an integer, this is a number with a fraction"),
            ("test = true\ntest = false", "line 2: duplicate key"),
            ("a = \n", "line 1: "),
            ("x = 1 y = 2", "line 1: "),
            ("[[[", "line 1: "),
            (&deep, "line 1: "),
            ("\n\n\"\u{1b}[31m\" = 1", "line 3: invalid basic string"),
            ("\n\n\"\\u001b[31m\" = 1", "line 3: unknown key `\\u{1b}[31m`"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:.80}: {error}");
            assert!(error.starts_with(".kiln.toml") && error.len() < 600, "{error}");
        }
    }

    #[test]
    fn size_and_encoding_are_checked_first() {
        let most = MAX_RECIPE_BYTES;
        assert_eq!(parse(&vec![b'#'; most + 1]), Err(Error::TooLarge { bytes: most + 1, most }));
        assert!(parse(&vec![b'#'; most]).is_ok());
        assert_eq!(parse(b"# a\n# \xff"), Err(Error::NotUtf8 { line: 2 }));
    }

    #[test]
    fn times_have_units() {
        for (text, expected) in [
            ("90s", Some(90)),
            ("20m", Some(1200)),
            ("2h", Some(7200)),
            ("1h30m", Some(5400)),
            ("1h30m5s", Some(5405)),
            ("", None),
            ("m", None),
            ("-5m", None),
            ("5 m", None),
            ("1.5h", None),
            ("1d", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(text.as_bytes());
            let _ = parse(&bytes);
        }

        #[test]
        fn no_toml_makes_it_panic(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "toolchains", "=", "[", "]", "'gcc:14'", "env", "[[step]]", "\n", "run", "name",
                    "limits", ".", "{", "}", ",", "1", "0x", "-", "\"", "'''", "artifacts", "é", "\u{0}",
                ]),
                0..40,
            )
        ) {
            let _ = parse(parts.concat().as_bytes());
        }
    }
}

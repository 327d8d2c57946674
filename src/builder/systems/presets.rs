//! CMake's presets, read just as far as it takes to choose a configure preset that can work here.
//!
//! A preset that brings its own compiler or toolchain file, or is for another system, would undo
//! what was asked for; if it is not clear which one is meant, none is taken, which always works.

use serde_json::{Map, Value};

use crate::builder::listing::Folder;

/// In CMake's order; people's own presets build on the project's.
const FILES: &[&str] = &["CMakePresets.json", "CMakeUserPresets.json"];
/// The newest version that every toolchain image's CMake understands.
const NEWEST: u64 = 6;
/// Longer chains of `inherits` are somebody's joke.
const MAX_DEPTH: usize = 16;

/// What the presets of a folder say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Presets {
    /// There are none.
    None,
    /// There are some, and none is taken, for this reason.
    Unused(String),
    /// This one is taken.
    Taken {
        name: String,
        /// Whether it says which build tool is used.
        has_generator: bool,
    },
}

/// Chooses: the one called `default`, or the only one.
pub(super) fn choose(folder: Folder<'_>) -> Presets {
    let mut all: Vec<Map<String, Value>> = Vec::new();
    let mut files = 0;
    for name in FILES {
        if folder.file(name).is_none() {
            continue;
        }
        let Some(text) = folder.text(name) else { continue };
        files += 1;
        let Ok(Value::Object(file)) = serde_json::from_str(&text) else {
            return Presets::Unused(format!("{name} cannot be read"));
        };
        let version = file.get("version").and_then(Value::as_u64).unwrap_or(0);
        if version > NEWEST {
            return Presets::Unused(format!("{name} is of version {version}"));
        }
        let presets = file.get("configurePresets").and_then(Value::as_array);
        all.extend(presets.into_iter().flatten().filter_map(Value::as_object).cloned());
    }
    if files == 0 {
        return Presets::None;
    }
    let usable: Vec<Preset<'_>> = all
        .iter()
        .filter(|preset| !is_hidden(preset))
        .filter_map(|one| usable(&all, one))
        .collect();
    let default = usable.iter().find(|preset| preset.name == "default");
    match (default, &*usable) {
        (Some(preset), _) | (None, [preset]) => {
            Presets::Taken { name: preset.name.to_owned(), has_generator: preset.has_generator }
        }
        (None, []) => Presets::Unused("none of the presets is for this toolchain".to_owned()),
        (None, several) => {
            Presets::Unused(format!("none of the {} presets is called default", several.len()))
        }
    }
}

struct Preset<'a> {
    name: &'a str,
    has_generator: bool,
}

fn is_hidden(preset: &Map<String, Value>) -> bool {
    preset.get("hidden").and_then(Value::as_bool) == Some(true)
}

/// The preset if everything that it inherits is there and nothing of it speaks against its use.
fn usable<'a>(all: &'a [Map<String, Value>], preset: &'a Map<String, Value>) -> Option<Preset<'a>> {
    let mut chain = Vec::new();
    inherited(all, preset, &mut chain)?;
    let first = |key: &str| chain.iter().find_map(|one| one.get(key));
    let generator = first("generator").and_then(Value::as_str);
    let tools = ["Ninja", "Unix Makefiles"];
    let brings_tools = chain.iter().any(|one| {
        one.contains_key("toolchainFile")
            || one.get("cacheVariables").and_then(Value::as_object).is_some_and(|variables| {
                let own = ["CMAKE_TOOLCHAIN_FILE", "CMAKE_C_COMPILER", "CMAKE_CXX_COMPILER"];
                own.iter().any(|name| variables.contains_key(*name))
            })
            || one.get("environment").and_then(Value::as_object).is_some_and(|variables| {
                ["CC", "CXX"].iter().any(|name| variables.contains_key(*name))
            })
    });
    let fits = generator.is_none_or(|name| tools.contains(&name))
        && !brings_tools
        && first("condition").is_none_or(|condition| holds(condition, 0));
    let name = preset.get("name").and_then(Value::as_str)?;
    let plain = !name.starts_with('-') && !name.chars().any(char::is_control);
    (fits && plain).then_some(Preset { name, has_generator: generator.is_some() })
}

/// The preset and all it inherits from, in the order in which values are looked for.
fn inherited<'a>(
    all: &'a [Map<String, Value>],
    preset: &'a Map<String, Value>,
    chain: &mut Vec<&'a Map<String, Value>>,
) -> Option<()> {
    if chain.len() >= MAX_DEPTH {
        return None;
    }
    chain.push(preset);
    let parents: Vec<&str> = match preset.get("inherits") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().map(Value::as_str).collect::<Option<_>>()?,
        Some(_) => return None,
    };
    for parent in parents {
        let named =
            |one: &&Map<String, Value>| one.get("name").and_then(Value::as_str) == Some(parent);
        inherited(all, all.iter().find(named)?, chain)?;
    }
    Some(())
}

/// Whether a condition holds on Linux; what cannot be told does not.
fn holds(condition: &Value, depth: usize) -> bool {
    let Value::Object(fields) = condition else {
        return matches!(condition, Value::Null | Value::Bool(true));
    };
    if depth > MAX_DEPTH {
        return false;
    }
    let text = |key: &str| fields.get(key).and_then(Value::as_str).and_then(expanded);
    let list = |key: &str| fields.get(key).and_then(Value::as_array);
    let within = |one: &Value| holds(one, depth + 1);
    match fields.get("type").and_then(Value::as_str) {
        Some("const") => fields.get("value").and_then(Value::as_bool) == Some(true),
        Some("equals") => text("lhs").is_some_and(|left| Some(left) == text("rhs")),
        Some("notEquals") => {
            text("lhs").zip(text("rhs")).is_some_and(|(left, right)| left != right)
        }
        Some(kind @ ("inList" | "notInList")) => {
            let (Some(word), Some(words)) = (text("string"), list("list")) else { return false };
            words.iter().any(|one| one.as_str() == Some(&word)) == (kind == "inList")
        }
        Some("allOf") => list("conditions").is_some_and(|all| all.iter().all(within)),
        Some("anyOf") => list("conditions").is_some_and(|all| all.iter().any(within)),
        Some("not") => fields.get("condition").is_some_and(|one| !within(one)),
        _ => false,
    }
}

/// The text with the one macro that conditions are made of.
fn expanded(text: &str) -> Option<String> {
    let text = text.replace("${hostSystemName}", "Linux");
    (!text.contains("${") && !text.contains("$env{") && !text.contains("$penv{")).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::{FileKind, Listing};

    fn chosen(presets: &str) -> Presets {
        let mut listing = Listing::new([(b"CMakePresets.json".to_vec(), FileKind::File)]);
        let text = format!(r#"{{"version": 3, "configurePresets": [{presets}]}}"#);
        listing.add_contents("CMakePresets.json", text.into_bytes());
        choose(Folder { listing: &listing, path: "" })
    }

    fn taken(name: &str, has_generator: bool) -> Presets {
        Presets::Taken { name: name.to_owned(), has_generator }
    }

    #[test]
    fn the_default_or_the_only_one_that_fits_is_taken() {
        let linux =
            r#""condition": {"type": "equals", "lhs": "${hostSystemName}", "rhs": "Linux"}"#;
        let windows = linux.replace("Linux", "Windows");
        for (presets, expected) in [
            (r#"{"name": "release"}"#.to_owned(), taken("release", false)),
            (r#"{"name": "a"}, {"name": "default", "generator": "Ninja"}"#.to_owned(), taken("default", true)),
            (
                r#"{"name": "base", "hidden": true, "generator": "Ninja"}, {"name": "dev", "inherits": "base"}"#.to_owned(),
                taken("dev", true),
            ),
            (format!(r#"{{"name": "w", {windows}}}, {{"name": "l", {linux}}}"#), taken("l", false)),
            (
                format!(r#"{{"name": "w", "hidden": true, {windows}}}, {{"name": "x", "inherits": ["w"]}}, {{"name": "l", "condition": {{"type": "not", {windows}}}}}"#),
                taken("l", false),
            ),
            (
                r#"{"name": "vs", "generator": "Visual Studio 17 2022"}, {"name": "n", "generator": "Ninja"}"#.to_owned(),
                taken("n", true),
            ),
            (
                r#"{"name": "c", "cacheVariables": {"CMAKE_C_COMPILER": "gcc"}}, {"name": "plain"}"#.to_owned(),
                taken("plain", false),
            ),
        ] {
            assert_eq!(chosen(&presets), expected, "{presets}");
        }
    }

    #[test]
    fn what_is_not_clear_is_not_taken_and_says_why() {
        for (presets, expected) in [
            (r#"{"name": "a"}, {"name": "b"}"#, "none of the 2 presets is called default"),
            (r#"{"name": "a", "hidden": true}"#, "none of the presets is for this toolchain"),
            (r#"{"name": "a", "inherits": "gone"}"#, "none of the presets is for this toolchain"),
            (r#"{"name": "a", "inherits": "a"}"#, "none of the presets is for this toolchain"),
            (
                r#"{"name": "v", "toolchainFile": "$env{VCPKG_ROOT}/x"}"#,
                "none of the presets is for",
            ),
            (
                r#"{"name": "a", "condition": {"type": "equals", "lhs": "$env{X}", "rhs": "1"}}"#,
                "none",
            ),
            (r#"{"name": "--help"}"#, "none of the presets"),
            (r#"{"name": }"#, "CMakePresets.json cannot be read"),
        ] {
            match chosen(presets) {
                Presets::Unused(why) => assert!(why.starts_with(expected), "{why}"),
                other => panic!("{presets}: {other:?}"),
            }
        }
        let listing = Listing::default();
        assert_eq!(choose(Folder { listing: &listing, path: "" }), Presets::None);
    }
}

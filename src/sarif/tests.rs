//! The rules of SARIF 2.1.0 for the objects that are written: which properties an object may have,
//! which it must have, and what their values may be.

use serde_json::{Value, json};

use super::*;
use crate::protocol::JobDiagnostics;

/// An object of the standard: its name, and its properties as `name` or, if required, `name!`, with
/// what they are: another object's name, `[…]` for a list of it, `{…}` for a map to it, or a check.
const SCHEMA: &[(&str, &[(&str, &str)])] = &[
    ("log", &[("$schema", "uri"), ("version!", "version"), ("runs!", "[run]")]),
    (
        "run",
        &[
            ("tool!", "tool"),
            ("automationDetails", "automation"),
            ("originalUriBaseIds", "{artifact}"),
            ("versionControlProvenance", "[version control]"),
            ("columnKind", "column kind"),
            ("results", "[result]"),
        ],
    ),
    ("tool", &[("driver!", "component")]),
    ("component", &[("name!", "text"), ("version", "text"), ("rules", "[rule]")]),
    ("rule", &[("id!", "text")]),
    ("automation", &[("id", "text")]),
    ("artifact", &[("uri", "reference"), ("uriBaseId", "base"), ("description", "message")]),
    (
        "version control",
        &[("repositoryUri!", "uri"), ("revisionId", "text"), ("mappedTo", "artifact")],
    ),
    (
        "result",
        &[
            ("ruleId", "text"),
            ("ruleIndex", "index"),
            ("level", "level"),
            ("message!", "message"),
            ("locations", "[location]"),
            ("relatedLocations", "[location]"),
            ("occurrenceCount", "from one"),
            ("partialFingerprints", "{text}"),
            ("properties", "properties"),
        ],
    ),
    ("properties", &[("step", "text"), ("symbol", "text")]),
    ("message", &[("text!", "text")]),
    ("location", &[("id", "index"), ("physicalLocation", "physical"), ("message", "message")]),
    ("physical", &[("artifactLocation!", "artifact"), ("region", "region")]),
    ("region", &[("startLine", "from one"), ("startColumn", "from one")]),
];

fn check(value: &Value, what: &str, at: &str) {
    if let Some(inner) = what.strip_prefix('[') {
        let inner = inner.trim_end_matches(']');
        let list = value.as_array().unwrap_or_else(|| panic!("{at}: no list"));
        for (index, item) in list.iter().enumerate() {
            assert!(!list[..index].contains(item) || inner == "result", "{at}/{index}: twice");
            check(item, inner, &format!("{at}/{index}"));
        }
        return;
    }
    if let Some(inner) = what.strip_prefix('{') {
        for (key, item) in value.as_object().unwrap_or_else(|| panic!("{at}: no object")) {
            check(item, inner.trim_end_matches('}'), &format!("{at}/{key}"));
        }
        return;
    }
    if let Some((_, properties)) = SCHEMA.iter().find(|(name, _)| *name == what) {
        let object = value.as_object().unwrap_or_else(|| panic!("{at}: no object"));
        for (key, item) in object {
            let known = properties.iter().find(|(name, _)| name.trim_end_matches('!') == key);
            let (_, what) = known.unwrap_or_else(|| panic!("{at}: {key} is not of {what}"));
            check(item, what, &format!("{at}/{key}"));
        }
        for (name, _) in properties.iter().filter(|(name, _)| name.ends_with('!')) {
            assert!(object.contains_key(name.trim_end_matches('!')), "{at}: no {name}");
        }
        return;
    }
    let text = value.as_str().unwrap_or_default();
    let number = value.as_i64();
    let allowed = b"-._~:/?#[]@!$&'()*+,;=%";
    let is_reference = text.bytes().all(|b| b.is_ascii_alphanumeric() || allowed.contains(&b));
    assert!(
        match what {
            "text" => !text.is_empty(),
            "version" => text == "2.1.0",
            "uri" => is_reference && url::Url::parse(text).is_ok(),
            "reference" => is_reference && !text.is_empty(),
            "base" => text == "SRCROOT",
            "level" => ["none", "note", "warning", "error"].contains(&text),
            "column kind" => ["utf16CodeUnits", "unicodeCodePoints"].contains(&text),
            "index" => number.is_some_and(|number| number >= 0),
            "from one" => number.is_some_and(|number| number >= 1),
            other => panic!("{at}: no rule for {other}"),
        },
        "{at}: {value} is no {what}"
    );
}

fn job() -> JobDiagnostics {
    serde_json::from_value(json!({
        "job": "01KB0Q6M3V8W2T5XJ4C9ZR7HN2", "attempt": 2,
        "commit": "0123456789abcdef0123456789abcdef01234567", "toolchain": "gcc:14",
        "compiler": "gcc (Debian 14.2.0-19) 14.2.0", "errors": 3, "warnings": 4, "omitted": 0,
        "diagnostics": [
            {"severity": "warning", "kind": "compile", "step": "compile",
             "place": {"file": "src/a b%ü.c", "origin": "repository", "line": 4, "column": 9},
             "message": "unused variable 'y'", "flag": "-Wunused-variable", "count": 3,
             "related": [
                {"place": {"file": "src/x.h", "origin": "repository", "line": 3}, "message": "here"},
                {"place": {"file": "src/x.h", "origin": "repository", "line": 3}, "message": "here"},
                {"message": ""}]},
            {"severity": "warning", "kind": "compile", "step": "compile",
             "place": {"file": "/usr/include/a.h", "origin": "system", "line": 0, "column": 0},
             "message": "", "flag": "-Wa", "count": 1},
            {"severity": "fatal", "kind": "compile", "step": "compile",
             "place": {"file": "<stdin>"}, "message": "no", "count": 1},
            {"severity": "error", "kind": "link", "step": "compile",
             "message": "undefined reference to `g'", "symbol": "g", "count": 2},
        ],
    }))
    .unwrap()
}

#[test]
fn what_is_written_keeps_the_rules_of_the_standard() {
    let origin =
        Origin { repository: "https://example.org/x.git", commit: &job().commit.to_string() };
    for origin in [None, Some(origin)] {
        for count in [0, 4] {
            let mut job = job();
            job.diagnostics.truncate(count);
            let log = serde_json::to_value(sarif(&job, origin)).unwrap();
            check(&log, "log", "");
            let run = &log["runs"][0];
            assert_eq!(run["results"].as_array().unwrap().len(), count);
            for result in run["results"].as_array().unwrap() {
                if let Some(index) = result["ruleIndex"].as_u64() {
                    let rule = &run["tool"]["driver"]["rules"][usize::try_from(index).unwrap()];
                    assert_eq!(rule["id"], result["ruleId"], "an index leads to its rule");
                }
                for location in result["locations"].as_array().into_iter().flatten() {
                    let base = &location["physicalLocation"]["artifactLocation"]["uriBaseId"];
                    let known = run["originalUriBaseIds"].get(base.as_str().unwrap_or("SRCROOT"));
                    assert!(known.is_some(), "{base} is not defined");
                }
            }
        }
    }
}

#[test]
fn results_say_what_was_said() {
    let log = serde_json::to_value(sarif(&job(), None)).unwrap();
    let run = &log["runs"][0];
    assert_eq!(run["tool"]["driver"]["name"], "gcc");
    assert_eq!(run["tool"]["driver"]["version"], "14.2.0");
    assert_eq!(run["automationDetails"]["id"], "kiln/gcc:14/01KB0Q6M3V8W2T5XJ4C9ZR7HN2/2");
    let results = run["results"].as_array().unwrap();
    let levels: Vec<_> = results.iter().map(|one| one["level"].as_str().unwrap()).collect();
    assert_eq!(levels, ["warning", "warning", "error", "error"]);
    let place = |result: usize| &results[result]["locations"][0]["physicalLocation"];
    assert_eq!(place(0)["artifactLocation"]["uri"], "src/a%20b%25%C3%BC.c");
    assert_eq!(place(0)["region"], json!({"startLine": 4, "startColumn": 9}));
    assert_eq!(place(1)["artifactLocation"]["uri"], "file:///usr/include/a.h");
    assert_eq!(place(2)["artifactLocation"]["uri"], "%3Cstdin%3E");
    assert_eq!(results[3].get("locations"), None);
    assert_eq!(results[0]["occurrenceCount"], 3);
}

#[test]
fn a_fingerprint_outlives_moved_lines_and_nothing_else() {
    let fingerprint = |change: fn(&mut JobDiagnostics)| {
        let mut job = job();
        change(&mut job);
        let log = serde_json::to_value(sarif(&job, None)).unwrap();
        log["runs"][0]["results"][0]["partialFingerprints"]["kiln/v1"].clone()
    };
    let before = fingerprint(|_| ());
    let moved = |job: &mut JobDiagnostics| {
        job.diagnostics[0].place.as_mut().unwrap().line = Some(400);
        job.diagnostics[0].count = 1;
    };
    assert_eq!(fingerprint(moved), before);
    assert_ne!(fingerprint(|job| job.diagnostics[0].message.push('!')), before);
    assert_ne!(fingerprint(|job| job.diagnostics[0].flag = None), before);
}

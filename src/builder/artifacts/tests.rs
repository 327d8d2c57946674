//! Tables of workspaces: what is kept by default and by rules.

use super::*;

const FILE: EntryType = EntryType::File;

fn strings(patterns: &[&str]) -> Vec<String> {
    patterns.iter().map(|pattern| (*pattern).to_owned()).collect()
}

fn select(rules: &ArtifactRules, entries: &[(&[u8], EntryType, u32)]) -> Selection {
    let in_source = |path: &[u8]| path.starts_with(b"tracked/");
    Selector::new(rules)
        .unwrap()
        .select(in_source, entries.iter().map(|&(path, kind, mode)| Candidate { path, kind, mode }))
}

#[test]
fn without_rules_new_programs_and_libraries_are_likely() {
    for (path, mode, expected) in [
        (&b"app"[..], 0o755, true),
        (b"build/libx.a", 0o644, true),
        (b"build/libx.so", 0o644, true),
        (b"libx.so.1.2.3", 0o644, true),
        (b"x.exe", 0o644, true),
        (b"x.dll", 0o644, true),
        (b"x.dylib", 0o644, true),
        (b".libs/prog", 0o755, true),
        (b".libs/libx.so.1.0", 0o755, true),
        (b".libs/lt-prog", 0o755, false),
        (b"main.o", 0o755, false),
        (b"x.lo", 0o755, false),
        (b"libx.la", 0o755, false),
        (b"conftest", 0o755, false),
        (b"config.status", 0o755, false),
        (b"libtool", 0o755, false),
        (b"build/CMakeFiles/3.25/CompilerIdC/a.out", 0o755, false),
        (b"build/meson-private/sanitycheckc.exe", 0o755, false),
        (b"README", 0o644, false),
        (b"tracked/app", 0o755, false),
        (b".a", 0o644, false),
    ] {
        let found = select(&ArtifactRules::default(), &[(path, FILE, mode)]);
        assert_eq!(found.likely.len() == 1, expected, "{}", String::from_utf8_lossy(path));
        assert_eq!(found.named, Vec::<Vec<u8>>::new());
    }
}

#[test]
fn patterns_match_whole_paths_and_stars_stay_in_a_folder() {
    for (pattern, path, expected) in [
        ("build/app", &b"build/app"[..], true),
        ("./build/app", b"build/app", true),
        ("build/*", b"build/app", true),
        ("build/*", b"build/a/b", true), // build/a is a folder that `*` names
        ("*.so", b"build/x.so", false),
        ("**/*.so", b"build/x.so", true),
        ("**/*.so", b"x.so", true),
        ("build/*.so*", b"build/x.so.1", true),
        ("build/*.so*", b"build/deep/x.so", false),
        ("dist", b"dist/a/b", true),
        ("dist/", b"dist/a", true),
        ("dist", b"distx", false),
        ("{a,b}.bin", b"b.bin", true),
        ("[ab].bin", b"c.bin", false),
        ("?", b"\xff", true),
        ("tracked/x", b"tracked/x", true),
    ] {
        let rules = ArtifactRules { include: strings(&[pattern]), ..ArtifactRules::default() };
        let found = select(&rules, &[(path, FILE, 0o644)]);
        assert_eq!(found.named.len() == 1, expected, "{pattern} {path:?}");
        assert!(found.likely.is_empty());
    }
}

#[test]
fn exclude_beats_include_and_required_beats_both() {
    let rules = ArtifactRules {
        include: strings(&["build"]),
        exclude: strings(&["**/*.o"]),
        required: strings(&["build/need.o", "build/absent", "link"]),
        when: None,
    };
    let found = select(
        &rules,
        &[
            (b"build/a.o", FILE, 0o644),
            (b"build/app", FILE, 0o644),
            (b"build/need.o", FILE, 0o644),
            (b"link", EntryType::Symlink, 0o777),
            (b"build/pipe", EntryType::Other, 0o644),
        ],
    );
    let named = [&b"build/app"[..], b"build/need.o", b"link"];
    assert_eq!(found.named, named);
    assert_eq!(found.notes, Vec::<String>::new());
    let selector = Selector::new(&rules).unwrap();
    assert_eq!(selector.missing([&b"build/app"[..], b"build/need.o"]), ["build/absent", "link"]);
    assert_eq!(selector.missing(named), ["build/absent"]);
    assert_eq!(selector.missing([]), rules.required);
}

#[test]
fn the_names_of_shared_libraries_are_likely_also_as_symlinks() {
    for (path, expected) in [
        (&b"build/libx.so"[..], true),
        (b"libx.so.1", true),
        (b"libx.so.1.22", true),
        (b".libs/libx-2.0.so.0", true),
        (b".so", false),
        (b".so.1", false),
        (b"libx.so.", false),
        (b"libx.so.txt", false),
        (b"libx.so1", false),
        (b"app", false),
        (b"libx.a", false),
        (b"tracked/libx.so", false),
        (b"CMakeFiles/libx.so", false),
    ] {
        let found = select(&ArtifactRules::default(), &[(path, EntryType::Symlink, 0o777)]);
        assert_eq!(found.likely.len() == 1, expected, "{}", String::from_utf8_lossy(path));
        assert_eq!(found.named.len() + found.notes.len(), 0);
    }
}

#[test]
fn required_without_include_adds_to_the_default() {
    let rules = ArtifactRules { required: strings(&["doc.txt"]), ..ArtifactRules::default() };
    let found = select(&rules, &[(b"doc.txt", FILE, 0o644), (b"app", FILE, 0o755)]);
    assert_eq!((found.named, found.likely), (vec![b"doc.txt".to_vec()], vec![b"app".to_vec()]));
}

#[test]
fn strange_names_are_noted_and_shown_safely() {
    let found = select(
        &ArtifactRules::default(),
        &[(b"a\x1b[31m", FILE, 0o755), (b"\xff", FILE, 0o755), (b"ok", FILE, 0o755)],
    );
    assert_eq!(found.likely, [b"ok".to_vec()]);
    assert_eq!(found.notes.len(), 1);
    assert!(found.notes[0].contains("a\\u{1b}[31m, \u{fffd}."), "{:?}", found.notes);
}

#[test]
fn patterns_that_cannot_be_used_are_named() {
    for pattern in ["[a", "{a", "a{b,{c,d}", "[z-a]"] {
        let rules = ArtifactRules { exclude: strings(&[pattern]), ..ArtifactRules::default() };
        assert_eq!(Selector::new(&rules).unwrap_err().pattern, pattern);
    }
}

#[test]
fn as_many_patterns_as_are_allowed_can_be_prepared() {
    let long = format!("{}{}", "{a,b}*?".repeat(140), "x");
    let rules = ArtifactRules { include: vec![long; 256], ..ArtifactRules::default() };
    // It may be refused, but only with a sentence, and without taking long.
    let _ = Selector::new(&rules);
}

//! Who imports whom: our modules among each other, and foreign crates.
//!
//! Reads text, not syntax trees: paths through `crate::` and `super::` are all there is, since
//! `use crate::*` and macros that build paths are not used here.

use std::collections::BTreeSet;

use super::files::File;
use super::tables::Tables;

/// Modules that a module imports, though its row in the table does not allow it.
pub(crate) fn modules(sources: &[File], tables: &Tables) -> Vec<String> {
    let mut problems = Vec::new();
    for file in sources {
        let Some(module) = file.module() else { continue };
        let code = file.code_without_comments();
        if leaves_by_super(&file.path, &code) {
            problems
                .push(format!("{}: leaves its module through `super`: write `crate::`", file.path));
        }
        let Some(allowed) = tables.module(module).and_then(|m| m.may_import.as_ref()) else {
            continue;
        };
        for import in paths_after(&code, "crate::") {
            let is_module = tables.module(&import).is_some();
            if is_module && import != module && !allowed.contains(&import) {
                problems.push(format!("{}: `{module}` may not import `{import}`", file.path));
            }
        }
    }
    problems
}

/// Foreign crates outside the modules they belong to.
pub(crate) fn crates(sources: &[File], tables: &Tables) -> Vec<String> {
    let mut problems = Vec::new();
    for file in sources {
        let Some(module) = file.module() else { continue };
        let code = file.code_without_comments();
        for (krate, places) in &tables.crates {
            if !places.contains(module) && !paths_after(&code, &format!("{krate}::")).is_empty() {
                let places: Vec<&str> = places.iter().map(String::as_str).collect();
                problems.push(format!(
                    "{}: `{krate}` belongs behind {}",
                    file.path,
                    places.join(", ")
                ));
            }
        }
    }
    problems
}

/// The names that follow a path prefix, one by one also where they stand in braces.
fn paths_after(code: &str, prefix: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(group) => names.extend(group_heads(group)),
            None => names.extend(head(rest)),
        }
    }
    names
}

/// The first name of every member of a `{…}` group, whatever is nested in it.
fn group_heads(group: &str) -> Vec<String> {
    let mut depth = 0_u32;
    let mut start = 0;
    let mut heads = Vec::new();
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                heads.extend(head(group[start..at].trim_start()));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    heads
}

fn head(rest: &str) -> Option<String> {
    let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// Whether a chain of `super::` is long enough to reach the root of the crate.
fn leaves_by_super(path: &str, code: &str) -> bool {
    let parts = path.trim_start_matches("src/").split('/').count();
    let depth = if path.ends_with("/mod.rs") { parts - 1 } else { parts };
    let chain = "super::".repeat(depth);
    // In `mod x { … }` inside a file one more is needed; there are none but tests, which are cut off.
    code.match_indices(&chain).any(|(at, _)| {
        !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
            && !code[at + chain.len()..].starts_with(['*', ')'])
    })
}

#[cfg(test)]
mod tests {
    use super::super::tables::PAGE;
    use super::*;

    fn check(found: &[String], expected: &str) {
        let found = found.join("\n");
        assert!(found.contains(expected), "expected {expected:?}, found {found:?}");
        assert_eq!(expected.is_empty(), found.is_empty(), "{found}");
    }

    #[test]
    fn imports_that_the_table_does_not_allow_are_found() {
        let bad = "`store` may not import `api`";
        for (path, text, expected) in [
            ("src/api/a.rs", "use crate::store::Row;", ""),
            ("src/api/a.rs", "use crate::api::x;", ""),
            ("src/main.rs", "use kiln::api; use crate::api;", ""),
            ("src/store/a.rs", "use crate::api::Route;", bad),
            ("src/store/a.rs", "fn f() { crate::api::call() }", bad),
            ("src/store/a.rs", "use crate::{\n    model::{A, B},\n    api::{C},\n};", bad),
            ("src/store/a.rs", "use crate::{model::{self, api}, error};", ""),
            ("src/store/a.rs", "// crate::api\nfn f() {}", ""),
            ("src/store/a.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\nuse crate::api::x;\n}", ""),
            ("src/store/mod.rs", "pub use super::api::X;", "write `crate::`"),
            ("src/store/a/b.rs", "use super::super::Row;", ""),
            ("src/store/a/b.rs", "use super::super::super::api;", "write `crate::`"),
        ] {
            check(&modules(&[File::new(path, text)], &Tables::parse(PAGE)), expected);
        }
    }

    #[test]
    fn crates_outside_their_module_are_found() {
        for (path, text, expected) in [
            ("src/store/a.rs", "use sqlx::query;", ""),
            ("src/api/a.rs", "use sqlx::query;", "`sqlx` belongs behind store"),
            ("src/api/a.rs", "#[derive(sqlx::FromRow)]", "`sqlx` belongs behind store"),
            ("src/api/a.rs", "use sqlx::{query, Row};", "`sqlx` belongs behind store"),
            ("src/api/a.rs", "use crate::store::sqlx::query; my_sqlx::f();", ""),
        ] {
            check(&crates(&[File::new(path, text)], &Tables::parse(PAGE)), expected);
        }
    }
}

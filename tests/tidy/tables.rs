//! The two tables of `docs/ARCHITECTURE.md`: which module may import which, which crate is where.

use std::collections::{BTreeMap, BTreeSet};

use super::files::File;

/// One row of the module table.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) name: String,
    /// `None`: everything.
    pub(crate) may_import: Option<BTreeSet<String>>,
}

/// Both tables.
#[derive(Debug)]
pub(crate) struct Tables {
    /// In the order of the page.
    pub(crate) modules: Vec<Module>,
    /// Crate, as it is written in code → the modules it may be in.
    pub(crate) crates: BTreeMap<String, BTreeSet<String>>,
}

impl Tables {
    pub(crate) fn parse(page: &str) -> Self {
        let modules = rows(page, "| module |").into_iter().map(|cells| Module {
            name: bare(&cells[0]),
            may_import: (cells[2] != "all").then(|| names(&cells[2])),
        });
        let crates = rows(page, "| crate |").into_iter();
        Self {
            modules: modules.collect(),
            crates: crates.map(|cells| (bare(&cells[0]), names(&cells[1]))).collect(),
        }
    }

    pub(crate) fn module(&self, name: &str) -> Option<&Module> {
        self.modules.iter().find(|module| module.name == name)
    }

    /// What is wrong with the tables themselves.
    pub(crate) fn problems(&self, sources: &[File]) -> Vec<String> {
        let mut problems = Vec::new();
        if self.modules.is_empty() || self.crates.is_empty() {
            problems
                .push("a table is missing: `| module | … | … |` and `| crate | … |`".to_owned());
        }
        let exist: BTreeSet<&str> = sources.iter().filter_map(File::module).collect();
        let mut above = BTreeSet::new();
        for module in &self.modules {
            if !exist.contains(module.name.as_str()) {
                problems.push(format!(
                    "`{}` is in the table, but there is no such module",
                    module.name
                ));
            }
            for import in module.may_import.iter().flatten() {
                if !above.contains(import) {
                    problems.push(format!(
                        "`{}` may import `{import}`, which does not stand above it: a module depends only on \
                         modules above it",
                        module.name
                    ));
                }
            }
            if !above.insert(module.name.clone()) {
                problems.push(format!("`{}` is in the table twice", module.name));
            }
        }
        for name in exist {
            if !above.contains(name) {
                problems.push(format!("`{name}` is a module, but not in the table: give it a row"));
            }
        }
        for (krate, places) in &self.crates {
            for place in places.iter().filter(|place| !above.contains(*place)) {
                problems.push(format!("crate `{krate}`: there is no module `{place}`"));
            }
        }
        problems
    }
}

/// The cells of every row of the table whose first line begins like this.
fn rows(page: &str, head: &str) -> Vec<Vec<String>> {
    let lines = page.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect())
        .collect()
}

fn bare(cell: &str) -> String {
    cell.trim_matches('`').to_owned()
}

fn names(cell: &str) -> BTreeSet<String> {
    cell.split(',').map(|name| bare(name.trim())).filter(|name| name != "–").collect()
}

#[cfg(test)]
pub(crate) const PAGE: &str = "\
| module | responsibility | may import |
|---|---|---|
| `model` | words | – |
| `store` | SQL | model |
| `api` | routes | model, store |
| `main` | all of it | all |

| crate | only in |
|---|---|
| `sqlx` | store |
";

#[test]
fn a_page_is_read() {
    let tables = Tables::parse(PAGE);
    let names: Vec<&str> = tables.modules.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["model", "store", "api", "main"]);
    assert_eq!(tables.module("model").unwrap().may_import, Some(BTreeSet::new()));
    assert_eq!(tables.module("api").unwrap().may_import.as_ref().unwrap().len(), 2);
    assert_eq!(tables.module("main").unwrap().may_import, None);
    assert_eq!(tables.crates["sqlx"], BTreeSet::from(["store".to_owned()]));
}

#[test]
fn a_bad_table_is_found() {
    let all = ["src/model/mod.rs", "src/store/mod.rs", "src/api/mod.rs", "src/main.rs"];
    let check = |page: &str, paths: &[&str], expected: &str| {
        let files: Vec<File> = paths.iter().map(|path| File::new(path, "")).collect();
        let problems = Tables::parse(page).problems(&files).join("\n");
        assert!(problems.contains(expected), "expected {expected:?}, got {problems:?}");
        assert_eq!(expected.is_empty(), problems.is_empty(), "{problems}");
    };
    check(PAGE, &all, "");
    check("", &all, "a table is missing");
    check(PAGE, &all[1..], "`model` is in the table, but there is no such module");
    check(
        PAGE,
        &[&all[..], &["src/web/mod.rs"]].concat(),
        "`web` is a module, but not in the table",
    );
    check(&PAGE.replace("| SQL | model |", "| SQL | api |"), &all, "does not stand above");
    check(&PAGE.replace("`sqlx` | store", "`sqlx` | shop"), &all, "there is no module `shop`");
}

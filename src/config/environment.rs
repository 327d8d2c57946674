//! The environment as settings: the process's, over that of a `.env` file.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

/// Variables that settings may come from.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process, and those of the file `.env` in `folder` that it does not
    /// set itself.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut variables = BTreeMap::new();
        let file = folder.join(".env");
        if file.is_file() {
            let problem = |error| io::Error::other(format!("{}: {error}", file.display()));
            for pair in dotenvy::from_path_iter(&file).map_err(problem)? {
                let (name, value) = pair.map_err(problem)?;
                variables.insert(name, value);
            }
        }
        variables.extend(Self::of_process().0);
        Ok(Self(variables))
    }

    /// The variables of this process alone.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self(variables.collect())
    }

    /// Where data is kept: what `KILN_DATA` says, else the system's place for root, the user's for
    /// others.
    pub fn data_directory(&self) -> PathBuf {
        if let Some(folder) = self.get("KILN_DATA") {
            return PathBuf::from(folder);
        }
        if let Some(folder) = self.get("XDG_DATA_HOME") {
            return PathBuf::from(folder).join("kiln");
        }
        match self.get("HOME") {
            Some("/root") | None => PathBuf::from("/var/lib/kiln"),
            Some(home) => PathBuf::from(home).join(".local/share/kiln"),
        }
    }

    /// Where a server of this user that listens on `port` notes where its administrator's token is,
    /// so that clients of the same user find it. Others cannot write there.
    pub fn note_of_server(&self, port: u16) -> PathBuf {
        let folder = match (self.get("XDG_RUNTIME_DIR"), self.get("HOME")) {
            (Some(folder), _) => PathBuf::from(folder),
            (None, Some("/root") | None) => PathBuf::from("/run"),
            (None, Some(home)) => PathBuf::from(home).join(".cache"),
        };
        folder.join(format!("kiln/server-{port}"))
    }

    /// From pairs: for tests.
    pub fn of<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// All variables that are not empty.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

//! Everything that is sealed, wherever it lies: for a change of the key.

use std::fmt;

use super::{Store, StoreError, Tx, error::column, sql::sql};
use crate::model::{ProjectId, SecretName, TargetId};

/// Where a sealed value lies and what it is for. It opens at no other place, and where somebody has written
/// another host or address beside it, not at all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SealedPlace {
    /// A secret of a project.
    Secret(ProjectId, SecretName),
    /// What a project shares with its forge.
    Hook(ProjectId),
    /// The one before.
    PreviousHook(ProjectId),
    /// How the repository of a project is asked, on this host.
    Login(ProjectId, String),
    /// How somebody is told how builds go, at this address.
    Target(TargetId, String),
}

impl fmt::Display for SealedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(project, name) => write!(f, "secret/{project}/{name}"),
            Self::Hook(project) => write!(f, "hook/{project}"),
            Self::PreviousHook(project) => write!(f, "previous-hook/{project}"),
            Self::Login(project, host) => write!(f, "login/{project}/{host}"),
            Self::Target(target, url) => write!(f, "target/{target}/{url}"),
        }
    }
}

impl Store {
    /// All of them.
    pub async fn sealed_values(
        &self,
        tx: &mut Tx,
    ) -> Result<Vec<(SealedPlace, Vec<u8>)>, StoreError> {
        let mut found = Vec::new();
        let secrets = sql("SELECT project_id, name, sealed FROM secrets ORDER BY project_id, name");
        for (id, name, sealed) in secrets.fetch_all::<(String, String, Vec<u8>)>(&mut *tx).await? {
            let project = column("secrets", &id, &id)?;
            found.push((SealedPlace::Secret(project, column("secrets", &name, &name)?), sealed));
        }
        let hooks = sql("SELECT project_id, sealed, previous FROM hooks ORDER BY project_id");
        for (id, sealed, previous) in
            hooks.fetch_all::<(String, Vec<u8>, Option<Vec<u8>>)>(&mut *tx).await?
        {
            let project = column("hooks", &id, &id)?;
            found.push((SealedPlace::Hook(project), sealed));
            found.extend(previous.map(|sealed| (SealedPlace::PreviousHook(project), sealed)));
        }
        let logins = sql("SELECT project_id, host, sealed FROM logins ORDER BY project_id");
        for (id, host, sealed) in logins.fetch_all::<(String, String, Vec<u8>)>(&mut *tx).await? {
            found.push((SealedPlace::Login(column("logins", &id, &id)?, host), sealed));
        }
        let targets = sql("SELECT id, url, sealed FROM targets ORDER BY id");
        for (id, url, sealed) in targets.fetch_all::<(String, String, Vec<u8>)>(tx).await? {
            found.push((SealedPlace::Target(column("targets", &id, &id)?, url), sealed));
        }
        Ok(found)
    }

    /// Puts another sealed value where one is.
    pub async fn reseal(
        &self,
        tx: &mut Tx,
        place: &SealedPlace,
        sealed: Vec<u8>,
    ) -> Result<(), StoreError> {
        let statement = match place {
            SealedPlace::Secret(project, name) => {
                sql("UPDATE secrets SET sealed = $1 WHERE project_id = $2 AND name = $3")
                    .bind(sealed)
                    .bind(project.to_string())
                    .bind(name.as_str())
            }
            SealedPlace::Hook(project) => sql("UPDATE hooks SET sealed = $1 WHERE project_id = $2")
                .bind(sealed)
                .bind(project.to_string()),
            SealedPlace::PreviousHook(project) => {
                sql("UPDATE hooks SET previous = $1 WHERE project_id = $2")
                    .bind(sealed)
                    .bind(project.to_string())
            }
            SealedPlace::Login(project, _) => {
                sql("UPDATE logins SET sealed = $1 WHERE project_id = $2")
                    .bind(sealed)
                    .bind(project.to_string())
            }
            SealedPlace::Target(target, _) => sql("UPDATE targets SET sealed = $1 WHERE id = $2")
                .bind(sealed)
                .bind(target.to_string()),
        };
        statement.execute(tx).await?;
        Ok(())
    }
}

//! The secrets of an installation: written, listed without their values, and opened for a job.

use std::sync::Arc;

use super::SealingKey;
use crate::{
    model::{
        ProjectId, SecretForm, SecretName, SecretValue, SecretValueError, StepName, Timestamp,
    },
    protocol::ClaimedSecret,
    store::{SecretRow, Store, StoreError, Tx},
};

/// The most secrets of a project, and the bytes of all of them: a job gets and masks them all.
const MAX_SECRETS: usize = 100;
const MAX_BYTES: usize = 128 << 10;
/// The most steps that a secret names.
const MAX_STEPS: usize = 64;

/// A secret could not be kept or opened.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The value is none that can be kept.
    #[error(transparent)]
    Value(#[from] SecretValueError),
    /// There are too many.
    #[error("{0}")]
    TooMany(String),
    /// They are sealed with another key.
    #[error(
        "the secrets in the database are sealed with the key {theirs}, and this server has {ours}: give it the same key file as before (server.secret_key_file, or secret-key in the data directory)"
    )]
    OtherKey {
        /// The key they are sealed with.
        theirs: String,
        /// The key that is there.
        ours: String,
    },
    /// A row does not open.
    #[error("the secret {name} of project {project} cannot be opened: {problem}; set it again")]
    Damaged {
        /// Its name.
        name: SecretName,
        /// Its project.
        project: ProjectId,
        /// Why.
        problem: super::OpenError,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The secrets of all projects, and the key.
#[derive(Clone, Debug)]
pub struct Secrets {
    store: Store,
    key: Arc<SealingKey>,
}

/// A secret that is to be kept.
#[derive(Debug)]
pub struct NewSecret {
    /// Its project.
    pub project: ProjectId,
    /// Its name.
    pub name: SecretName,
    /// How steps get it.
    pub form: SecretForm,
    /// Which steps; none means all.
    pub steps: Vec<StepName>,
    /// The value.
    pub value: SecretValue,
}

impl Secrets {
    /// The secrets in `store`, sealed with `key`: refused if those that are there have another. Where
    /// there are none yet, it is this key from now on.
    pub async fn open(store: Store, key: SealingKey) -> Result<Self, SecretsError> {
        store.installation().await?;
        let mut tx = store.begin().await?;
        let theirs = store.lock_secrets_key(&mut tx).await?;
        if theirs.as_deref() != Some(key.id()) {
            if let (Some(theirs), true) = (theirs, store.has_secrets(&mut tx).await?) {
                return Err(SecretsError::OtherKey { theirs, ours: key.id().to_owned() });
            }
            store.set_secrets_key(&mut tx, key.id()).await?;
            tx.commit().await?;
        }
        Ok(Self { store, key: Arc::new(key) })
    }

    /// Seals and keeps a secret, in place of the one that has its name.
    pub async fn put(
        &self,
        new: NewSecret,
        (by, now): (String, Timestamp),
    ) -> Result<SecretRow, SecretsError> {
        new.value.check(new.form)?;
        if new.steps.len() > MAX_STEPS {
            return Err(SecretsError::TooMany(format!("a secret names at most {MAX_STEPS} steps")));
        }
        let sealed = self.key.seal(&place(new.project, &new.name), &new.value);
        let (project, form, steps) = (new.project, new.form, new.steps);
        let row =
            SecretRow { name: new.name, form, steps, sealed, updated_by: by, updated_at: now };
        let mut tx = self.store.begin().await?;
        // Another server may have begun with another key while there was no secret.
        let theirs = self.store.lock_secrets_key(&mut tx).await?.unwrap_or_default();
        if theirs != self.key.id() {
            return Err(SecretsError::OtherKey { theirs, ours: self.key.id().to_owned() });
        }
        let others = self.store.secrets(&mut tx, project).await?;
        let others: Vec<_> = others.into_iter().filter(|other| other.name != row.name).collect();
        let bytes: usize = others.iter().chain([&row]).map(|row| row.sealed.len()).sum();
        if others.len() >= MAX_SECRETS || bytes > MAX_BYTES {
            return Err(SecretsError::TooMany(format!(
                "a project has at most {MAX_SECRETS} secrets of {} KiB in all: remove some",
                MAX_BYTES >> 10
            )));
        }
        self.store.put_secret(&mut tx, project, &row).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// The secrets of a project, by name; sealed.
    pub async fn list(&self, project: ProjectId) -> Result<Vec<SecretRow>, StoreError> {
        let mut tx = self.store.snapshot().await?;
        self.store.secrets(&mut tx, project).await
    }

    /// Forgets a secret; whether there was one.
    pub async fn remove(&self, project: ProjectId, name: &SecretName) -> Result<bool, StoreError> {
        let mut tx = self.store.begin().await?;
        let removed = self.store.remove_secret(&mut tx, project, name).await?;
        tx.commit().await?;
        Ok(removed)
    }

    /// The secrets of a project, open, for one of its jobs.
    pub async fn opened(
        &self,
        tx: &mut Tx,
        project: ProjectId,
    ) -> Result<Vec<ClaimedSecret>, SecretsError> {
        let rows = self.store.secrets(tx, project).await?;
        rows.into_iter()
            .map(|row| {
                let value = self.key.open(&place(project, &row.name), &row.sealed);
                let value = value.map_err(|problem| {
                    let name = row.name.clone();
                    SecretsError::Damaged { name, project, problem }
                })?;
                Ok(ClaimedSecret { name: row.name, form: row.form, steps: row.steps, value })
            })
            .collect()
    }

    /// Seals everything with another key, in one transaction; how many secrets that were.
    pub async fn rekey(self, new: &SealingKey) -> Result<usize, SecretsError> {
        let mut tx = self.store.begin().await?;
        self.store.lock_secrets_key(&mut tx).await?;
        let mut count = 0;
        for project in self.store.projects_in(&mut tx).await? {
            for row in self.store.secrets(&mut tx, project.id).await? {
                let place = place(project.id, &row.name);
                let value = self.key.open(&place, &row.sealed).map_err(|problem| {
                    let name = row.name.clone();
                    SecretsError::Damaged { name, project: project.id, problem }
                })?;
                let row = SecretRow { sealed: new.seal(&place, &value), ..row };
                self.store.put_secret(&mut tx, project.id, &row).await?;
                count += 1;
            }
        }
        self.store.set_secrets_key(&mut tx, new.id()).await?;
        tx.commit().await?;
        Ok(count)
    }
}

/// What a value is sealed for.
fn place(project: ProjectId, name: &SecretName) -> String {
    format!("secret/{project}/{name}")
}

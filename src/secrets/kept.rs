//! The secrets of an installation: written, listed without their values, and opened for a job.

use std::sync::Arc;

use super::SealingKey;
use crate::{
    model::{
        ProjectId, SecretForm, SecretName, SecretValue, SecretValueError, StepName, Timestamp,
    },
    protocol::ClaimedSecret,
    store::{SealedPlace, SecretRow, Store, StoreError, Tx},
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
    #[error("what is sealed as {place} cannot be opened: {problem}; set it again")]
    Damaged {
        /// Where it lies.
        place: SealedPlace,
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
        let (project, form, steps) = (new.project, new.form, new.steps);
        let mut tx = self.store.begin().await?;
        let place = SealedPlace::Secret(project, new.name.clone());
        let sealed = self.seal(&mut tx, &place, &new.value).await?;
        let row =
            SecretRow { name: new.name, form, steps, sealed, updated_by: by, updated_at: now };
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

    /// The key.
    pub(super) fn key(&self) -> &SealingKey {
        &self.key
    }

    /// The database that all of it is in.
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Seals a value for its place, in the transaction that puts it there.
    pub async fn seal(
        &self,
        tx: &mut Tx,
        place: &SealedPlace,
        value: &SecretValue,
    ) -> Result<Vec<u8>, SecretsError> {
        // Another server may have begun with another key while nothing was sealed.
        let theirs = self.store.lock_secrets_key(tx).await?.unwrap_or_default();
        if theirs != self.key.id() {
            return Err(SecretsError::OtherKey { theirs, ours: self.key.id().to_owned() });
        }
        Ok(self.key.seal(&place.to_string(), value))
    }

    /// The value that was sealed for a place.
    pub fn open_at(&self, place: &SealedPlace, sealed: &[u8]) -> Result<SecretValue, SecretsError> {
        let opened = self.key.open(&place.to_string(), sealed);
        opened.map_err(|problem| SecretsError::Damaged { place: place.clone(), problem })
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
                let place = SealedPlace::Secret(project, row.name.clone());
                let value = self.open_at(&place, &row.sealed)?;
                Ok(ClaimedSecret { name: row.name, form: row.form, steps: row.steps, value })
            })
            .collect()
    }

    /// Seals everything with another key, in one transaction; how many values that were.
    pub async fn rekey(self, new: &SealingKey) -> Result<usize, SecretsError> {
        let mut tx = self.store.begin().await?;
        self.store.lock_secrets_key(&mut tx).await?;
        let all = self.store.sealed_values(&mut tx).await?;
        let count = all.len();
        for (place, sealed) in all {
            let value = self.open_at(&place, &sealed)?;
            let sealed = new.seal(&place.to_string(), &value);
            self.store.reseal(&mut tx, &place, sealed).await?;
        }
        self.store.set_secrets_key(&mut tx, new.id()).await?;
        tx.commit().await?;
        Ok(count)
    }
}

//! The tokens and keys with which others are told how builds go.

use super::{Secrets, SecretsError};
use crate::{
    model::{ProjectId, SecretValue, TargetId, TargetKind, Timestamp},
    store::{SealedPlace, TargetRow},
};

/// Whom a project can tell at the most.
const MAX_TARGETS: usize = 20;

impl Secrets {
    /// Seals and keeps whom a project tells.
    pub async fn add_target(
        &self,
        project: ProjectId,
        (kind, url, secret): (TargetKind, String, &SecretValue),
        (by, now): (String, Timestamp),
    ) -> Result<TargetRow, SecretsError> {
        let id = TargetId::new(now);
        let mut tx = self.store().begin().await?;
        let place = SealedPlace::Target(id, url.clone());
        let sealed = self.seal(&mut tx, &place, secret).await?;
        if self.store().targets(&mut tx, project).await?.len() >= MAX_TARGETS {
            return Err(SecretsError::TooMany(format!(
                "a project tells at most {MAX_TARGETS}: remove some"
            )));
        }
        let row = TargetRow { id, project, kind, url, sealed, created_by: by, created_at: now };
        self.store().put_target(&mut tx, &row).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// The token or key of one of them.
    pub fn target_secret(&self, row: &TargetRow) -> Result<SecretValue, SecretsError> {
        self.open_at(&SealedPlace::Target(row.id, row.url.clone()), &row.sealed)
    }
}

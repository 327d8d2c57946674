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
        let sealed = self.seal(&mut tx, &SealedPlace::Target(id), secret).await?;
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
}

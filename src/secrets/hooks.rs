//! What projects share with their forges, so that a delivery can be believed.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{Secrets, SecretsError};
use crate::{
    model::{ProjectId, SecretValue, Timestamp},
    store::{HookRow, SealedPlace, StoreError, Tx},
};

/// How long the secret before is good after a change: time to change it at the forge.
const BOTH_ARE_GOOD: Duration = Duration::from_hours(24);

impl Secrets {
    /// Makes a new shared secret for a project, or takes the one that is given. The one before is good
    /// for another day.
    pub async fn renew_hook(
        &self,
        project: ProjectId,
        given: Option<SecretValue>,
        (by, now): (String, Timestamp),
    ) -> Result<(HookRow, SecretValue), SecretsError> {
        let made = || BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()).into_bytes();
        let value = given.unwrap_or_else(|| SecretValue::new(made()));
        let mut tx = self.store().begin().await?;
        let before = self.store().hook(&mut tx, project).await?;
        let previous = match before {
            Some(row) => {
                let old = self.open_at(&SealedPlace::Hook(project), &row.sealed)?;
                let place = SealedPlace::PreviousHook(project);
                Some((self.seal(&mut tx, &place, &old).await?, now.plus(BOTH_ARE_GOOD)))
            }
            None => None,
        };
        let sealed = self.seal(&mut tx, &SealedPlace::Hook(project), &value).await?;
        let row = HookRow { sealed, previous, created_by: by, created_at: now };
        self.store().put_hook(&mut tx, project, &row).await?;
        tx.commit().await?;
        Ok((row, value))
    }

    /// Forgets it; whether there was one.
    pub async fn remove_hook(&self, project: ProjectId) -> Result<bool, StoreError> {
        let mut tx = self.store().begin().await?;
        let removed = self.store().remove_hook(&mut tx, project).await?;
        tx.commit().await?;
        Ok(removed)
    }

    /// The secrets that a delivery for a project may be signed with now.
    pub async fn hook_secrets(
        &self,
        tx: &mut Tx,
        (project, now): (ProjectId, Timestamp),
    ) -> Result<Vec<SecretValue>, SecretsError> {
        let Some(row) = self.store().hook(tx, project).await? else { return Ok(Vec::new()) };
        let mut values = vec![self.open_at(&SealedPlace::Hook(project), &row.sealed)?];
        if let Some((sealed, until)) = row.previous
            && now < until
        {
            values.push(self.open_at(&SealedPlace::PreviousHook(project), &sealed)?);
        }
        Ok(values)
    }
}

//! Tokens of people and programs: made, listed, taken back, and who comes with one.

use std::{collections::BTreeSet, time::Duration};

use super::{
    Auth, AuthError,
    token::{self, Presented},
};
use crate::{
    model::{Account, Principal, ProjectId, Role, Scope, Timestamp, TokenId},
    protocol::{MadeToken, NewToken, TokenView},
    store::TokenRow,
};

/// How long a token counts if nobody says: long enough to forget it, short enough to have to renew
/// it before everybody has.
const TOKEN_SECONDS: u64 = 90 * 24 * 3600;

/// How exact the time is at which a token was used last: not every request is a write.
const USED: Duration = Duration::from_mins(5);

impl Auth {
    /// Makes a token.
    pub async fn make_token(
        &self,
        principal: &Principal,
        new: NewToken,
    ) -> Result<MadeToken, AuthError> {
        let now = self.now().await?;
        let projects = match &new.projects {
            None => None,
            Some(names) => {
                let mut ids = BTreeSet::new();
                for name in names {
                    let row = self.store.project_named(name).await?;
                    ids.insert(row.ok_or_else(|| AuthError::NoProject(name.clone()))?.id);
                }
                Some(ids)
            }
        };
        let seconds = new.expires_in_seconds.unwrap_or(TOKEN_SECONDS);
        let id = TokenId::new(now);
        let (token, secret_hash) = token::make(id);
        let row = TokenRow {
            id,
            owner: new.owner.unwrap_or_else(|| new.name.clone()),
            name: new.name,
            role: new.role,
            projects,
            created_by: principal.as_key(),
            created_at: now,
            expires_at: (!new.never_expires).then(|| now.plus(Duration::from_secs(seconds))),
            revoked_at: None,
            used_at: None,
        };
        let mut tx = self.store.begin().await?;
        match self.store.insert_token(&mut tx, &row, &secret_hash).await {
            Err(error) if error.is_duplicate() => {
                return Err(AuthError::TokenNamed { name: row.name, owner: row.owner });
            }
            written => written?,
        }
        tx.commit().await?;
        tracing::info!(token.id = %id, token.owner = %row.owner, "token made");
        let token_view = self.token_views(vec![row], now).await?.remove(0);
        Ok(MadeToken { token, made: token_view })
    }

    /// Every token, without its secret part.
    pub async fn tokens(&self) -> Result<Vec<TokenView>, AuthError> {
        let now = self.now().await?;
        self.token_views(self.store.tokens().await?, now).await
    }

    /// Takes a token back; whether there was one.
    pub async fn revoke_token(&self, id: TokenId) -> Result<bool, AuthError> {
        let now = self.now().await?;
        let mut tx = self.store.begin().await?;
        let is_there = self.store.revoke_token(&mut tx, id, now).await?;
        tx.commit().await?;
        Ok(is_there)
    }

    /// Who comes with what begins like a token of ours; nothing if it is of another kind.
    pub(super) async fn account(&self, sent: &str) -> Result<Option<Account>, AuthError> {
        let (id, secret) = match token::read(sent) {
            Presented::Other => return Ok(None),
            Presented::Damaged => return Err(AuthError::Damaged),
            Presented::Account { id, secret } => (id, secret),
        };
        // The same answer for a token of another server and for a wrong secret.
        let (row, hash) = self.store.token(id).await?.ok_or(AuthError::BadToken)?;
        if !secret.matches(&hash) {
            return Err(AuthError::BadToken);
        }
        let now = self.now().await?;
        if row.revoked_at.is_some() {
            return Err(AuthError::Revoked);
        }
        if row.expires_at.is_some_and(|end| end <= now) {
            return Err(AuthError::Expired);
        }
        if row.used_at.is_none_or(|before| now.since(before) >= USED) {
            let mut tx = self.store.begin().await?;
            self.store.use_token_row(&mut tx, id, now).await?;
            tx.commit().await?;
        }
        Ok(Some(Account {
            token: id,
            owner: row.owner,
            role: row.role,
            scope: row.projects.map_or(Scope::All, Scope::Projects),
        }))
    }

    /// The time by which rows are stamped.
    pub(super) async fn now(&self) -> Result<Timestamp, AuthError> {
        Ok(self.store.clock().await?.unwrap_or_else(|| self.clock.now()))
    }

    async fn token_views(
        &self,
        rows: Vec<TokenRow>,
        now: Timestamp,
    ) -> Result<Vec<TokenView>, AuthError> {
        let projects = self.store.projects().await?;
        // A project that was removed has no name any more; its token opens nothing there.
        let name =
            |id: &ProjectId| projects.iter().find(|row| row.id == *id).map(|row| row.name.clone());
        Ok(rows
            .into_iter()
            .map(|row| TokenView {
                id: row.id,
                name: row.name,
                owner: row.owner,
                role: row.role,
                projects: row.projects.map(|ids| ids.iter().filter_map(name).collect()),
                created_by: row.created_by,
                created_at: row.created_at,
                is_expired: row.expires_at.is_some_and(|end| end <= now),
                expires_at: row.expires_at,
                revoked_at: row.revoked_at,
                used_at: row.used_at,
            })
            .collect())
    }

    /// What somebody may do, for them to see.
    pub async fn who(&self, principal: &Principal) -> Result<crate::protocol::WhoView, AuthError> {
        let (role, scope) = match principal {
            Principal::Account(account) => (account.role, account.scope.clone()),
            Principal::Anonymous | Principal::Agent(_) => (Role::Read, Scope::All),
            Principal::LocalAdministrator => (Role::Admin, Scope::All),
        };
        let projects = match scope {
            Scope::All => None,
            Scope::Projects(ids) => {
                let rows = self.store.projects().await?;
                let rows = rows.into_iter().filter(|row| ids.contains(&row.id));
                Some(rows.map(|row| row.name).collect())
            }
        };
        Ok(crate::protocol::WhoView { who: principal.as_key(), role, projects })
    }
}

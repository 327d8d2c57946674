//! Tokens of people and programs, and the audit log.

use reqwest::Method;

use super::{ClientError, Paths, Rest};
use crate::{
    model::TokenId,
    protocol::{AuditEntry, AuditFilter, MadeToken, NewToken, Page, TokenView, WhoView},
};

impl Rest {
    /// Who the server takes this client for.
    pub async fn whoami(&self) -> Result<WhoView, ClientError> {
        self.get(&Paths::whoami()).await
    }

    /// Makes a token.
    pub async fn make_token(&self, new: &NewToken) -> Result<MadeToken, ClientError> {
        let post = self.http().request(Method::POST, &Paths::tokens());
        self.http().json(post.json(new)).await
    }

    /// The tokens.
    pub async fn tokens(&self) -> Result<Page<TokenView>, ClientError> {
        self.get(&Paths::tokens()).await
    }

    /// Takes a token back.
    pub async fn revoke_token(&self, id: TokenId) -> Result<(), ClientError> {
        let path = format!("{}/{id}", Paths::tokens());
        self.http().send(self.http().request(Method::DELETE, &path)).await.map(drop)
    }

    /// A page of the audit log.
    pub async fn audit(&self, filter: &AuditFilter) -> Result<Page<AuditEntry>, ClientError> {
        self.get(&Paths::audit(filter)).await
    }
}

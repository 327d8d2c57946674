//! Who a token belongs to: agents, which enroll with one, and the administrator.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    model::{AgentId, Clock, Principal},
    protocol::{PROTOCOL_VERSION, RegisterAnswer, RegisterRequest},
    store::{Store, StoreError},
};

/// The longest agent name.
const MAX_NAME: usize = 128;

/// An agent was not let in.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The token is not one of ours.
    #[error("this token is not valid here")]
    BadToken,
    /// There is none, and this server wants one.
    #[error(
        "this server takes only clients with its token: put it into a file and name that with --access-token-file or KILN_TOKEN_FILE"
    )]
    NoToken,
    /// The agent speaks an older or newer protocol.
    #[error(
        "this server speaks agent protocol {PROTOCOL_VERSION}, the agent {0}: run the same release on both"
    )]
    Protocol(u32),
    /// The name cannot be used.
    #[error("an agent's name has 1 to {MAX_NAME} printable characters")]
    Name,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Knows agents by their tokens.
#[derive(Clone, Debug)]
pub struct Auth {
    store: Store,
    clock: Arc<dyn Clock>,
    enrollment_hash: [u8; 32],
    /// Without one, whoever sits at this machine is the administrator.
    admin_hash: Option<[u8; 32]>,
}

impl Auth {
    /// Lets agents in that have `enrollment` as their enrollment token.
    pub fn new(store: Store, clock: Arc<dyn Clock>, enrollment: &str) -> Self {
        Self { store, clock, enrollment_hash: digest(enrollment), admin_hash: None }
    }

    /// The same, where the administrator is who has this token, and nobody else.
    #[must_use]
    pub fn with_admin(self, token: Option<&str>) -> Self {
        Self { admin_hash: token.map(digest), ..self }
    }

    /// Whether everybody needs a token.
    pub fn wants_token(&self) -> bool {
        self.admin_hash.is_some()
    }

    /// Who sends this token, or none.
    pub async fn principal(&self, token: Option<&str>) -> Result<Principal, AuthError> {
        match (token, self.admin_hash) {
            (None, None) => Ok(Principal::LocalAdministrator),
            (None, Some(_)) => Err(AuthError::NoToken),
            (Some(token), Some(admin)) if bool::from(digest(token).ct_eq(&admin)) => {
                Ok(Principal::LocalAdministrator)
            }
            (Some(token), _) => Ok(Principal::Agent(self.agent(token).await?)),
        }
    }

    /// Makes an agent known; answers its id and its own token, which is not kept anywhere.
    pub async fn register(
        &self,
        enrollment: &str,
        request: &RegisterRequest,
    ) -> Result<RegisterAnswer, AuthError> {
        if !bool::from(digest(enrollment).ct_eq(&self.enrollment_hash)) {
            return Err(AuthError::BadToken);
        }
        if request.protocol != PROTOCOL_VERSION {
            return Err(AuthError::Protocol(request.protocol));
        }
        let name = &request.name;
        if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(AuthError::Name);
        }
        let token = new_token();
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let hash = token_hash(&token);
        let agent = self.store.register_agent(&mut tx, AgentId::new(now), name, &hash, now).await?;
        tx.commit().await?;
        tracing::info!(agent.id = %agent, agent.name = %name, "agent registered");
        Ok(RegisterAnswer { agent, token })
    }

    /// The agent that has this token.
    pub async fn agent(&self, token: &str) -> Result<AgentId, AuthError> {
        let agent = self.store.agent_by_token(&token_hash(token)).await?;
        agent.ok_or(AuthError::BadToken)
    }
}

/// A token nobody can guess.
pub(super) fn new_token() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn token_hash(token: &str) -> String {
    hex::encode(digest(token))
}

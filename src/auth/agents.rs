//! Who a token belongs to: agents, which enroll with one, and the administrator.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    config::Anonymous,
    model::{AccountName, AgentId, Clock, EnrollmentId, Principal, ProjectName, Timestamp},
    protocol::{
        AgentStatus, EnrollmentView, MadeEnrollment, NewEnrollment, RegisterAnswer,
        RegisterRequest, unsupported_protocol,
    },
    store::{NewAgent, Store, StoreError, Tx},
};

/// How long an enrollment token counts if nobody says: long enough to log in on another machine.
const ENROLLMENT_SECONDS: u64 = 3600;

/// An agent that was heard of so lately is there: nobody else gets its name.
const ONLINE: Duration = Duration::from_secs(45);

/// The longest agent name.
const MAX_NAME: usize = 128;

/// An agent was not let in.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The token is not one of ours.
    #[error(
        "this token is not valid here: it is another server's, or was removed; ask an administrator for one"
    )]
    BadToken,
    /// It begins like a token and does not end like one.
    #[error(
        "this token is cut off or mistyped: it has {} characters, copy all of them",
        super::token::LENGTH
    )]
    Damaged,
    /// It counts no more.
    #[error("this token has expired: ask an administrator for a new one (`kiln token create`)")]
    Expired,
    /// It was taken back.
    #[error("this token was revoked: ask an administrator for a new one (`kiln token create`)")]
    Revoked,
    /// A token of this name is there.
    #[error("{owner} has a token {name} already: revoke that one first, or choose another name")]
    TokenNamed {
        /// What it is called.
        name: AccountName,
        /// Whose it is.
        owner: AccountName,
    },
    /// A token was to be for a project that is not there.
    #[error("there is no project {0}")]
    NoProject(ProjectName),
    /// There is none, and this server wants one.
    #[error(
        "this needs a token: put it into a file and name that with --access-token-file or KILN_TOKEN_FILE; the administrator's own is the file admin-token in the server's data directory"
    )]
    NoToken,
    /// The enrollment token counts no more.
    #[error(
        "this enrollment token {0}: make a new one with `kiln agents enroll` and give its file to the agent"
    )]
    Spent(&'static str),
    /// The agent's name does not begin as its token wants.
    #[error("this enrollment token is for agents whose names begin with {0:?}: give --name")]
    Prefix(String),
    /// Another agent of this name is there.
    #[error(
        "an agent named {0:?} is connected already: give this one another name with --name, or stop that one and remove it with `kiln agents remove`"
    )]
    NameTaken(String),
    /// The agent speaks a protocol that this server does not.
    #[error("{0}")]
    Protocol(String),
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
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    admin_hash: Option<[u8; 32]>,
    anonymous: Anonymous,
}

impl Auth {
    /// Knows the agents of this database.
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, admin_hash: None, anonymous: Anonymous::Nothing }
    }

    /// Lets in agents with this token, too, any number of them: the one that is kept in a file. All
    /// servers of an installation take it.
    pub async fn admit(&self, token: &str) -> Result<(), AuthError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let row = EnrollmentView {
            id: EnrollmentId::new(now),
            created_by: "server".to_owned(),
            created_at: now,
            expires_at: None,
            uses_allowed: None,
            uses: 0,
            labels: BTreeSet::new(),
            name_prefix: String::new(),
            note: "the server's own, from its file".to_owned(),
            revoked: false,
        };
        self.store.put_enrollment(&mut tx, &token_hash(token), &row).await?;
        Ok(tx.commit().await?)
    }

    /// Makes a token that lets agents in.
    pub async fn enroll(
        &self,
        principal: &Principal,
        new: NewEnrollment,
    ) -> Result<MadeEnrollment, AuthError> {
        let now = self.clock.now();
        let seconds = new.expires_in_seconds.unwrap_or(ENROLLMENT_SECONDS);
        let row = EnrollmentView {
            id: EnrollmentId::new(now),
            created_by: principal.as_key(),
            created_at: now,
            expires_at: Some(now.plus(Duration::from_secs(seconds))),
            uses_allowed: (!new.unlimited).then(|| new.uses.unwrap_or(1)),
            uses: 0,
            labels: new.labels,
            name_prefix: new.name_prefix,
            note: new.note,
            revoked: false,
        };
        let token = new_token();
        let mut tx = self.store.begin().await?;
        self.store.put_enrollment(&mut tx, &token_hash(&token), &row).await?;
        tx.commit().await?;
        tracing::info!(enrollment.id = %row.id, "enrollment token made");
        Ok(MadeEnrollment { token, enrollment: row })
    }

    /// Every enrollment token.
    pub async fn enrollments(&self) -> Result<Vec<EnrollmentView>, AuthError> {
        Ok(self.store.enrollments().await?)
    }

    /// Takes an enrollment token back; whether there was one.
    pub async fn revoke(&self, id: EnrollmentId) -> Result<bool, AuthError> {
        let mut tx = self.store.begin().await?;
        let revoked = self.store.revoke_enrollment(&mut tx, id).await?;
        tx.commit().await?;
        Ok(revoked)
    }

    /// The same, where whoever has this token is the administrator.
    #[must_use]
    pub fn with_admin(self, token: &str) -> Self {
        Self { admin_hash: Some(digest(token)), ..self }
    }

    /// The same, where those without a token may do this.
    #[must_use]
    pub fn with_anonymous(self, anonymous: Anonymous) -> Self {
        Self { anonymous, ..self }
    }

    /// Whether everybody needs a token.
    pub fn wants_token(&self) -> bool {
        self.anonymous == Anonymous::Nothing
    }

    /// Who sends this token, or none.
    pub async fn principal(&self, token: Option<&str>) -> Result<Principal, AuthError> {
        let Some(token) = token else {
            return match self.anonymous {
                Anonymous::Nothing => Err(AuthError::NoToken),
                Anonymous::Read => Ok(Principal::Anonymous),
                Anonymous::Admin => Ok(Principal::LocalAdministrator),
            };
        };
        if self.admin_hash.is_some_and(|admin| digest(token).ct_eq(&admin).into()) {
            return Ok(Principal::LocalAdministrator);
        }
        match self.account(token).await? {
            Some(account) => Ok(Principal::Account(account)),
            None => Ok(Principal::Agent(self.agent(token).await?)),
        }
    }

    /// Makes an agent known; answers its id and its own token, which is not kept anywhere.
    pub async fn register(
        &self,
        enrollment: &str,
        request: &RegisterRequest,
    ) -> Result<RegisterAnswer, AuthError> {
        if let Some(sentence) = unsupported_protocol(request.protocol) {
            return Err(AuthError::Protocol(sentence));
        }
        let name = &request.name;
        if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(AuthError::Name);
        }
        let now = match self.store.clock().await? {
            Some(now) => now,
            None => self.clock.now(),
        };
        let mut tx = self.store.begin().await?;
        let known = self.store.agent_named(&mut tx, name).await?;
        // The answer was lost, and the same process asks again.
        let is_repeated = known
            .as_ref()
            .is_some_and(|known| !known.process.is_empty() && known.process == request.process);
        let scope = self.use_token(&mut tx, enrollment, is_repeated, now).await?;
        if !name.starts_with(&scope.name_prefix) {
            return Err(AuthError::Prefix(scope.name_prefix));
        }
        if let Some(known) = &known {
            // One that never claimed has said nothing of itself.
            let was_heard = known.status != AgentStatus::default();
            if !is_repeated && was_heard && now.since(known.seen_at) <= ONLINE {
                return Err(AuthError::NameTaken(name.clone()));
            }
        }
        let token = new_token();
        let new = NewAgent {
            name,
            token_hash: &token_hash(&token),
            labels: &scope.labels,
            process: &request.process,
        };
        let agent = self.store.register_agent(&mut tx, AgentId::new(now), &new, now).await?;
        tx.commit().await?;
        tracing::info!(agent.id = %agent, agent.name = %name, "agent registered");
        Ok(RegisterAnswer { agent, token })
    }

    /// Uses an enrollment token, in the transaction that writes the agent.
    async fn use_token(
        &self,
        tx: &mut Tx,
        token: &str,
        is_repeated: bool,
        now: Timestamp,
    ) -> Result<EnrollmentView, AuthError> {
        let hash = token_hash(token);
        if !is_repeated && let Some(used) = self.store.use_enrollment(tx, &hash, now).await? {
            return Ok(used);
        }
        match self.store.enrollment(tx, &hash).await? {
            None => Err(AuthError::BadToken),
            Some(it) if it.revoked => Err(AuthError::Spent("was taken back")),
            Some(it) if it.expires_at.is_some_and(|end| end <= now) => {
                Err(AuthError::Spent("has expired"))
            }
            Some(it) if is_repeated => Ok(it),
            Some(_) => Err(AuthError::Spent("has been used")),
        }
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

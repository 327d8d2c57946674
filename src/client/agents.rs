//! What an administrator asks of the farm's agents.

use reqwest::Method;

use super::{ClientError, Paths, Rest};
use crate::{
    model::{AgentId, EnrollmentId},
    protocol::{
        AgentView, EnrollmentView, HoldKind, HoldRequest, MadeEnrollment, NewEnrollment, Page,
    },
};

impl Rest {
    /// The agents.
    pub async fn agents(&self) -> Result<Page<AgentView>, ClientError> {
        self.get(&Paths::agents()).await
    }

    /// One agent: looked for in the list, which is short.
    pub async fn agent(&self, id: AgentId) -> Result<AgentView, ClientError> {
        let found = self.agents().await?.items.into_iter().find(|agent| agent.id == id);
        found.ok_or_else(|| ClientError::Answer(format!("there is no agent {id} any more")))
    }

    /// Has an agent take no more jobs.
    pub async fn hold_agent(
        &self,
        id: AgentId,
        kind: HoldKind,
        reason: &str,
    ) -> Result<AgentView, ClientError> {
        let verb = match kind {
            HoldKind::Held => "hold",
            HoldKind::Draining => "drain",
        };
        let request = HoldRequest { reason: reason.to_owned() };
        let post = self.http().request(Method::POST, &format!("{}/{verb}", Paths::agent(id)));
        self.http().json(post.json(&request)).await
    }

    /// Has an agent take jobs again.
    pub async fn resume_agent(&self, id: AgentId) -> Result<AgentView, ClientError> {
        let post = self.http().request(Method::POST, &format!("{}/resume", Paths::agent(id)));
        self.http().json(post).await
    }

    /// Forgets an agent.
    pub async fn remove_agent(&self, id: AgentId, force: bool) -> Result<(), ClientError> {
        let path = format!("{}?force={force}", Paths::agent(id));
        self.http().send(self.http().request(Method::DELETE, &path)).await.map(drop)
    }

    /// Makes an enrollment token.
    pub async fn enroll(&self, new: &NewEnrollment) -> Result<MadeEnrollment, ClientError> {
        let post = self.http().request(Method::POST, &Paths::enrollments());
        self.http().json(post.json(new)).await
    }

    /// The enrollment tokens.
    pub async fn enrollments(&self) -> Result<Page<EnrollmentView>, ClientError> {
        self.get(&Paths::enrollments()).await
    }

    /// Takes an enrollment token back.
    pub async fn revoke_enrollment(&self, id: EnrollmentId) -> Result<(), ClientError> {
        let path = format!("{}/{id}", Paths::enrollments());
        self.http().send(self.http().request(Method::DELETE, &path)).await.map(drop)
    }
}

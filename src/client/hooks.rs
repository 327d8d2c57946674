//! A project and its forge: webhooks, logins, and who is told.

use reqwest::Method;

use super::{ClientError, Paths, Rest};
use crate::{
    model::{DeliveryId, NoticeId, ProjectName, TargetId},
    protocol::{
        DeliveryView, HookView, LoginView, NewTarget, NoticeView, Page, PutHook, PutLogin,
        TargetView,
    },
};

impl Rest {
    /// The webhook of a project.
    pub async fn hook(&self, project: &ProjectName) -> Result<HookView, ClientError> {
        self.get(&format!("{}/hook", Paths::project(project))).await
    }

    /// Makes one, or a new secret for it.
    pub async fn put_hook(
        &self,
        project: &ProjectName,
        put: &PutHook,
    ) -> Result<HookView, ClientError> {
        let path = format!("{}/hook", Paths::project(project));
        self.http().json(self.http().request(Method::PUT, &path).json(put)).await
    }

    /// Removes it.
    pub async fn remove_hook(&self, project: &ProjectName) -> Result<(), ClientError> {
        let path = format!("{}/hook", Paths::project(project));
        self.http().send(self.http().request(Method::DELETE, &path)).await.map(drop)
    }

    /// What came in.
    pub async fn deliveries(
        &self,
        project: &ProjectName,
    ) -> Result<Page<DeliveryView>, ClientError> {
        self.get(&Paths::deliveries(project)).await
    }

    /// Has a delivery done once more.
    pub async fn replay_delivery(
        &self,
        project: &ProjectName,
        id: DeliveryId,
    ) -> Result<DeliveryView, ClientError> {
        let path = format!("{}/{id}/replay", Paths::deliveries(project));
        self.http().json(self.http().request(Method::POST, &path)).await
    }

    /// How the repository of a project is asked.
    pub async fn login(&self, project: &ProjectName) -> Result<LoginView, ClientError> {
        self.get(&format!("{}/login", Paths::project(project))).await
    }

    /// Writes it.
    pub async fn put_login(
        &self,
        project: &ProjectName,
        put: &PutLogin,
    ) -> Result<LoginView, ClientError> {
        let path = format!("{}/login", Paths::project(project));
        self.http().json(self.http().request(Method::PUT, &path).json(put)).await
    }

    /// Removes it.
    pub async fn remove_login(&self, project: &ProjectName) -> Result<(), ClientError> {
        let path = format!("{}/login", Paths::project(project));
        self.http().send(self.http().request(Method::DELETE, &path)).await.map(drop)
    }

    /// Whom a project tells.
    pub async fn targets(&self, project: &ProjectName) -> Result<Page<TargetView>, ClientError> {
        self.get(&Paths::targets(project)).await
    }

    /// Tells somebody from now on.
    pub async fn add_target(
        &self,
        project: &ProjectName,
        new: &NewTarget,
    ) -> Result<TargetView, ClientError> {
        let request = self.http().request(Method::POST, &Paths::targets(project)).json(new);
        self.http().json(request).await
    }

    /// Tells somebody no longer.
    pub async fn remove_target(
        &self,
        project: &ProjectName,
        id: TargetId,
    ) -> Result<(), ClientError> {
        let path = format!("{}/{id}", Paths::targets(project));
        self.http().send(self.http().request(Method::DELETE, &path)).await.map(drop)
    }

    /// What was told, and what is to be.
    pub async fn notices(&self, project: &ProjectName) -> Result<Page<NoticeView>, ClientError> {
        self.get(&Paths::notices(project)).await
    }

    /// Has something told once more.
    pub async fn resend_notice(
        &self,
        project: &ProjectName,
        id: NoticeId,
    ) -> Result<(), ClientError> {
        let path = format!("{}/{id}/resend", Paths::notices(project));
        self.http().send(self.http().request(Method::POST, &path)).await.map(drop)
    }
}

//! What is kept, and what goes.

use reqwest::Method;

use super::{ClientError, Paths, Rest};
use crate::{
    model::{BuildId, ProjectName, RetentionRules},
    protocol::{Build, PinRequest, ProjectRetention, RetentionReport, Usage},
};

impl Rest {
    /// What the rules would remove now.
    pub async fn retention_plan(&self) -> Result<RetentionReport, ClientError> {
        self.get("api/v1/retention/plan").await
    }

    /// Applies the rules now.
    pub async fn apply_retention(&self) -> Result<RetentionReport, ClientError> {
        self.http().json(self.http().request(Method::POST, "api/v1/retention/run")).await
    }

    /// The rules of a project.
    pub async fn project_retention(
        &self,
        name: &ProjectName,
    ) -> Result<ProjectRetention, ClientError> {
        self.get(&format!("{}/retention", Paths::project(name))).await
    }

    /// Writes the rules of a project.
    pub async fn set_project_retention(
        &self,
        name: &ProjectName,
        rules: &RetentionRules,
    ) -> Result<ProjectRetention, ClientError> {
        let path = format!("{}/retention", Paths::project(name));
        self.http().json(self.http().request(Method::PUT, &path).json(rules)).await
    }

    /// Has a build kept whatever the rules say.
    pub async fn pin(&self, build: BuildId, reason: &str) -> Result<Build, ClientError> {
        let path = format!("{}/pin", Paths::build(build));
        let request = PinRequest { reason: reason.to_owned() };
        self.http().json(self.http().request(Method::PUT, &path).json(&request)).await
    }

    /// Takes that back.
    pub async fn unpin(&self, build: BuildId) -> Result<Build, ClientError> {
        let path = format!("{}/pin", Paths::build(build));
        self.http().json(self.http().request(Method::DELETE, &path)).await
    }

    /// Removes a build with everything, or its artifacts alone.
    pub async fn remove_build(
        &self,
        build: BuildId,
        artifacts_only: bool,
    ) -> Result<(), ClientError> {
        let below = if artifacts_only { "/artifacts" } else { "" };
        let path = format!("{}{below}", Paths::build(build));
        self.http().send(self.http().request(Method::DELETE, &path)).await.map(drop)
    }

    /// What is used, by project.
    pub async fn usage(&self) -> Result<Usage, ClientError> {
        self.get("api/v1/usage").await
    }
}

//! Watched projects.

use reqwest::Method;

use super::{ClientError, Paths, Rest};
use crate::{
    model::{ProjectName, WatchRules},
    protocol::{HeadView, Page, Rebuild, RebuiltView, WatchView},
};

impl Rest {
    /// How a project is watched.
    pub async fn project_watch(&self, project: &ProjectName) -> Result<WatchView, ClientError> {
        self.get(&Paths::watch(project)).await
    }

    /// Watches a project.
    pub async fn watch_project(
        &self,
        project: &ProjectName,
        rules: &WatchRules,
    ) -> Result<WatchView, ClientError> {
        self.http().json(self.http().request(Method::PUT, &Paths::watch(project)).json(rules)).await
    }

    /// Watches a project no longer.
    pub async fn unwatch_project(&self, project: &ProjectName) -> Result<(), ClientError> {
        let request = self.http().request(Method::DELETE, &Paths::watch(project));
        self.http().send(request).await.map(drop)
    }

    /// Has a project's repository looked at now.
    pub async fn check_project(&self, project: &ProjectName) -> Result<(), ClientError> {
        let path = format!("{}/check", Paths::project(project));
        self.http().send(self.http().request(Method::POST, &path)).await.map(drop)
    }

    /// Builds every watched branch once more.
    pub async fn rebuild(&self, wanted: &Rebuild) -> Result<Page<RebuiltView>, ClientError> {
        self.http().json(self.http().request(Method::POST, "api/v1/rebuild").json(wanted)).await
    }

    /// The refs of a watched project.
    pub async fn project_refs(&self, project: &ProjectName) -> Result<Page<HeadView>, ClientError> {
        self.get(&Paths::refs(project)).await
    }
}

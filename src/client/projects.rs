//! Projects.

use reqwest::Method;

use super::{ClientError, Paths, Rest};
use crate::{
    model::ProjectName,
    protocol::{ChangeProject, NewProject, Page, ProjectView},
};

impl Rest {
    /// The projects.
    pub async fn projects(&self) -> Result<Page<ProjectView>, ClientError> {
        self.get(&Paths::projects()).await
    }

    /// One project.
    pub async fn project(&self, name: &ProjectName) -> Result<ProjectView, ClientError> {
        self.get(&Paths::project(name)).await
    }

    /// Changes a project.
    pub async fn change_project(
        &self,
        name: &ProjectName,
        change: &ChangeProject,
    ) -> Result<ProjectView, ClientError> {
        let request = self.http().request(Method::PATCH, &Paths::project(name)).json(change);
        self.http().json(request).await
    }

    /// Adds a project.
    pub async fn add_project(&self, new: &NewProject) -> Result<ProjectView, ClientError> {
        let post = self.http().request(Method::POST, &Paths::projects());
        self.http().json(post.json(new)).await
    }

    /// Removes a project.
    pub async fn remove_project(&self, name: &ProjectName) -> Result<(), ClientError> {
        let request = self.http().request(Method::DELETE, &Paths::project(name));
        self.http().send(request).await.map(drop)
    }
}

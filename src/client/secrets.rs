//! Secrets of projects.

use reqwest::Method;

use super::{ClientError, Paths, Rest};
use crate::{
    model::{ProjectName, SecretName},
    protocol::{Page, PutSecret, SecretView, TrustedRefs},
};

impl Rest {
    /// The secrets of a project, without their values.
    pub async fn secrets(&self, project: &ProjectName) -> Result<Page<SecretView>, ClientError> {
        self.get(&Paths::secrets(project)).await
    }

    /// Writes a secret.
    pub async fn put_secret(
        &self,
        project: &ProjectName,
        name: &SecretName,
        put: &PutSecret,
    ) -> Result<SecretView, ClientError> {
        let path = format!("{}/{name}", Paths::secrets(project));
        self.http().json(self.http().request(Method::PUT, &path).json(put)).await
    }

    /// Removes a secret.
    pub async fn remove_secret(
        &self,
        project: &ProjectName,
        name: &SecretName,
    ) -> Result<(), ClientError> {
        let path = format!("{}/{name}", Paths::secrets(project));
        self.http().send(self.http().request(Method::DELETE, &path)).await.map(drop)
    }

    /// The refs whose builds get the secrets of a project.
    pub async fn trusted_refs(&self, project: &ProjectName) -> Result<TrustedRefs, ClientError> {
        self.get(&format!("{}/trusted-refs", Paths::project(project))).await
    }

    /// Writes them.
    pub async fn set_trusted_refs(
        &self,
        project: &ProjectName,
        trusted: &TrustedRefs,
    ) -> Result<TrustedRefs, ClientError> {
        let path = format!("{}/trusted-refs", Paths::project(project));
        self.http().json(self.http().request(Method::PUT, &path).json(trusted)).await
    }
}

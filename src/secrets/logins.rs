//! Logins of projects: sealed, and given only to the host they were written for.

use super::{Secrets, SecretsError};
use crate::{
    model::{Login, ProjectId, Timestamp},
    store::{LoginRow, SealedPlace, StoreError, Tx},
};

impl Secrets {
    /// Seals and keeps how the repository of a project is asked.
    pub async fn put_login(
        &self,
        project: ProjectId,
        (host, login): (String, &Login),
        (by, now): (String, Timestamp),
    ) -> Result<LoginRow, SecretsError> {
        let mut tx = self.store().begin().await?;
        let place = SealedPlace::Login(project, host.clone());
        let sealed = self.seal(&mut tx, &place, &login.to_sealable()).await?;
        let kind = login.kind();
        let row = LoginRow { host, kind, sealed, updated_by: by, updated_at: now };
        self.store().put_login(&mut tx, project, &row).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// What is known of it, sealed.
    pub async fn login_row(&self, project: ProjectId) -> Result<Option<LoginRow>, StoreError> {
        let mut tx = self.store().snapshot().await?;
        self.store().login(&mut tx, project).await
    }

    /// Forgets it; whether there was one.
    pub async fn remove_login(&self, project: ProjectId) -> Result<bool, StoreError> {
        let mut tx = self.store().begin().await?;
        let removed = self.store().remove_login(&mut tx, project).await?;
        tx.commit().await?;
        Ok(removed)
    }

    /// The same for a repository's URL, as it was normalized.
    pub async fn login_of_url(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        url: &str,
    ) -> Result<Option<Login>, SecretsError> {
        let Some(host) = host_of(url) else { return Ok(None) };
        self.login_for(tx, project, &host).await
    }

    /// How the repository of a project is asked, if it is on the host that the login was written for.
    pub async fn login_for(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        host: &str,
    ) -> Result<Option<Login>, SecretsError> {
        let row = self.store().login(tx, project).await?;
        let Some(row) = row.filter(|row| row.host == host) else { return Ok(None) };
        let place = SealedPlace::Login(project, row.host);
        let value = self.open_at(&place, &row.sealed)?;
        let damaged = || SecretsError::Damaged { place, problem: super::OpenError };
        Login::from_sealable(&value).map(Some).ok_or_else(damaged)
    }
}

/// The host of a normalized URL, with its port if that is not the usual one.
fn host_of(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_as_sources_name_them() {
        for (url, host) in [
            ("https://git.example.org/a/b.git", Some("git.example.org")),
            ("https://git.example.org:8443/a", Some("git.example.org:8443")),
            ("ssh://git@git.example.org/a", Some("git.example.org")),
            ("ssh://git@git.example.org:2222/a", Some("git.example.org:2222")),
            ("http://[::1]:80/a", Some("[::1]")),
            ("file:///srv/git", None),
            ("nothing", None),
        ] {
            assert_eq!(host_of(url).as_deref(), host, "{url}");
        }
    }
}

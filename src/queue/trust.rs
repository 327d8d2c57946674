//! Which builds get the secrets of their project: those of a branch or tag of the project's own
//! repository that the project trusts, built as the repository says.
//!
//! A commit that was asked for by its id may be anybody's: forges give out the commits of forks under
//! the address of the project they were made from. So only the name of a ref counts, and only names
//! under which nobody can put anything who may not write to the repository. What a submission brings
//! itself (steps, an environment, what is kept) could carry a secret out, and counts as an
//! administrator's doing only.

use super::{Queue, QueueError, change::Change};
use crate::{
    model::{Permission, Principal, ProjectId, RefPattern},
    protocol::{
        BuildSource, ClaimRequest, ClaimedCache, ClaimedLogin, ClaimedSecrets, JobKind, SubmitBuild,
    },
    store::{BuildRow, JobRow},
};

/// Why a submission is not to be trusted, whatever ref it is of; nothing if the ref decides.
pub(super) fn distrust(
    principal: &Principal,
    request: &SubmitBuild,
    source: &BuildSource,
    resolved_ref: Option<&str>,
) -> Option<String> {
    let recipe = request.recipe();
    let brings_something = !recipe.steps.is_empty()
        || !recipe.env.0.is_empty()
        || !recipe.packages.is_empty()
        || recipe.artifacts != crate::model::ArtifactRules::default();
    let why = match source {
        BuildSource::Upload(_) => "it is of an uploaded tree",
        BuildSource::Git(_) if resolved_ref.is_none() => {
            "it was asked for by a commit's id, which may be anybody's"
        }
        BuildSource::Git(_) if brings_something && !principal.may(Permission::Administer) => {
            "its steps, environment, packages or artifact rules came with the submission, which only an \
             administrator's may"
        }
        BuildSource::Git(_) => return None,
    };
    Some(why.to_owned())
}

/// Why a build gets no secrets; nothing if it gets them.
fn withheld(build: &BuildRow, trusted: &[RefPattern]) -> Option<String> {
    if let Some(why) = &build.distrust {
        return Some(why.clone());
    }
    let name = build.resolved_ref.as_deref().unwrap_or_default();
    let is_trusted = trusted.iter().any(|pattern| pattern.matches(name));
    (!is_trusted).then(|| format!("its project does not trust {name}"))
}

impl Queue {
    /// What a job gets of its project's secrets, as things are when it is claimed.
    pub(super) async fn secrets_for(
        &self,
        change: &mut Change<'_>,
        (job, build): (&JobRow, &BuildRow),
    ) -> Result<ClaimedSecrets, QueueError> {
        let (JobKind::Leg, Some(project)) = (job.job.kind, build.project) else {
            return Ok(ClaimedSecrets::default());
        };
        if self.store.secrets(&mut change.tx, project).await?.is_empty() {
            return Ok(ClaimedSecrets::default());
        }
        let withheld = withheld(build, &self.trusted(change, project).await?);
        let given = match withheld {
            None => self.secrets.opened(&mut change.tx, project).await?,
            Some(_) => Vec::new(),
        };
        Ok(ClaimedSecrets { given, withheld })
    }

    /// How the source of a build is asked for: with the login of its project, if it is of the
    /// project's own repository. Another one on the same host is not what the login was given for.
    pub(super) async fn login_for(
        &self,
        change: &mut Change<'_>,
        build: &BuildRow,
    ) -> Result<Option<ClaimedLogin>, QueueError> {
        let (BuildSource::Git(git), Some(project)) = (&build.source, build.project) else {
            return Ok(None);
        };
        let Some(row) = self.store.project_in(&mut change.tx, project).await? else {
            return Ok(None);
        };
        if row.url.as_deref() != Some(&git.url) {
            return Ok(None);
        }
        let login = self.secrets.login_of_url(&mut change.tx, project, &git.url).await?;
        let Some(login) = login else { return Ok(None) };
        let submodules = withheld(build, &self.trusted(change, project).await?).is_none();
        Ok(Some(ClaimedLogin { login, submodules }))
    }

    /// The compiler cache of a job's project. Only who is trusted changes it: what a cache has goes into
    /// what others build.
    pub(super) async fn cache_for(
        &self,
        change: &mut Change<'_>,
        (job, build): (&JobRow, &BuildRow),
    ) -> Result<Option<ClaimedCache>, QueueError> {
        let (JobKind::Leg, Some(project)) = (job.job.kind, build.project) else { return Ok(None) };
        if job.job.recipe.cache == Some(false) {
            return Ok(None);
        }
        let writes = withheld(build, &self.trusted(change, project).await?).is_none();
        Ok(Some(ClaimedCache { project, writes }))
    }

    /// Whether an agent can take a job: one that does not know secrets would run it without.
    pub(super) async fn suits(
        &self,
        change: &mut Change<'_>,
        (request, job): (&ClaimRequest, &JobRow),
    ) -> Result<bool, QueueError> {
        if request.takes_secrets || job.job.kind == JobKind::Plan {
            return Ok(true);
        }
        let build = self.store.build_in(&mut change.tx, job.job.build).await?;
        let Some(build) = build else { return Ok(true) };
        let Some(project) = build.project else { return Ok(true) };
        if self.store.secrets(&mut change.tx, project).await?.is_empty() {
            return Ok(true);
        }
        Ok(withheld(&build, &self.trusted(change, project).await?).is_some())
    }

    async fn trusted(
        &self,
        change: &mut Change<'_>,
        project: ProjectId,
    ) -> Result<Vec<RefPattern>, QueueError> {
        let own = self.store.trusted_refs(&mut change.tx, project).await?;
        Ok(own.unwrap_or_else(RefPattern::defaults))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::{Account, Role, Scope, Timestamp, TokenId};

    fn account(role: Role) -> Principal {
        Principal::Account(Account {
            token: TokenId::new(Timestamp::from_millis(1)),
            owner: "alice".parse().unwrap(),
            role,
            scope: Scope::All,
        })
    }

    #[test]
    fn what_a_submission_brings_is_an_administrators_only() {
        let url = "https://example.org/zlib";
        let git: BuildSource = serde_json::from_value(json!({"url": url})).unwrap();
        let tree = "a".repeat(64);
        let upload: BuildSource = serde_json::from_value(json!({"upload": tree})).unwrap();
        let request = |more: Value| -> SubmitBuild {
            let mut request = json!({"source": {"git": {"url": url}}});
            request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value(request).unwrap()
        };
        let plain = json!({"toolchains": ["gcc:14"], "test": true, "requires": ["a"]});
        let steps = json!({"steps": [{"name": "leak", "run": "env"}]});
        let env = json!({"env": {"CC": "x"}});
        let rules = json!({"artifacts": {"include": ["*"]}});
        let (user, admin) = (account(Role::Submit), account(Role::Admin));
        let main = Some("refs/heads/main");
        for (who, more, source, name, is_trusted) in [
            (&user, &plain, &git, main, true),
            (&user, &steps, &git, main, false),
            (&user, &env, &git, main, false),
            (&user, &rules, &git, main, false),
            (&admin, &steps, &git, main, true),
            (&Principal::LocalAdministrator, &env, &git, main, true),
            (&admin, &plain, &git, None, false),
            (&admin, &plain, &upload, None, false),
            (&admin, &plain, &upload, main, false),
        ] {
            let said = distrust(who, &request(more.clone()), source, name);
            assert_eq!(said.is_none(), is_trusted, "{more} {said:?}");
        }
    }
}

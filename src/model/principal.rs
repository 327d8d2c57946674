//! Who acts, what they may do, and of which projects they may see something.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{AccountName, AgentId, ProjectId, TokenId};

/// Who acts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Principal {
    /// Whoever has the administrator's own token, from its file; or anybody, where the settings say
    /// that everybody on this machine is the administrator.
    LocalAdministrator,
    /// Somebody with a token that an administrator made.
    Account(Account),
    /// An agent, by its own token.
    Agent(AgentId),
    /// Somebody without a token, where the settings let everybody read.
    Anonymous,
}

/// Somebody with a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// The token.
    pub token: TokenId,
    /// Who it is: several tokens may be one person's.
    pub owner: AccountName,
    /// What the token lets do.
    pub role: Role,
    /// Where.
    pub scope: Scope,
}

/// What a token lets its owner do; each may do what those before it may.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// See builds, logs, artifacts, agents and queues.
    Read,
    /// Also submit, cancel and retry builds.
    Submit,
    /// Also change the farm; with a restriction to projects, those projects.
    Admin,
}

/// The projects of which somebody may see and change something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scope {
    /// All of them, and what belongs to none.
    All,
    /// Only these.
    Projects(BTreeSet<ProjectId>),
}

/// What an action needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permission {
    /// See builds, logs, artifacts, agents.
    Read,
    /// Submit, cancel and retry builds.
    Submit,
    /// Change a project, or the farm itself.
    Administer,
    /// Claim and run jobs.
    RunJobs,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Read, Self::Submit, Self::Admin];

    /// The role as it is written everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Submit => "submit",
            Self::Admin => "admin",
        }
    }

    /// The role with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    const fn may(self, permission: Permission) -> bool {
        match permission {
            Permission::Read => true,
            Permission::Submit => matches!(self, Self::Submit | Self::Admin),
            Permission::Administer => matches!(self, Self::Admin),
            Permission::RunJobs => false,
        }
    }
}

impl Scope {
    /// Whether something of this project, or of none, lies in it.
    pub fn has(&self, project: Option<ProjectId>) -> bool {
        match (self, project) {
            (Self::All, _) => true,
            (Self::Projects(projects), Some(project)) => projects.contains(&project),
            (Self::Projects(_), None) => false,
        }
    }
}

impl Principal {
    /// Whether this principal may do what needs `permission`, somewhere.
    pub const fn may(&self, permission: Permission) -> bool {
        match self {
            Self::LocalAdministrator => !matches!(permission, Permission::RunJobs),
            Self::Account(account) => account.role.may(permission),
            Self::Agent(_) => matches!(permission, Permission::RunJobs),
            Self::Anonymous => matches!(permission, Permission::Read),
        }
    }

    /// Where.
    pub fn scope(&self) -> Scope {
        match self {
            Self::Account(account) => account.scope.clone(),
            Self::LocalAdministrator | Self::Anonymous | Self::Agent(_) => Scope::All,
        }
    }

    /// The text that rows carry as `created_by` and that scopes idempotency keys and uploads.
    pub fn as_key(&self) -> String {
        match self {
            Self::LocalAdministrator => "local".to_owned(),
            Self::Account(account) => format!("user:{}", account.owner),
            Self::Agent(agent) => format!("agent:{agent}"),
            Self::Anonymous => "anonymous".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn each_role_may_what_those_before_it_may_and_none_runs_jobs() {
        let permissions = [Permission::Read, Permission::Submit, Permission::Administer];
        for (role, many) in [(Role::Read, 1), (Role::Submit, 2), (Role::Admin, 3)] {
            let may = permissions.map(|permission| role.may(permission));
            assert_eq!(may, std::array::from_fn(|at| at < many), "{role:?}");
            assert!(!role.may(Permission::RunJobs));
            assert_eq!(Role::from_name(role.as_str()), Some(role));
        }
    }

    #[test]
    fn a_restricted_scope_has_nothing_that_belongs_to_no_project() {
        let [mine, other] = [1, 2].map(|at| ProjectId::new(Timestamp::from_millis(at)));
        let scope = Scope::Projects([mine].into());
        assert!(scope.has(Some(mine)) && !scope.has(Some(other)) && !scope.has(None));
        assert!(Scope::All.has(None) && Scope::All.has(Some(other)));
    }
}

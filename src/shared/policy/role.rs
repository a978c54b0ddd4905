//! What a person may do under a policy.

use serde::{Deserialize, Serialize};

/// A role in a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Proposes promotions.
    Researcher,
    /// Approves what others propose.
    Reviewer,
    /// Changes the policy.
    Root,
}

impl Role {
    /// All roles.
    pub const ALL: [Role; 3] = [Role::Researcher, Role::Reviewer, Role::Root];

    /// Its name in a policy.
    pub fn name(self) -> &'static str {
        match self {
            Role::Researcher => "researcher",
            Role::Reviewer => "reviewer",
            Role::Root => "root",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|r| r.name() == name)
    }

    /// The names of all roles, for messages.
    pub fn list() -> String {
        Role::ALL.map(Role::name).join(", ")
    }
}

//! What load pods may do: hold their Leases, and look whether another holder's pod still exists.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};

use super::Source;

/// The ServiceAccount of the load pods.
pub fn service_account(source: &Source) -> ServiceAccount {
    ServiceAccount {
        metadata: source.metadata(source.plan.names.account(), None),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

/// Its rights.
pub fn role(source: &Source) -> Role {
    let rule = |group: &str, resource: &str, verbs: &[&str]| PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(vec![resource.to_owned()]),
        verbs: verbs.iter().map(|&verb| verb.to_owned()).collect(),
        ..PolicyRule::default()
    };
    Role {
        metadata: source.metadata(source.plan.names.account(), None),
        rules: Some(vec![
            rule("coordination.k8s.io", "leases", &["get", "list", "update"]),
            rule("", "pods", &["get"]),
        ]),
    }
}

/// What binds them.
pub fn role_binding(source: &Source) -> RoleBinding {
    let name = source.plan.names.account();
    RoleBinding {
        metadata: source.metadata(name.clone(), None),
        role_ref: RoleRef {
            api_group: "rbac.authorization.k8s.io".to_owned(),
            kind: "Role".to_owned(),
            name: name.clone(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name,
            namespace: Some(source.plan.namespace.clone()),
            api_group: None,
        }]),
    }
}

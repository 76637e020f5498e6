//! The objects of a run, made from what was validated: pure, and nothing here can fail.

pub mod access;
pub mod leases;
pub mod members;
pub mod pods;
pub mod verify;
pub mod workloads;

#[cfg(test)]
mod tests;

use crate::names::Role;
use crate::plan::Plan;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

/// Image of the load pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Name, for LoadTests that do not say another.
    pub name: String,
    /// `Always`, `IfNotPresent` or `Never`.
    pub pull_policy: String,
}

/// What the objects of a run are made from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The run.
    pub plan: &'a Plan,
    /// Its LoadTest, which owns every object.
    pub owner: &'a OwnerReference,
    /// Image of the load pods.
    pub image: &'a Image,
}

impl Source<'_> {
    /// Metadata of an object.
    pub(crate) fn metadata(&self, name: String, role: Option<Role>) -> ObjectMeta {
        let names = &self.plan.names;
        ObjectMeta {
            name: Some(name),
            namespace: Some(self.plan.namespace.clone()),
            labels: Some(role.map_or_else(|| names.labels(), |role| names.role_labels(role))),
            owner_references: Some(vec![self.owner.clone()]),
            ..ObjectMeta::default()
        }
    }
}

//! What a user may say about load pods: resources and placement.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cel;
use crate::terms::terms;

/// CPU and memory of a load pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// What the scheduler sets aside. Default: as much as the limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<ComputeResources>,

    /// What the pod may use at most; above its memory it is killed, above its CPU it is throttled. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<ComputeResources>,
}

/// Amounts of CPU and memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComputeResources {
    /// CPU, such as `500m` or `"2"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20), extend("x-kubernetes-validations" = cel::CPU))]
    pub cpu: Option<String>,

    /// Memory, such as `512Mi` or `2Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20), extend("x-kubernetes-validations" = cel::MEMORY))]
    pub memory: Option<String>,
}

impl Resources {
    /// Requests of CPU and memory and a limit of memory.
    pub(crate) fn of(cpu: &str, memory: &str, memory_limit: &str) -> Self {
        Self {
            requests: Some(ComputeResources {
                cpu: Some(cpu.to_owned()),
                memory: Some(memory.to_owned()),
            }),
            limits: Some(ComputeResources {
                cpu: None,
                memory: Some(memory_limit.to_owned()),
            }),
        }
    }

    /// The same as a container has it.
    pub fn to_requirements(&self) -> core::ResourceRequirements {
        let quantities = |amounts: &Option<ComputeResources>| {
            amounts
                .as_ref()
                .map(ComputeResources::to_quantities)
                .filter(|map| !map.is_empty())
        };
        core::ResourceRequirements {
            requests: quantities(&self.requests),
            limits: quantities(&self.limits),
            ..Default::default()
        }
    }
}

impl ComputeResources {
    fn to_quantities(&self) -> BTreeMap<String, Quantity> {
        [("cpu", &self.cpu), ("memory", &self.memory)]
            .into_iter()
            .filter_map(|(name, amount)| amount.clone().map(|amount| (name.to_owned(), Quantity(amount))))
            .collect()
    }
}

/// Where load pods may run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodTemplateSpec {
    /// Labels that a node must have. Keep load pods off the brokers' nodes where there are enough. Default: any node.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 20), schema_with = "crate::cel::short_strings")]
    pub node_selector: BTreeMap<String, String>,

    /// Taints that load pods put up with. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub tolerations: Vec<Toleration>,
}

terms! {
    /// How a toleration's key and value are compared with a taint.
    TolerationOperator {
        /// Key and value are equal.
        #[default]
        Equal = "Equal",
        /// The key is there, whatever its value.
        Exists = "Exists",
    }
}

terms! {
    /// Effect of a taint.
    TaintEffect {
        /// New pods are kept away.
        #[default]
        NoSchedule = "NoSchedule",
        /// New pods are kept away where possible.
        PreferNoSchedule = "PreferNoSchedule",
        /// Running pods are sent away as well.
        NoExecute = "NoExecute",
    }
}

/// A taint that load pods put up with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = cel::TOLERATION))]
pub struct Toleration {
    /// Key of the taint; absent with the operator `Exists` means every taint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 317))]
    pub key: Option<String>,

    /// How key and value are compared. Default `Equal`.
    #[serde(default)]
    pub operator: TolerationOperator,

    /// Value of the taint, with the operator `Equal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub value: Option<String>,

    /// Effect of the taint. Default: every effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,

    /// How long a `NoExecute` taint is put up with, seconds. Default: without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 604_800))]
    pub toleration_seconds: Option<u32>,
}

impl Toleration {
    /// The same as a pod has it.
    pub fn to_core(&self) -> core::Toleration {
        core::Toleration {
            key: self.key.clone(),
            operator: Some(self.operator.to_string()),
            value: self.value.clone(),
            effect: self.effect.map(|effect| effect.to_string()),
            toleration_seconds: self.toleration_seconds.map(i64::from),
        }
    }
}

//! Where the pods are that a fault may hit.

use std::collections::BTreeMap;

use eoslab_api::chaos::PodSelector;
use eoslab_api::{ChaosRunSpec, LoadTestSpec};

use crate::faults::{Process, Processes};

/// Selectors of what is outside the LoadTest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The brokers.
    pub brokers: PodSelector,
    /// Redis.
    pub redis: PodSelector,
    /// The operator.
    pub operator: PodSelector,
}

impl Places {
    /// What is written, or what follows from the LoadTest: Strimzi names the bootstrap Service
    /// `<cluster>-kafka-bootstrap`.
    pub fn new(spec: &ChaosRunSpec, loadtest: &LoadTestSpec, namespace: &str, own_namespace: &str) -> Self {
        let brokers = spec
            .kafka
            .clone()
            .unwrap_or_else(|| brokers(&loadtest.kafka.bootstrap_servers, namespace));
        let redis = selector(&brokers.namespace, &[("app.kubernetes.io/name", "redis")]);
        let operator = [
            ("app.kubernetes.io/name", "eoslab"),
            ("app.kubernetes.io/component", "operator"),
        ];
        Self {
            redis: spec.redis.clone().unwrap_or(redis),
            operator: spec
                .operator
                .clone()
                .unwrap_or_else(|| selector(own_namespace, &operator)),
            brokers,
        }
    }

    /// The processes to signal.
    pub fn processes(&self) -> Processes {
        let of = |selector: &PodSelector, usual: &str| Process {
            name: selector.process.clone().unwrap_or_else(|| usual.to_owned()),
            container: selector.container.clone(),
        };
        Processes {
            broker: of(&self.brokers, "java"),
            redis: of(&self.redis, "redis-server"),
            operator: of(&self.operator, "operator"),
        }
    }
}

fn brokers(bootstrap_servers: &str, namespace: &str) -> PodSelector {
    let first = bootstrap_servers.split(',').next().unwrap_or_default();
    let host = first.rsplit_once(':').map_or(first, |(host, _)| host);
    let mut labels = host.split('.');
    let service = labels.next().unwrap_or_default();
    let cluster = service.strip_suffix("-kafka-bootstrap").unwrap_or(service);
    let of_strimzi = [("strimzi.io/cluster", cluster), ("strimzi.io/broker-role", "true")];
    selector(labels.next().unwrap_or(namespace), &of_strimzi)
}

fn selector(namespace: &str, labels: &[(&str, &str)]) -> PodSelector {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    PodSelector {
        namespace: namespace.to_owned(),
        match_labels: labels.iter().map(owned).collect(),
        container: None,
        process: None,
    }
}

/// Whether labels are selected.
pub fn selects(selector: &PodSelector, labels: &BTreeMap<String, String>) -> bool {
    selector
        .match_labels
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brokers_follow_from_the_bootstrap_service() {
        let table = [
            ("lab-kafka-bootstrap:9092", "lab", "here"),
            ("lab-kafka-bootstrap.kafka:9092", "lab", "kafka"),
            ("my-kafka-bootstrap.ns.svc.cluster.local:9092,other:1", "my", "ns"),
            ("broker.example:9092", "broker", "example"),
        ];
        for (servers, cluster, namespace) in table {
            let found = brokers(servers, "here");
            assert_eq!(found.namespace, namespace, "{servers}");
            assert_eq!(
                found.match_labels.get("strimzi.io/cluster").map(String::as_str),
                Some(cluster),
                "{servers}"
            );
        }
    }

    #[test]
    fn every_label_must_be_there() {
        let wanted = selector("ns", &[("a", "1"), ("b", "2")]);
        let labels = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert!(selects(&wanted, &labels(&[("a", "1"), ("b", "2"), ("c", "3")])));
        assert!(!selects(&wanted, &labels(&[("a", "1")])));
        assert!(!selects(&wanted, &labels(&[("a", "1"), ("b", "3")])));
    }
}

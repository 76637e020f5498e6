//! The load pods as Prometheus finds them: `GET /targets`, in the format of its HTTP service discovery.

use std::net::SocketAddr;

use eoslab_api::LoadTest;
use kube::ResourceExt;
use serde::Serialize;

use crate::names::{PORT, Role};
use crate::seen::Seen;
use crate::seen::pods::PodView;

/// One load pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Target {
    targets: [String; 1],
    labels: Labels,
}

/// What its metrics are labelled with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Labels {
    namespace: String,
    loadtest: String,
    role: &'static str,
    pod: String,
}

/// The pods of a run that may answer.
pub(super) fn targets(loadtest: &LoadTest, seen: &Seen) -> Vec<Target> {
    let groups = [(Role::Producer, &seen.producers), (Role::Counter, &seen.counters)];
    let pods = groups
        .into_iter()
        .flat_map(|(role, group)| group.pods.iter().map(move |pod| (role, pod)));
    let target = |(role, pod): (Role, &PodView)| {
        let ip = pod.ip.as_ref().filter(|_| !pod.is_finished)?.parse().ok()?;
        Some(Target {
            targets: [SocketAddr::new(ip, PORT).to_string()],
            labels: Labels {
                namespace: loadtest.namespace().unwrap_or_default(),
                loadtest: loadtest.name_any(),
                role: role.as_str(),
                pod: pod.name.clone(),
            },
        })
    };
    pods.filter_map(target).collect()
}

//! Slots and start times from real Leases. `EOSLAB_TEST_KAFKA=<ip:port>` and a kubeconfig name the cluster; without
//! them the test is skipped, or fails if `EOSLAB_TEST_REQUIRE=1`.

mod common;

use std::time::Duration;

use common::{Pod, TestResult, read_log, settings};
use eoslab_core::report::ProducerState;
use eoslab_runtime::clock::system_now_us;
use eoslab_runtime::exit::Exit;
use eoslab_runtime::slot::{START_AT_ANNOTATION, STOP_ANNOTATION};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use rdkafka::mocking::MockCluster;

/// A namespace of its own with Leases `lt-producer-0..`; deleted at the end.
struct Cluster {
    namespaces: Api<Namespace>,
    leases: Api<Lease>,
    name: String,
}

impl Cluster {
    async fn create(count: u32) -> Result<Option<Self>, Box<dyn std::error::Error>> {
        let required = std::env::var("EOSLAB_TEST_REQUIRE").is_ok_and(|require| require == "1");
        let named = std::env::var("KUBECONFIG").is_ok_and(|path| !path.is_empty());
        if !named && !required {
            println!("SKIPPED: KUBECONFIG names no cluster");
            return Ok(None);
        }
        let client = Client::try_default().await?;
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let name = format!("loadgen-test-{}", system_now_us());
        let metadata = ObjectMeta {
            name: Some(name.clone()),
            ..ObjectMeta::default()
        };
        namespaces
            .create(
                &PostParams::default(),
                &Namespace {
                    metadata,
                    ..Namespace::default()
                },
            )
            .await?;
        let leases: Api<Lease> = Api::namespaced(client, &name);
        for index in 0..count {
            let metadata = ObjectMeta {
                name: Some(format!("lt-producer-{index}")),
                ..ObjectMeta::default()
            };
            leases
                .create(
                    &PostParams::default(),
                    &Lease {
                        metadata,
                        ..Lease::default()
                    },
                )
                .await?;
        }
        Ok(Some(Self {
            namespaces,
            leases,
            name,
        }))
    }

    async fn patch(&self, lease: &str, patch: serde_json::Value) -> Result<Lease, kube::Error> {
        self.leases
            .patch(lease, &PatchParams::default(), &Patch::Merge(patch))
            .await
    }

    async fn holder(&self, lease: &str) -> Result<Option<String>, kube::Error> {
        Ok(self.leases.get(lease).await?.spec.and_then(|spec| spec.holder_identity))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_waits_for_its_start_sends_and_ends_when_its_slot_is_taken() -> TestResult {
    let Some(cluster) = Cluster::create(2).await? else {
        return Ok(());
    };
    let brokers = MockCluster::new(1)?;
    brokers.create_topic("events", 2, 1)?;
    let bootstrap = brokers.bootstrap_servers();
    let member = |pod: &'static str| {
        let flags = [
            "--partitions",
            "2",
            "--events",
            "4000",
            "--rate",
            "2000",
            "--producers",
            "2",
            "--slot-lease-prefix",
            "lt-producer",
            "--namespace",
            &cluster.name,
            "--pod-name",
            pod,
            "--pod-uid",
            "uid",
        ];
        Pod::start(settings(&bootstrap, "events", &flags))
    };
    let first = member("a").await?;
    let waiting = first
        .wait("readiness", |report| report.state == ProducerState::Waiting)
        .await?;
    assert_eq!((waiting.member.slot, waiting.sent), (0, 0));
    let start_at_us = system_now_us() + 5_000_000;
    let annotations = serde_json::json!({"metadata": {"annotations": {START_AT_ANNOTATION: start_at_us.to_string()}}});
    cluster.patch("lt-producer-0", annotations).await?;
    let done = first.done().await?;
    assert!(system_now_us() > start_at_us);
    assert!(
        done.sent > 0 && done.lateness.quantile(0.5) < 200_000,
        "it knew its start in time"
    );
    assert_eq!(cluster.holder("lt-producer-0").await?.as_deref(), Some("a/uid"));
    cluster
        .patch(
            "lt-producer-0",
            serde_json::json!({"spec": {"holderIdentity": "thief/uid"}}),
        )
        .await?;
    // The next renewal, after 2 s at most, tells; another may send once the lease of 10 s has ended.
    let ended = tokio::time::timeout(Duration::from_secs(9), first.ended()).await???;
    assert_eq!(ended, Exit::LostLease);
    let second = member("b").await?;
    second
        .wait("readiness", |report| report.state != ProducerState::Preparing)
        .await?;
    assert_eq!(second.stop().await?, Exit::Clean);
    for index in 0..2 {
        assert_ne!(
            cluster.holder(&format!("lt-producer-{index}")).await?.as_deref(),
            Some("b/uid"),
            "released"
        );
    }
    cluster
        .namespaces
        .delete(&cluster.name, &DeleteParams::default())
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_told_to_stop_reports_its_end_and_its_successor_sends_nothing() -> TestResult {
    let Some(cluster) = Cluster::create(1).await? else {
        return Ok(());
    };
    let brokers = MockCluster::new(1)?;
    brokers.create_topic("events", 2, 1)?;
    let bootstrap = brokers.bootstrap_servers();
    let flags = [
        "--partitions",
        "2",
        "--events",
        "1000000",
        "--rate",
        "1000",
        "--slot-lease-prefix",
        "lt-producer",
        "--namespace",
        &cluster.name,
        "--pod-name",
        "a",
        "--pod-uid",
        "uid",
    ];
    let annotate = |key: &str, value: String| serde_json::json!({"metadata": {"annotations": {key: value}}});
    let now = annotate(START_AT_ANNOTATION, system_now_us().to_string());
    cluster.patch("lt-producer-0", now).await?;
    let member = || Pod::start(settings(&bootstrap, "events", &flags));
    let first = member().await?;
    first.wait("some events", |report| report.sent > 1000).await?;
    cluster
        .patch("lt-producer-0", annotate(STOP_ANNOTATION, true.to_string()))
        .await?;
    let done = first.done().await?;
    let acked: u64 = done.partitions.iter().map(|produced| produced.acked.count).sum();
    assert!(done.sent < 1_000_000, "{}", done.sent);
    assert_eq!(acked, done.sent, "its last acknowledgements are in its report");
    assert_eq!(first.stop().await?, Exit::Clean);
    let second = member().await?;
    assert_eq!(second.done().await?.sent, 0);
    let spec = settings(&bootstrap, "events", &flags).stream;
    let log = read_log(&bootstrap, "events", &spec, 256)?;
    assert_eq!(log.len(), done.sent);
    assert_eq!(second.stop().await?, Exit::Clean);
    cluster
        .namespaces
        .delete(&cluster.name, &DeleteParams::default())
        .await?;
    Ok(())
}

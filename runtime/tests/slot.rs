//! Member slots against a Kubernetes API in memory: optimistic locking, holder pods, annotations, outages. The clock of
//! tokio is paused, so that waits of seconds take none.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{Method, Request, Response};
use eoslab_runtime::slot::{Holder, SlotError, SlotHandle, SlotSource, claim, claim_lease};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use kube::Client;
use kube::client::Body;
use tokio::time::{Instant, advance, sleep, timeout};
use tokio_util::sync::CancellationToken;

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// The parts of the API that slots use.
#[derive(Clone, Default)]
struct Cluster(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    leases: BTreeMap<String, Lease>,
    pods: BTreeMap<String, Pod>,
    version: u64,
    down: bool,
    calls: Vec<String>,
}

impl Cluster {
    fn with_leases(names: &[&str]) -> Self {
        let cluster = Self::default();
        for name in names {
            let mut lease = Lease {
                spec: Some(LeaseSpec::default()),
                ..Lease::default()
            };
            lease.metadata.name = Some((*name).to_owned());
            lease.metadata.resource_version = Some("0".into());
            cluster.state().leases.insert((*name).to_owned(), lease);
        }
        cluster
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn client(&self) -> Client {
        let (mock, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let cluster = self.clone();
        tokio::spawn(async move {
            while let Some((request, answer)) = handle.next_request().await {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.expect("a whole body");
                match cluster.answer(&parts.method, parts.uri.path(), &body) {
                    Some((status, json)) => {
                        let response = Response::builder().status(status).body(Body::from(json.into_bytes()));
                        answer.send_response(response.expect("a response"));
                    }
                    // Hangs: the answer never comes.
                    None => std::mem::forget(answer),
                }
            }
        });
        Client::new(mock, "ns")
    }

    fn answer(&self, method: &Method, path: &str, body: &[u8]) -> Option<(u16, String)> {
        let mut state = self.state();
        if state.down {
            return None;
        }
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        state.calls.push(format!("{method} {name}"));
        if path.contains("/pods/") {
            return Some(found(state.pods.get(&name)));
        }
        if *method == Method::GET {
            return Some(found(state.leases.get(&name)));
        }
        let mut written: Lease = serde_json::from_slice(body).expect("a lease");
        let Some(stored) = state.leases.get(&name) else {
            return Some(found::<Lease>(None));
        };
        if stored.metadata.resource_version != written.metadata.resource_version {
            return Some((409, failure(409, "Conflict")));
        }
        state.version += 1;
        written.metadata.resource_version = Some(state.version.to_string());
        state.leases.insert(name.clone(), written);
        Some(found(state.leases.get(&name)))
    }

    /// Changes a Lease as another client would.
    fn edit(&self, name: &str, change: impl FnOnce(&mut Lease)) {
        let mut state = self.state();
        state.version += 1;
        let version = state.version.to_string();
        let lease = state.leases.get_mut(name).expect("the lease exists");
        change(lease);
        lease.metadata.resource_version = Some(version);
    }

    fn annotate(&self, name: &str, key: &str, value: &str) {
        self.edit(name, |lease| {
            lease
                .metadata
                .annotations
                .get_or_insert_default()
                .insert(key.to_owned(), value.to_owned());
        });
    }

    fn set_holder(&self, name: &str, holder: Option<&str>) {
        self.edit(name, |lease| {
            let spec = lease.spec.get_or_insert_default();
            spec.holder_identity = holder.map(str::to_owned);
            spec.lease_duration_seconds = Some(10);
        });
    }

    fn holder(&self, name: &str) -> Option<String> {
        self.state().leases[name]
            .spec
            .as_ref()
            .and_then(|spec| spec.holder_identity.clone())
    }

    fn run_pod(&self, name: &str, uid: &str, phase: &str) {
        let mut pod = Pod {
            status: Some(PodStatus::default()),
            ..Pod::default()
        };
        pod.metadata.name = Some(name.to_owned());
        pod.metadata.uid = Some(uid.to_owned());
        pod.status = Some(PodStatus {
            phase: Some(phase.to_owned()),
            ..PodStatus::default()
        });
        self.state().pods.insert(name.to_owned(), pod);
    }

    async fn claim(&self, pod: &str, stop: &CancellationToken) -> Result<SlotHandle, SlotError> {
        self.run_pod(pod, "uid", "Running");
        claim_lease(self.client(), "ns", "lt", holder(pod), stop).await
    }
}

fn holder(pod: &str) -> Holder {
    Holder {
        pod_name: pod.to_owned(),
        pod_uid: "uid".to_owned(),
    }
}

fn found<T: serde::Serialize>(object: Option<&T>) -> (u16, String) {
    match object {
        Some(object) => (200, serde_json::to_string(object).expect("serializable")),
        None => (404, failure(404, "NotFound")),
    }
}

fn failure(code: u16, reason: &str) -> String {
    format!(r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"{reason}","code":{code}}}"#)
}

fn never() -> CancellationToken {
    CancellationToken::new()
}

#[tokio::test(start_paused = true)]
async fn pods_take_the_first_free_slots_and_give_them_back() -> TestResult {
    let cluster = Cluster::with_leases(&["lt-0", "lt-1"]);
    let first = cluster.claim("a", &never()).await?;
    let second = cluster.claim("b", &never()).await?;
    assert_eq!((first.index(), first.name()), (0, Some("lt-0")));
    assert_eq!((second.index(), second.name()), (1, Some("lt-1")));
    assert_eq!(cluster.holder("lt-0").as_deref(), Some("a/uid"));
    first.release().await?;
    assert_eq!(cluster.holder("lt-0"), None);
    assert_eq!(cluster.claim("c", &never()).await?.index(), 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn pods_that_start_together_get_a_slot_each() -> TestResult {
    let cluster = Cluster::with_leases(&["lt-0", "lt-1", "lt-2", "lt-3"]);
    let tasks: Vec<_> = ["a", "b", "c", "d"]
        .map(|pod| {
            let cluster = cluster.clone();
            tokio::spawn(async move { cluster.claim(pod, &never()).await })
        })
        .into();
    let mut handles = Vec::new();
    for task in tasks {
        handles.push(task.await??);
    }
    handles.sort_by_key(SlotHandle::index);
    assert_eq!(handles.iter().map(SlotHandle::index).collect::<Vec<_>>(), [0, 1, 2, 3]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_restarted_container_comes_back_to_its_own_slot() -> TestResult {
    let cluster = Cluster::with_leases(&["lt-0", "lt-1", "lt-2"]);
    cluster.set_holder("lt-2", Some("a/uid"));
    assert_eq!(cluster.claim("a", &never()).await?.index(), 2);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_slot_of_a_pod_that_is_gone_is_taken_at_once() -> TestResult {
    for (name, uid, phase) in [
        ("other", "uid", "Running"),
        ("dead", "new", "Running"),
        ("dead", "old", "Failed"),
    ] {
        let cluster = Cluster::with_leases(&["lt-0"]);
        cluster.run_pod(name, uid, phase);
        cluster.set_holder("lt-0", Some("dead/old"));
        let started = Instant::now();
        assert_eq!(cluster.claim("a", &never()).await?.index(), 0);
        assert!(started.elapsed() < Duration::from_millis(500), "{name} {uid} {phase}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_living_pods_slot_is_waited_for() -> TestResult {
    let cluster = Cluster::with_leases(&["lt-0"]);
    let first = cluster.claim("a", &never()).await?;
    let waiting = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.claim("b", &never()).await }
    });
    sleep(Duration::from_secs(60)).await;
    assert!(!waiting.is_finished(), "the holder renews");
    assert!(!first.lost().is_cancelled());
    first.release().await?;
    assert_eq!(timeout(Duration::from_secs(1), waiting).await???.index(), 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_silent_pods_slot_is_taken_when_its_lease_has_run_out() -> TestResult {
    let cluster = Cluster::with_leases(&["lt-0"]);
    cluster.run_pod("frozen", "uid", "Running");
    cluster.set_holder("lt-0", Some("frozen/uid"));
    let started = Instant::now();
    cluster.claim("a", &never()).await?;
    let waited = started.elapsed();
    assert!(
        waited >= Duration::from_secs(10) && waited < Duration::from_secs(11),
        "{waited:?}"
    );
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_another_pod_took_is_lost() -> TestResult {
    let cluster = Cluster::with_leases(&["lt-0"]);
    let handle = cluster.claim("a", &never()).await?;
    cluster.set_holder("lt-0", Some("thief/uid"));
    timeout(Duration::from_secs(3), handle.lost().cancelled()).await?;
    assert!(matches!(handle.release().await, Err(SlotError::Lost(name)) if name == "lt-0"));
    assert_eq!(
        cluster.holder("lt-0").as_deref(),
        Some("thief/uid"),
        "a lost slot is left alone"
    );
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_cannot_be_renewed_is_given_up_before_it_ends() -> TestResult {
    let cluster = Cluster::with_leases(&["lt-0"]);
    let handle = cluster.claim("a", &never()).await?;
    let claimed = Instant::now();
    cluster.state().down = true;
    handle.lost().cancelled().await;
    let held = claimed.elapsed();
    assert!(
        held >= Duration::from_millis(7500) && held <= Duration::from_millis(8100),
        "{held:?}"
    );
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_of_the_api_is_survived() -> TestResult {
    let cluster = Cluster::with_leases(&["lt-0"]);
    let handle = cluster.claim("a", &never()).await?;
    for _ in 0..5 {
        cluster.state().down = true;
        sleep(Duration::from_secs(4)).await;
        cluster.state().down = false;
        sleep(Duration::from_secs(3)).await;
        assert!(!handle.lost().is_cancelled());
    }
    handle.release().await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn annotations_are_published_and_their_writer_is_no_rival() -> TestResult {
    let cluster = Cluster::with_leases(&["lt-0"]);
    cluster.annotate("lt-0", "first", "1");
    let handle = cluster.claim("a", &never()).await?;
    let mut annotations = handle.annotations();
    assert_eq!(
        annotations.borrow_and_update().get("first").map(String::as_str),
        Some("1")
    );
    cluster.annotate("lt-0", "second", "2");
    timeout(Duration::from_millis(2100), annotations.changed()).await??;
    assert_eq!(
        annotations.borrow_and_update().get("second").map(String::as_str),
        Some("2")
    );
    for round in 0..20 {
        cluster.annotate("lt-0", "round", &round.to_string());
        sleep(Duration::from_millis(700)).await;
    }
    assert!(
        !handle.lost().is_cancelled(),
        "conflicts with the annotations' writer are no loss"
    );
    handle.release().await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_waiting_member_reads_its_lease_four_times_a_second() -> TestResult {
    let cluster = Cluster::with_leases(&["lt-0"]);
    let handle = cluster.claim("a", &never()).await?;
    handle.watch_closely(true);
    let mut annotations = handle.annotations();
    sleep(Duration::from_millis(600)).await;
    cluster.annotate("lt-0", "eoslab.dev/start-at-us", "77");
    timeout(Duration::from_millis(260), annotations.changed()).await??;
    handle.watch_closely(false);
    sleep(Duration::from_millis(10)).await;
    cluster.state().calls.clear();
    sleep(Duration::from_secs(20)).await;
    let calls = cluster.state().calls.len();
    assert!(
        (9..=12).contains(&calls),
        "one renewal each 2 s, not {calls} calls in 20 s"
    );
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_slot_ends_with_the_stop_signal() -> TestResult {
    let cluster = Cluster::default();
    let stop = CancellationToken::new();
    let waiting = tokio::spawn({
        let (cluster, stop) = (cluster.clone(), stop.clone());
        async move { cluster.claim("a", &stop).await }
    });
    advance(Duration::from_secs(5)).await;
    stop.cancel();
    assert!(matches!(waiting.await?, Err(SlotError::Stopped)));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_dropped_handle_stops_renewing_and_leaves_the_lease_to_run_out() -> TestResult {
    let cluster = Cluster::with_leases(&["lt-0"]);
    drop(cluster.claim("a", &never()).await?);
    sleep(Duration::from_millis(10)).await;
    cluster.state().calls.clear();
    sleep(Duration::from_secs(20)).await;
    assert_eq!(cluster.state().calls, Vec::<String>::new());
    assert_eq!(cluster.holder("lt-0").as_deref(), Some("a/uid"));
    Ok(())
}

#[tokio::test]
async fn a_fixed_slot_needs_no_cluster() -> TestResult {
    let handle = claim(&SlotSource::Fixed(3), &never()).await?;
    assert_eq!((handle.index(), handle.name()), (3, None));
    assert!(handle.annotations().borrow().is_empty());
    handle.release().await?;
    Ok(())
}

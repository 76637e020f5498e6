use std::sync::{Mutex, PoisonError};

use axum::http::{Request, Response};
use eoslab_api::chaos::{Fault, FaultType, VictimStatus};
use eoslab_operator::http::Health;
use kube::Client;
use kube::client::Body;
use serde_json::Value;
use tower_test::mock;

use super::*;
use crate::metrics::Metrics;

/// What an API was asked: verb and path.
type Calls = Arc<Mutex<Vec<String>>>;

/// An API that answers with these codes, one call after another.
fn api(codes: &'static [u16]) -> (Client, Calls) {
    let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
    let calls = Calls::default();
    let asked = calls.clone();
    tokio::spawn(async move {
        for code in codes {
            let Some((request, send)) = handle.next_request().await else {
                return;
            };
            let call = format!("{} {}", request.method(), request.uri().path());
            asked.lock().unwrap_or_else(PoisonError::into_inner).push(call);
            let answer = match code {
                200 if request.uri().path().ends_with("/scale") => {
                    json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {}}).to_string()
                }
                200 => object().to_string(),
                _ => json!({"kind": "Status", "code": code, "reason": "Refused", "message": "refused"}).to_string(),
            };
            let response = Response::builder().status(*code).body(Body::from(answer.into_bytes()));
            send.send_response(response.expect("a response"));
        }
    });
    (Client::new(service, "lab"), calls)
}

fn asked(calls: &Calls) -> Vec<String> {
    calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn object() -> Value {
    json!({
        "apiVersion": ChaosRun::api_version(&()), "kind": ChaosRun::kind(&()),
        "metadata": {"name": "storm", "namespace": "lab", "uid": "1"}, "spec": {"loadTest": "storm", "faults": []},
    })
}

fn run() -> Arc<ChaosRun> {
    Arc::new(serde_json::from_value(object()).expect("a ChaosRun"))
}

fn context(client: Client) -> Context {
    Context::new(client, "eoslab-system".to_owned(), Metrics::new().expect("free names"))
}

#[tokio::test]
async fn the_end_of_a_run_is_written_until_it_is_written_and_not_again() {
    let (client, calls) = api(&[500, 200]);
    let (context, run) = (Arc::new(context(client)), run());
    let memory = context.memory(&run);
    let mut status = ChaosRunStatus::default();
    status::end(&mut status, &crate::verdict::aborted(), 1_000_000);
    *memory.lock().await = Memory {
        status: Some(status),
        is_unwritten: true,
        ..Memory::default()
    };
    assert!(
        reconcile(run.clone(), context.clone()).await.is_err(),
        "the API said no"
    );
    for _ in 0..2 {
        assert!(reconcile(run.clone(), context.clone()).await.is_ok());
    }
    let patch = "PATCH /apis/eoslab.dev/v1alpha1/namespaces/lab/chaosruns/storm/status";
    assert_eq!(asked(&calls), [patch, patch]);
}

#[tokio::test]
async fn nobody_is_asked_before_pods_and_runs_are_listed() {
    let (client, calls) = api(&[404]);
    let mut context = context(client);
    context.health = Health::new(1);
    let again = reconcile(run(), Arc::new(context)).await;
    assert_eq!(again.ok(), Some(Action::requeue(LOOK)));
    assert_eq!(asked(&calls), Vec::<String>::new());
}

fn turn<'a>(context: &'a Context, run: &'a ChaosRun, memory: &'a mut Memory, injection: Injection) -> Turn<'a> {
    Turn {
        context,
        run,
        memory,
        status: ChaosRunStatus {
            injections: vec![injection],
            ..ChaosRunStatus::default()
        },
        look: Look {
            world: World::default(),
            places: None,
        },
    }
}

#[tokio::test]
async fn after_a_fault_it_is_looked_at_once_and_then_with_patience() {
    let (client, _) = api(&[500]);
    let (context, run) = (context(client), run());
    let mut memory = Memory::default();
    memory.slow.read_us = 1;
    let injected = Injection {
        state: InjectionState::Injected,
        ..Injection::default()
    };
    let mut turn = turn(&context, &run, &mut memory, injected);
    assert!(turn.close(InjectionState::Recovered, String::new()).await.is_ok());
    assert_eq!((turn.memory.slow.read_us, turn.next_look()), (0, CLOSE_LOOK));
    turn.memory.slow.read_us = 2;
    assert_eq!(turn.next_look(), LOOK);
    turn.status.phase = ChaosPhase::Judging;
    assert_eq!(turn.next_look(), PATIENT_LOOK);
}

#[tokio::test]
async fn a_fault_that_the_api_does_not_let_be_taken_back_stays_at_work() {
    let (client, calls) = api(&[403, 200, 200]);
    let context = context(client);
    let mut run = run().as_ref().clone();
    run.spec.faults = vec![Fault {
        fault_type: FaultType::ScaleCounters,
        replicas: Some(3),
        ..Fault::default()
    }];
    let mut memory = Memory::default();
    let scaled = Injection {
        fault_type: FaultType::ScaleCounters,
        state: InjectionState::Injected,
        injected_at: Some(micro(1)),
        victim: Some(VictimStatus {
            namespace: "lab".to_owned(),
            name: "storm".to_owned(),
            replicas_before: Some(2),
            ..VictimStatus::default()
        }),
        ..Injection::default()
    };
    let mut turn = turn(&context, &run, &mut memory, scaled);
    let healed_at = |turn: &Turn| turn.status.injections[0].healed_at.clone();
    assert!(turn.heal(&Processes::usual()).await.is_ok());
    assert_eq!(healed_at(&turn), None, "it is tried again at the next look");
    assert!(turn.heal(&Processes::usual()).await.is_ok());
    assert!(healed_at(&turn).is_some());
    let of_lab = "PATCH /apis/eoslab.dev/v1alpha1/namespaces/lab";
    let scale = format!("{of_lab}/loadtests/storm/scale");
    let finalizers = format!("{of_lab}/chaosruns/storm");
    assert_eq!(asked(&calls), [scale.clone(), scale, finalizers]);
}

#[tokio::test]
async fn after_a_fault_that_was_withdrawn_it_must_be_steady_anew() {
    let (client, calls) = api(&[]);
    let (context, run) = (context(client), run());
    let mut memory = Memory {
        steady_since_us: Some(1),
        ..Memory::default()
    };
    let intended = Injection {
        state: InjectionState::Intended,
        ..Injection::default()
    };
    let mut turn = turn(&context, &run, &mut memory, intended);
    assert!(turn.withdraw(&Processes::usual()).await.is_ok());
    assert_eq!(turn.status.injections, []);
    assert_eq!(memory.steady_since_us, None);
    assert_eq!(
        asked(&calls),
        Vec::<String>::new(),
        "a kill leaves nothing to take back"
    );
}

#[test]
fn a_freeze_ends_by_itself_and_nothing_else_does() {
    let at = |pause_seconds| Injection {
        injected_at: Some(micro(1_000_000)),
        victim: Some(VictimStatus {
            pause_seconds,
            ..VictimStatus::default()
        }),
        ..Injection::default()
    };
    assert!(!is_awake(&at(Some(8)), 9_000_000 + WAKING_US));
    assert!(is_awake(&at(Some(8)), 9_000_001 + WAKING_US));
    assert!(!is_awake(&at(None), i64::MAX), "counters that were scaled stay so");
}

//! A mocked API server: it answers from a few objects and keeps every call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tower_test::mock;

/// A call that changes something: verb, path, body.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// `PATCH`, `POST`, `DELETE`.
    pub verb: String,
    /// Path without its query.
    pub path: String,
    /// Body, or null.
    pub body: Value,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    refusals: BTreeMap<String, u16>,
    reads: Vec<String>,
    changes: Vec<Change>,
}

/// The server.
#[derive(Clone, Default)]
pub(crate) struct Api(Arc<Mutex<State>>);

impl Api {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has an object, or a list of `items`, at a path.
    pub(crate) fn have(&self, path: &str, object: Value) {
        self.state().objects.insert(path.to_owned(), object);
    }

    /// Refuses changes at a path with a code.
    pub(crate) fn refuse(&self, path: &str, code: u16) {
        self.state().refusals.insert(path.to_owned(), code);
    }

    /// Every call that read something.
    pub(crate) fn reads(&self) -> Vec<String> {
        self.state().reads.clone()
    }

    /// Every call that changed something, and forgets them.
    pub(crate) fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut self.state().changes)
    }

    /// A client of it. Must be called within a runtime.
    pub(crate) fn client(&self) -> Client {
        let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
        let api = self.clone();
        tokio::spawn(async move {
            while let Some((request, send)) = handle.next_request().await {
                let (parts, body) = request.into_parts();
                let body = serde_json::from_slice(&collect(body).await).unwrap_or(Value::Null);
                let (code, answer) = api.answer(parts.method.as_str(), parts.uri.path(), body);
                let response = Response::builder()
                    .status(code)
                    .body(Body::from(answer.to_string().into_bytes()));
                send.send_response(response.expect("a response"));
            }
        });
        Client::new(service, "lab")
    }

    fn answer(&self, verb: &str, path: &str, body: Value) -> (u16, Value) {
        let mut state = self.state();
        if verb == "GET" {
            state.reads.push(path.to_owned());
            return match state.objects.get(path) {
                Some(object) => (200, object.clone()),
                None if is_list(path) => (200, list(&[])),
                None => (404, failure(404, "NotFound")),
            };
        }
        if let Some(code) = state.refusals.get(path) {
            return (*code, failure(*code, if *code == 409 { "Conflict" } else { "Refused" }));
        }
        let mut echo = body.clone();
        if echo["metadata"]["resourceVersion"].is_null() {
            echo["metadata"]["resourceVersion"] = json!("8");
        }
        state.changes.push(Change {
            verb: verb.to_owned(),
            path: path.to_owned(),
            body,
        });
        if verb == "DELETE" {
            return (200, json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}));
        }
        if path.contains("/loadtests/") {
            // A patch holds parts only; the client wants a whole object.
            let mut whole = serde_json::to_value(crate::fixtures::loadtest()).expect("a LoadTest");
            whole["metadata"]["resourceVersion"] = json!("8");
            return (200, whole);
        }
        (200, echo)
    }
}

async fn collect(body: Body) -> Vec<u8> {
    let bytes = axum::body::to_bytes(axum::body::Body::new(body), 1 << 20).await;
    bytes.map(|bytes| bytes.to_vec()).unwrap_or_default()
}

fn is_list(path: &str) -> bool {
    ["deployments", "leases", "pods", "jobs"]
        .iter()
        .any(|plural| path.ends_with(plural))
}

/// A list as the API has it.
pub(crate) fn list(items: &[Value]) -> Value {
    json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items})
}

fn failure(code: u16, reason: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "reason": reason, "message": reason, "code": code,
    })
}

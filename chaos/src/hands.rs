//! Carries out what was decided. Nothing else in here touches the cluster.

use std::time::Duration;

use eoslab_api::LoadTest;
use eoslab_api::chaos::VictimStatus;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ApiResource, AttachParams, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use crate::faults::{Act, Messenger, Process, Signal, Workload};

/// Longest time for a command in a container.
const EXEC_TIMEOUT: Duration = Duration::from_secs(15);

/// Signals every process of a name; a frozen one goes on by itself, whoever dies meanwhile. `$1` name, `$2` signal,
/// `$3` seconds or 0.
const SIGNAL_SCRIPT: &str = r#"
pids=
for dir in /proc/[0-9]*; do
  read -r name 2>/dev/null <"$dir/comm" || continue
  [ "$name" = "$1" ] && pids="$pids ${dir#/proc/}"
done
[ -n "$pids" ] || { echo "no process $1 in this container" >&2; exit 3; }
echo "$2 to $1$pids"
[ "$3" = 0 ] || (sleep "$3"; kill -CONT $pids) </dev/null >/dev/null 2>&1 &
kill "-$2" $pids
"#;

/// Why a fault could not be injected or taken back.
#[derive(Debug, Error)]
pub enum HandError {
    /// The victim is not there any more.
    #[error("the victim is gone")]
    Gone,
    /// The command ran and said no.
    #[error("{0}")]
    Refused(String),
    /// The API said no.
    #[error("cannot {what}: {}", said(.source))]
    Api {
        /// What was attempted.
        what: &'static str,
        /// What the API said.
        source: Box<kube::Error>,
    },
}

fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.is_forbidden() => format!(
            "{} (list the namespace in chaos.namespaces of the chart, and label it eoslab.dev/chaos=allowed)",
            status.message
        ),
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

fn api(what: &'static str) -> impl FnOnce(kube::Error) -> HandError {
    move |source| match &source {
        kube::Error::Api(status) if status.is_not_found() => HandError::Gone,
        _ => HandError::Api {
            what,
            source: Box::new(source),
        },
    }
}

/// Does it.
///
/// # Errors
/// When it was certainly not done. A process that was killed takes the command with it that killed it, so that a
/// connection that breaks is no error: whether there was an effect is seen afterwards.
pub async fn carry_out(client: &Client, victim: &VictimStatus, act: &Act) -> Result<(), HandError> {
    let namespace = victim.namespace.as_str();
    match act {
        Act::Signal { process, by, signal } => {
            is_still_there(client, victim).await?;
            let command = command(process, *by, *signal);
            let done = exec(client, namespace, &victim.name, process.container.as_deref(), command).await;
            match (done, signal) {
                (Err(HandError::Refused(why)), Signal::Kill) if why.is_empty() => Ok(()),
                (done, _) => done.map(drop),
            }
        }
        Act::DeletePod => {
            let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
            // Never another pod of the same name.
            let params = DeleteParams {
                preconditions: Some(kube::api::Preconditions {
                    uid: Some(victim.uid.clone()),
                    resource_version: None,
                }),
                ..DeleteParams::default()
            };
            pods.delete(&victim.name, &params)
                .await
                .map(drop)
                .map_err(api("delete the pod"))
        }
        Act::Restart(workload) => restart(client, namespace, &victim.name, *workload).await,
        Act::Scale { replicas } => {
            let loadtests: Api<LoadTest> = Api::namespaced(client.clone(), namespace);
            let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
            let scaled = loadtests
                .patch_scale(&victim.name, &PatchParams::default(), &patch)
                .await;
            scaled.map(drop).map_err(api("scale the counters"))
        }
    }
}

async fn is_still_there(client: &Client, victim: &VictimStatus) -> Result<(), HandError> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &victim.namespace);
    let pod = pods.get(&victim.name).await.map_err(api("read the pod"))?;
    match pod.uid().as_deref() == Some(victim.uid.as_str()) {
        true => Ok(()),
        false => Err(HandError::Gone),
    }
}

fn command(process: &Process, by: Messenger, signal: Signal) -> Vec<String> {
    let (name, seconds) = match signal {
        Signal::Kill => ("KILL", 0),
        Signal::Freeze { seconds } => ("STOP", seconds),
        Signal::Thaw => ("CONT", 0),
    };
    let (process, seconds) = (process.name.as_str(), seconds.to_string());
    let words: Vec<&str> = match by {
        Messenger::Shell => vec!["sh", "-c", SIGNAL_SCRIPT, "chaos", process, name, &seconds],
        Messenger::Chaos if signal_is_timed(signal) => {
            vec![
                "chaos",
                "signal",
                "--process",
                process,
                "--action",
                name,
                "--for-seconds",
                &seconds,
            ]
        }
        Messenger::Chaos => vec!["chaos", "signal", "--process", process, "--action", name],
    };
    words.into_iter().map(str::to_owned).collect()
}

fn signal_is_timed(signal: Signal) -> bool {
    matches!(signal, Signal::Freeze { .. })
}

/// Runs a command in a container, and returns what it printed.
///
/// # Errors
/// [`HandError::Refused`] with what it complained about where it failed.
pub async fn exec(
    client: &Client,
    namespace: &str,
    pod: &str,
    container: Option<&str>,
    command: Vec<String>,
) -> Result<String, HandError> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let mut params = AttachParams::default().stdin(false).stdout(true).stderr(true);
    if let Some(container) = container {
        params = params.container(container);
    }
    let mut process = pods
        .exec(pod, command, &params)
        .await
        .map_err(api("run a command in the pod"))?;
    let (mut out, mut err) = (process.stdout(), process.stderr());
    let status = process.take_status();
    let read = async {
        let (mut printed, mut complained) = (String::new(), String::new());
        // What a killed process leaves behind is not worth an error.
        if let Some(out) = &mut out {
            let _ = out.read_to_string(&mut printed).await;
        }
        if let Some(err) = &mut err {
            let _ = err.read_to_string(&mut complained).await;
        }
        let status = match status {
            Some(status) => status.await,
            None => None,
        };
        (printed, complained, status)
    };
    let late = HandError::Refused("the command did not end in time".to_owned());
    let (printed, complained, status) = timeout(EXEC_TIMEOUT, read).await.map_err(|_| late)?;
    match status.and_then(|status| status.status).as_deref() {
        Some("Success") => Ok(printed),
        _ => Err(HandError::Refused(complained.trim().to_owned())),
    }
}

async fn restart(client: &Client, namespace: &str, name: &str, workload: Workload) -> Result<(), HandError> {
    let (params, what) = (PatchParams::default(), "restart the workload");
    let now = Timestamp::now().to_string();
    let template = json!({"spec": {"template": {"metadata": {"annotations": {
        "kubectl.kubernetes.io/restartedAt": now,
    }}}}});
    match workload {
        Workload::Deployment => {
            let all: Api<Deployment> = Api::namespaced(client.clone(), namespace);
            all.patch(name, &params, &Patch::Merge(template))
                .await
                .map(drop)
                .map_err(api(what))
        }
        Workload::StatefulSet => {
            let all: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
            all.patch(name, &params, &Patch::Merge(template))
                .await
                .map(drop)
                .map_err(api(what))
        }
        Workload::StrimziPodSet => {
            let kind = GroupVersionKind::gvk("core.strimzi.io", "v1", "StrimziPodSet");
            let resource = ApiResource::from_gvk(&kind);
            let all: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
            let patch: Value = json!({"metadata": {"annotations": {"strimzi.io/manual-rolling-update": "true"}}});
            all.patch(name, &params, &Patch::Merge(patch))
                .await
                .map(drop)
                .map_err(api(what))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn process(name: &str) -> Process {
        Process {
            name: name.to_owned(),
            container: None,
        }
    }

    #[test]
    fn the_script_kills_what_it_is_told_to_and_says_what_it_did_not_find() -> std::io::Result<()> {
        let name = "eoslab-victim";
        let directory = std::env::temp_dir().join(format!("eoslab-hands-{}", std::process::id()));
        std::fs::create_dir_all(&directory)?;
        let program = directory.join(name);
        std::fs::copy("/bin/sleep", &program)?;
        let mut victim = Command::new(&program).arg("60").stdout(Stdio::null()).spawn()?;
        let words = command(&process(name), Messenger::Shell, Signal::Kill);
        // A process is found by its name only once it runs its own program.
        let mut done = Command::new(&words[0]).args(&words[1..]).output()?;
        for _ in 0..50 {
            if done.status.success() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
            done = Command::new(&words[0]).args(&words[1..]).output()?;
        }
        assert!(done.status.success(), "{done:?}");
        assert!(!victim.wait()?.success(), "it was killed");
        let again = Command::new(&words[0]).args(&words[1..]).output()?;
        assert_eq!(again.status.code(), Some(3));
        assert!(String::from_utf8_lossy(&again.stderr).contains("no process eoslab-victim"));
        std::fs::remove_dir_all(directory)
    }

    #[test]
    fn a_freeze_is_timed_where_it_is_done() {
        let freeze = Signal::Freeze { seconds: 8 };
        let by_chaos = command(&process("counter"), Messenger::Chaos, freeze);
        assert_eq!(
            by_chaos.join(" "),
            "chaos signal --process counter --action STOP --for-seconds 8"
        );
        let by_shell = command(&process("java"), Messenger::Shell, freeze);
        assert_eq!(&by_shell[3..], ["chaos", "java", "STOP", "8"]);
        let thaw = command(&process("counter"), Messenger::Chaos, Signal::Thaw);
        assert_eq!(thaw.join(" "), "chaos signal --process counter --action CONT");
    }
}

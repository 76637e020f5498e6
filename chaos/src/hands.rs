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
# In braces: bash would put the test into the background as well, with what holds the output open until the sleep ends.
[ "$3" = 0 ] || { (sleep "$3"; kill -CONT $pids) </dev/null >/dev/null 2>&1 & }
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
    /// The victim could not be looked at, so that nothing was sent.
    #[error("{0}")]
    NotSent(Box<HandError>),
    /// The command did not end.
    #[error("the command did not end in time, or its connection broke")]
    Late,
    /// The API said no.
    #[error("cannot {what}: {}", said(.source))]
    Api {
        /// What was attempted.
        what: &'static str,
        /// What the API said.
        source: Box<kube::Error>,
    },
}

impl HandError {
    /// Whether nothing was done for certain: an answer that did not come may hide a fault that was injected.
    pub fn is_certain(&self) -> bool {
        match self {
            Self::Gone | Self::Refused(_) | Self::NotSent(_) => true,
            Self::Late => false,
            Self::Api { source, .. } => {
                matches!(source.as_ref(), kube::Error::Api(status) if (400..500).contains(&status.code))
            }
        }
    }
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
/// When it was not done, or when that is not known ([`HandError::is_certain`]). A process that was killed takes the command
/// with it that killed it, so that a connection that breaks is no error: whether there was an effect is seen afterwards.
pub async fn carry_out(client: &Client, victim: &VictimStatus, act: &Act) -> Result<(), HandError> {
    let namespace = victim.namespace.as_str();
    match act {
        Act::Signal { process, by, signal } => {
            is_still_there(client, victim).await.map_err(not_sent)?;
            let command = command(process, *by, *signal);
            let done = exec(client, namespace, &victim.name, process.container.as_deref(), command).await;
            match (done, signal) {
                (Err(HandError::Refused(why)), Signal::Kill) if why.is_empty() => Ok(()),
                (Err(HandError::Late), Signal::Kill) => Ok(()),
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

fn not_sent(error: HandError) -> HandError {
    match error {
        HandError::Gone => HandError::Gone,
        other => HandError::NotSent(Box::new(other)),
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
    let (printed, complained, status) = timeout(EXEC_TIMEOUT, read).await.map_err(|_| HandError::Late)?;
    let status = status.ok_or(HandError::Late)?;
    match status.status.as_deref() {
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
    use std::path::PathBuf;
    use std::process::{Child, Command, Output, Stdio};

    use super::*;

    fn process(name: &str) -> Process {
        Process {
            name: name.to_owned(),
            container: None,
        }
    }

    /// A process of this name, and the folder of its program.
    fn victim(name: &str) -> std::io::Result<(Child, PathBuf)> {
        let directory = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory)?;
        let program = directory.join(name);
        // By another process: what this one holds open for writing, another test's child may hold as well, and a program
        // that is open for writing cannot be started.
        assert!(Command::new("cp").arg("/bin/sleep").arg(&program).status()?.success());
        let victim = Command::new(&program).arg("60").stdout(Stdio::null()).spawn()?;
        Ok((victim, directory))
    }

    /// Runs a script until it succeeds: a process is found by its name only once it runs its own program.
    fn signalled(shell: &str, words: &[String]) -> std::io::Result<Output> {
        for _ in 0..50 {
            let done = Command::new(shell).args(&words[1..]).output()?;
            if done.status.success() {
                return Ok(done);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Command::new(shell).args(&words[1..]).output()
    }

    #[test]
    fn the_script_kills_what_it_is_told_to_and_says_what_it_did_not_find() -> std::io::Result<()> {
        let name = "eoslab-victim";
        let (mut victim, directory) = victim(name)?;
        let words = command(&process(name), Messenger::Shell, Signal::Kill);
        let done = signalled("sh", &words)?;
        assert!(done.status.success(), "{done:?}");
        assert!(!victim.wait()?.success(), "it was killed");
        let again = Command::new("sh").args(&words[1..]).output()?;
        assert_eq!(again.status.code(), Some(3));
        assert!(String::from_utf8_lossy(&again.stderr).contains("no process eoslab-victim"));
        std::fs::remove_dir_all(directory)
    }

    /// Images have other shells: whatever `sh` is, the command ends while the process is still frozen.
    #[test]
    fn a_freeze_is_told_before_it_is_over() -> std::io::Result<()> {
        for (shell, name) in [("sh", "eoslab-froze-s"), ("bash", "eoslab-froze-b")] {
            let (mut victim, directory) = victim(name)?;
            let words = command(&process(name), Messenger::Shell, Signal::Freeze { seconds: 4 });
            let done = signalled(shell, &words)?;
            // It freezes when it is next scheduled.
            let mut state = String::new();
            for _ in 0..50 {
                state = std::fs::read_to_string(format!("/proc/{}/stat", victim.id()))?;
                if state.contains(") T ") {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            victim.kill()?;
            victim.wait()?;
            assert!(done.status.success(), "{done:?}");
            assert!(state.contains(") T "), "{shell}: {state}");
            std::fs::remove_dir_all(directory)?;
        }
        Ok(())
    }

    #[test]
    fn what_was_refused_was_not_done_and_what_was_not_answered_may_have_been() {
        let refused = |code| {
            let status = kube::core::Status::failure("no", "No").with_code(code);
            api("scale")(kube::Error::Api(Box::new(status)))
        };
        for (error, expected) in [
            (HandError::Gone, true),
            (HandError::Refused("no process".to_owned()), true),
            (refused(403), true),
            (refused(500), false),
            (api("scale")(kube::Error::Service("broken pipe".into())), false),
            (HandError::Late, false),
        ] {
            assert_eq!(error.is_certain(), expected, "{error}");
        }
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

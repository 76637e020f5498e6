//! What a pod's status says about the member in it.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod, PodCondition};
use kube::ResourceExt;

use crate::names::CONTAINER;

/// Longest text that is taken over from a pod.
const TEXT_MAX: usize = 400;

/// Reason of a container that ended twice or more, also while it is not waiting just now.
const CRASH_LOOP: &str = "CrashLoopBackOff";
/// Reason of one that has ended once and is started again.
const EXITED: &str = "ContainerExited";

/// Reasons of a waiting container that do not pass by waiting a moment.
const HARD_WAITING: [&str; 9] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    CRASH_LOOP,
];

/// Why a pod does not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// One CamelCase word, Kubernetes's own where there is one.
    pub reason: String,
    /// In words, Kubernetes's own where there are any.
    pub message: String,
    /// Whether it is a failure, rather than something that a starting pod goes through.
    pub is_failure: bool,
}

/// One pod of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodView {
    /// Name of the pod.
    pub name: String,
    /// UID of the pod.
    pub uid: String,
    /// Address, once it has one.
    pub ip: Option<String>,
    /// Node that it is on, once it is.
    pub node: Option<String>,
    /// Image with its digest, as the container runtime has it.
    pub image_id: Option<String>,
    /// Whether it is ready and not about to go.
    pub is_ready: bool,
    /// Since when it is (not) ready, us since the Unix epoch.
    pub ready_since_us: Option<i64>,
    /// When it was made, us since the Unix epoch.
    pub created_us: i64,
    /// Whether it was asked to stop.
    pub is_terminating: bool,
    /// When it was asked to stop, us since the Unix epoch.
    pub deleted_us: Option<i64>,
    /// Whether nothing of it runs any more and nothing will.
    pub is_finished: bool,
    /// Whether its container runs, as far as the kubelet has told.
    pub is_running: bool,
    /// How many times its container was started again.
    pub restarts: u32,
    /// When its container ended last, us since the Unix epoch.
    pub ended_us: Option<i64>,
    /// Why it does not work, if it does not.
    pub trouble: Option<Trouble>,
    /// What its container wrote at its end, with its exit code, once it ended for good.
    pub ended: Option<Ended>,
}

/// How a container ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Exit code.
    pub exit_code: i32,
    /// `OOMKilled`, `Error`, `Completed`, ...
    pub reason: String,
    /// Termination message.
    pub message: String,
}

impl PodView {
    /// Reads a pod.
    pub fn new(pod: &Pod) -> Self {
        let status = pod.status.clone().unwrap_or_default();
        let container = load_container(pod);
        let ready = condition(pod, "Ready");
        let is_terminating = pod.metadata.deletion_timestamp.is_some();
        let is_finished = matches!(status.phase.as_deref(), Some("Failed" | "Succeeded"));
        let says_ready = ready.is_some_and(|ready| ready.status == "True");
        let is_ready = !is_terminating && !is_finished && says_ready;
        let changed_us = ready.and_then(|ready| Some(ready.last_transition_time.as_ref()?.0.as_microsecond()));
        // The condition of a ready pod stays as it was until its container has ended.
        let asked_to_stop_us = deleted_us(pod).filter(|_| says_ready);
        Self {
            name: pod.name_any(),
            uid: pod.uid().unwrap_or_default(),
            ip: status.pod_ip.clone().filter(|ip| !ip.is_empty()),
            node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
            image_id: container.map(|container| container.image_id.clone()),
            is_ready,
            ready_since_us: asked_to_stop_us.or(changed_us),
            created_us: pod.creation_timestamp().map_or(0, |created| created.0.as_microsecond()),
            is_terminating,
            deleted_us: deleted_us(pod),
            is_finished,
            is_running: container.is_some_and(|container| {
                let state = container.state.as_ref();
                state.is_some_and(|state| state.running.is_some())
            }),
            restarts: container.map_or(0, |container| container.restart_count.max(0) as u32),
            ended_us: container.and_then(ended_us),
            trouble: (!is_ready).then(|| trouble(pod, container)).flatten(),
            ended: container.and_then(|container| Some(ended(container.state.as_ref()?.terminated.as_ref()?))),
        }
    }

    /// The `holderIdentity` that this pod writes.
    pub fn identity(&self) -> String {
        format!("{}/{}", self.name, self.uid)
    }
}

fn load_container(pod: &Pod) -> Option<&ContainerStatus> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses
        .iter()
        .find(|status| status.name == CONTAINER)
        .or_else(|| statuses.first())
}

/// A pod's deletion timestamp is the end of its grace period.
fn deleted_us(pod: &Pod) -> Option<i64> {
    let grace_us = pod.metadata.deletion_grace_period_seconds.unwrap_or(0) * 1_000_000;
    let deadline = pod.metadata.deletion_timestamp.as_ref()?;
    Some(deadline.0.as_microsecond() - grace_us)
}

fn ended_us(container: &ContainerStatus) -> Option<i64> {
    let end = |state: &Option<ContainerState>| {
        let terminated = state.as_ref()?.terminated.as_ref()?;
        Some(terminated.finished_at.as_ref()?.0.as_microsecond())
    };
    end(&container.state).or_else(|| end(&container.last_state))
}

fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<&'a PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == kind)
}

fn ended(terminated: &ContainerStateTerminated) -> Ended {
    Ended {
        exit_code: terminated.exit_code,
        reason: terminated.reason.clone().unwrap_or_default(),
        message: terminated.message.clone().unwrap_or_default(),
    }
}

fn trouble(pod: &Pod, container: Option<&ContainerStatus>) -> Option<Trouble> {
    let status = pod.status.as_ref()?;
    if status.phase.as_deref() == Some("Failed") {
        let reason = status.reason.clone().unwrap_or_else(|| "PodFailed".to_owned());
        return Some(failure(reason, status.message.clone().unwrap_or_default()));
    }
    if let Some(scheduled) = condition(pod, "PodScheduled")
        && scheduled.status == "False"
    {
        let reason = scheduled.reason.clone().unwrap_or_else(|| "Unschedulable".to_owned());
        return Some(failure(reason, scheduled.message.clone().unwrap_or_default()));
    }
    let container = container?;
    let last = container
        .last_state
        .as_ref()
        .and_then(|state| state.terminated.as_ref());
    container_trouble(container.state.as_ref()?, last, container.restart_count)
}

fn container_trouble(
    state: &ContainerState,
    last: Option<&ContainerStateTerminated>,
    restarts: i32,
) -> Option<Trouble> {
    if let Some(terminated) = &state.terminated {
        return Some(crash(terminated, exited(restarts + 1), "the container ended"));
    }
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.clone().unwrap_or_else(|| "ContainerCreating".to_owned());
        let message = waiting.message.clone().unwrap_or_default();
        return Some(match last {
            Some(last) if reason == CRASH_LOOP || reason == "RunContainerError" => crash(
                last,
                CRASH_LOOP,
                &format!("the container ended {restarts} times ({reason})"),
            ),
            _ if HARD_WAITING.contains(&reason.as_str()) => failure(reason, message),
            _ => Trouble {
                reason,
                message,
                is_failure: false,
            },
        });
    }
    // It runs and is not ready: after a crash that is the crash's doing, otherwise it may still be starting.
    Some(match last {
        Some(last) => crash(
            last,
            exited(restarts),
            &format!("the container was restarted ({restarts}) and is not ready"),
        ),
        None => Trouble {
            reason: "NotReady".to_owned(),
            message: "the container runs and is not ready; its log says what it waits for".to_owned(),
            is_failure: false,
        },
    })
}

fn exited(times: i32) -> &'static str {
    if times > 1 { CRASH_LOOP } else { EXITED }
}

/// A container that ended although it should run. An out-of-memory kill before the container has started comes as a
/// start error, with the cause in the message only.
fn crash(terminated: &ContainerStateTerminated, otherwise: &str, what: &str) -> Trouble {
    let end = ended(terminated);
    let oom = end.reason == "OOMKilled" || end.message.contains("OOM-killed") || end.message.contains("OOMKilled");
    let reason = match (oom, end.reason.as_str()) {
        (true, _) => "OOMKilled",
        (false, "StartError" | "ContainerCannotRun") => "StartError",
        (false, _) => otherwise,
    };
    let mut message = format!("{what}; last with {}, exit code {}", end.reason, end.exit_code);
    if !end.message.trim().is_empty() {
        message = format!("{message}: {}", shortened(end.message.trim().replace('\n', "; ")));
    }
    failure(reason.to_owned(), message)
}

fn failure(reason: String, message: String) -> Trouble {
    Trouble {
        reason,
        message,
        is_failure: true,
    }
}

/// The end of a text that is too long: of a log, the end says why.
fn shortened(text: String) -> String {
    let surplus = text.chars().count().saturating_sub(TEXT_MAX);
    if surplus == 0 {
        return text;
    }
    format!("…{}", text.chars().skip(surplus).collect::<String>())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(status: Value) -> PodView {
        view(json!({"name": "lt-producer-x", "uid": "u1"}), status)
    }

    fn view(metadata: Value, status: Value) -> PodView {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status});
        PodView::new(&serde_json::from_value(pod).expect("a pod"))
    }

    fn waiting(reason: &str, last: Value) -> Value {
        json!({"phase": "Pending", "containerStatuses": [{
            "name": "load", "image": "", "imageID": "", "ready": false, "restartCount": 3,
            "state": {"waiting": {"reason": reason, "message": "m"}}, "lastState": last,
        }]})
    }

    fn oom() -> Value {
        json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}})
    }

    #[test]
    fn the_reason_of_a_pod_that_does_not_work_is_kubernetes_own() {
        let table = [
            (
                "evicted",
                json!({"phase": "Failed", "reason": "Evicted", "message": "disk"}),
                "Evicted",
                true,
                "disk",
            ),
            (
                "unschedulable",
                json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}]}),
                "Unschedulable",
                true,
                "0/1 nodes",
            ),
            ("image", waiting("ErrImagePull", json!({})), "ErrImagePull", true, "m"),
            (
                "image never",
                waiting("ErrImageNeverPull", json!({})),
                "ErrImageNeverPull",
                true,
                "m",
            ),
            (
                "creating",
                waiting("ContainerCreating", json!({})),
                "ContainerCreating",
                false,
                "m",
            ),
            (
                "oom loop",
                waiting("CrashLoopBackOff", oom()),
                "OOMKilled",
                true,
                "exit code 137",
            ),
            (
                "crash loop",
                waiting(
                    "CrashLoopBackOff",
                    json!({"terminated": {"exitCode": 1, "reason": "Error", "message": "no topic\n"}}),
                ),
                "CrashLoopBackOff",
                true,
                "exit code 1: no topic",
            ),
            (
                "oom at start",
                waiting(
                    "RunContainerError",
                    json!({"terminated": {"exitCode": 128, "reason": "StartError", "message": "container init was OOM-killed (memory limit too low?)"}}),
                ),
                "OOMKilled",
                true,
                "OOM-killed",
            ),
        ];
        for (name, status, reason, is_failure, says) in table {
            let trouble = pod(status).trouble.expect("a trouble");
            assert_eq!(
                (trouble.reason.as_str(), trouble.is_failure),
                (reason, is_failure),
                "{name}"
            );
            assert!(trouble.message.contains(says), "{name}: {}", trouble.message);
        }
    }

    fn running(ready: &str, restarts: i32, last: Value) -> Value {
        json!({"phase": "Running", "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": "2026-01-01T00:00:01Z"}],
            "containerStatuses": [{"name": "load", "image": "", "imageID": "", "ready": false, "restartCount": restarts,
                "state": {"running": {}}, "lastState": last}]})
    }

    #[test]
    fn a_ready_pod_has_no_trouble_and_a_restarted_one_has_that_of_its_crash() {
        let ready = pod(running("True", 1, oom()));
        assert!(ready.is_ready && ready.trouble.is_none());
        assert_eq!(ready.ready_since_us, Some(1_767_225_601_000_000));
        let starting = pod(running("False", 0, json!({})));
        assert!(starting.trouble.is_some_and(|trouble| !trouble.is_failure));
        let crashed = pod(running("False", 1, oom()));
        assert!(
            crashed
                .trouble
                .is_some_and(|trouble| trouble.reason == "OOMKilled" && trouble.is_failure)
        );
    }

    #[test]
    fn a_ready_pod_was_ready_until_it_was_asked_to_stop() {
        let going = |ready: &str| {
            let deleted = json!({"deletionTimestamp": "2026-01-01T01:00:31Z", "deletionGracePeriodSeconds": 30});
            let view = view(deleted, running(ready, 0, json!({})));
            (view.is_ready, view.ready_since_us)
        };
        assert_eq!(going("True"), (false, Some(1_767_229_201_000_000)));
        assert_eq!(
            going("False"),
            (false, Some(1_767_225_601_000_000)),
            "it was not before"
        );
    }

    #[test]
    fn a_container_that_ended_twice_crash_loops_whatever_it_does_just_now() {
        let end = json!({"exitCode": 137, "reason": "Error"});
        let reason = |pod: PodView| pod.trouble.map(|trouble| trouble.reason).unwrap_or_default();
        let ended = |restarts| {
            json!({"phase": "Running", "containerStatuses": [{
                "name": "load", "image": "", "imageID": "", "ready": false, "restartCount": restarts,
                "state": {"terminated": end},
            }]})
        };
        assert_eq!(reason(pod(ended(0))), "ContainerExited");
        assert_eq!(reason(pod(ended(1))), "CrashLoopBackOff");
        let last = json!({"terminated": end});
        assert_eq!(reason(pod(running("False", 1, last.clone()))), "ContainerExited");
        assert_eq!(reason(pod(running("False", 2, last))), "CrashLoopBackOff");
    }

    #[test]
    fn the_times_of_an_end_are_the_apis() {
        let crashed = json!({"terminated": {"exitCode": 137, "reason": "Error", "finishedAt": "2026-01-01T00:00:07Z"}});
        let restarted = pod(running("False", 2, crashed));
        assert_eq!(
            (restarted.restarts, restarted.ended_us, restarted.deleted_us),
            (2, Some(1_767_225_607_000_000), None)
        );
        let deleted: Pod = serde_json::from_value(json!({"metadata": {
            "name": "p", "creationTimestamp": "2026-01-01T00:00:00Z",
            "deletionTimestamp": "2026-01-01T00:00:45Z", "deletionGracePeriodSeconds": 30,
        }}))
        .expect("a pod");
        let view = PodView::new(&deleted);
        assert_eq!(view.deleted_us, Some(view.created_us + 15_000_000));
        assert_eq!((view.restarts, view.ended_us), (0, None));
    }

    #[test]
    fn the_end_of_a_long_log_is_kept() {
        let text = shortened(format!("{}end", "x".repeat(1000)));
        assert!(text.ends_with("end") && text.chars().count() == TEXT_MAX + 1);
    }
}

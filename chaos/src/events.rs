//! Events on the ChaosRun and, so that it tells its own story, on the LoadTest.

use eoslab_api::chaos::Injection;
use eoslab_api::{ChaosRun, LoadTest};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType};
use kube::{Resource, ResourceExt};
use tracing::{debug, info};

use crate::context::Context;

/// Something worth telling.
pub struct Note {
    /// Whether a user must act.
    pub is_warning: bool,
    /// One CamelCase word.
    pub reason: &'static str,
    /// In words.
    pub text: String,
}

impl Note {
    /// A fault was injected.
    pub fn injected(injection: &Injection) -> Self {
        let victim = injection.victim.clone().unwrap_or_default();
        Self {
            is_warning: false,
            reason: "FaultInjected",
            text: format!("{} of {} ({})", injection.fault_type, victim.name, victim.because),
        }
    }

    /// A fault is over.
    pub fn over(injection: &Injection) -> Self {
        let ms = |ms: Option<u64>| ms.map_or("-".to_owned(), |ms| format!("{ms} ms"));
        Self {
            is_warning: injection.recovered_ms.is_none(),
            reason: "FaultOver",
            text: format!(
                "{} {}: recovered in {}, longest pause {}, {} partitions paused, {} lost, {} doubled. {}",
                injection.fault_type,
                injection.state,
                ms(injection.recovered_ms),
                ms(injection.longest_pause_ms),
                injection.partitions_paused,
                injection.lost,
                injection.duplicated,
                injection.message
            ),
        }
    }
}

/// Publishes a note. One that cannot be published is logged and no reason to stop.
pub async fn publish(context: &Context, run: &ChaosRun, loadtest: Option<&LoadTest>, number: usize, note: Note) {
    info!(run = %run.name_any(), reason = note.reason, "{}", note.text);
    let event = Event {
        type_: if note.is_warning {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason: note.reason.to_owned(),
        note: Some(note.text.chars().take(900).collect()),
        // Events of equal reason and action are merged into the first.
        action: format!("Injection/{}/{number}", run.name_any())
            .chars()
            .take(128)
            .collect(),
        secondary: None,
    };
    let unversioned = |mut reference: ObjectReference| {
        reference.resource_version = None;
        reference
    };
    let references = [Some(run.object_ref(&())), loadtest.map(|one| one.object_ref(&()))];
    for reference in references.into_iter().flatten().map(unversioned) {
        if let Err(error) = context.recorder.publish(&event, &reference).await {
            debug!(%error, "cannot publish an event");
        }
    }
}

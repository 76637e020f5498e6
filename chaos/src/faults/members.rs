//! Picks a counter or producer.

use eoslab_api::chaos::VictimStatus;

use super::{Choice, Refusal, of_pod};
use crate::world::{Component, PodState};

/// A member that holds a slot.
pub(super) fn pick(choice: &Choice, component: Component) -> Result<VictimStatus, Refusal> {
    let all: Vec<&PodState> = choice
        .world
        .pods(component)
        .iter()
        .filter(|pod| pod.slot.is_some())
        .collect();
    let what = if component == Component::Counters {
        "counter"
    } else {
        "producer"
    };
    let wanted = choice.fault.target.as_ref().and_then(|target| target.slot);
    let (member, because) = match wanted {
        Some(slot) => (
            all.iter().copied().find(|pod| pod.slot == Some(slot)),
            format!("holds slot {slot}"),
        ),
        None => (choice.any(&all), "picked at random".to_owned()),
    };
    let member = member.ok_or_else(|| {
        let slots: Vec<String> = all.iter().filter_map(|pod| Some(pod.slot?.to_string())).collect();
        let message = match wanted {
            Some(slot) => format!(
                "spec.faults[].target.slot: no {what} holds slot {slot}, only {}; correct it",
                slots.join(", ")
            ),
            None => format!("no {what} holds a slot; see the LoadTest's status"),
        };
        Refusal::new("NoSuchMember", message)
    })?;
    Ok(of_pod(member, because))
}

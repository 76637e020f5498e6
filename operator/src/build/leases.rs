//! The Leases: slots of the members, and the channel on which they get the schedule.

use std::collections::BTreeMap;

use eoslab_runtime::slot::{LEASE_DURATION, MEASURE_FROM_ANNOTATION, START_AT_ANNOTATION, STOP_ANNOTATION};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};

use super::Source;
use crate::decide::Schedule;
use crate::names::Role;

/// The Lease of a slot. Holder and times are the members' own fields and not part of it.
pub fn lease(source: &Source, role: Role, slot: u32, schedule: Option<Schedule>, is_stopped: bool) -> Lease {
    let mut metadata = source.metadata(source.plan.names.lease(role, slot), Some(role));
    let mut annotations = BTreeMap::new();
    if let Some(schedule) = schedule {
        annotations.insert(START_AT_ANNOTATION.to_owned(), schedule.start_us.to_string());
        annotations.insert(MEASURE_FROM_ANNOTATION.to_owned(), schedule.measure_us.to_string());
    }
    if is_stopped {
        annotations.insert(STOP_ANNOTATION.to_owned(), is_stopped.to_string());
    }
    metadata.annotations = (!annotations.is_empty()).then_some(annotations);
    Lease {
        metadata,
        spec: Some(LeaseSpec {
            lease_duration_seconds: Some(LEASE_DURATION.as_secs() as i32),
            ..LeaseSpec::default()
        }),
    }
}

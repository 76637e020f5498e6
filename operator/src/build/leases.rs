//! The Leases: slots of the members, and the channel on which they get the schedule.

use eoslab_runtime::slot::{LEASE_DURATION, MEASURE_FROM_ANNOTATION, START_AT_ANNOTATION};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};

use super::Source;
use crate::decide::Schedule;
use crate::names::Role;

/// The Lease of a slot. Holder and times are the members' own fields and not part of it.
pub fn lease(source: &Source, role: Role, slot: u32, schedule: Option<Schedule>) -> Lease {
    let mut metadata = source.metadata(source.plan.names.lease(role, slot), Some(role));
    metadata.annotations = schedule.map(|schedule| {
        [
            (START_AT_ANNOTATION, schedule.start_us),
            (MEASURE_FROM_ANNOTATION, schedule.measure_us),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_string()))
        .into()
    });
    Lease {
        metadata,
        spec: Some(LeaseSpec {
            lease_duration_seconds: Some(LEASE_DURATION.as_secs() as i32),
            ..LeaseSpec::default()
        }),
    }
}

//! Names and help texts of the metrics.

/// Events handed over.
pub const SENT: &str = "eoslab_records_sent_total";
/// Help of [`SENT`].
pub const SENT_HELP: &str = "Events handed to the Kafka client.";
/// Events acknowledged.
pub const ACKED: &str = "eoslab_records_acked_total";
/// Help of [`ACKED`].
pub const ACKED_HELP: &str = "Events acknowledged by the brokers.";
/// Failed sends.
pub const FAILED: &str = "eoslab_records_failed_total";
/// Help of [`FAILED`].
pub const FAILED_HELP: &str = "Sends that were certainly not written, also if they were sent again.";
/// Indeterminate sends.
pub const INDETERMINATE: &str = "eoslab_records_indeterminate_total";
/// Help of [`INDETERMINATE`].
pub const INDETERMINATE_HELP: &str = "Sends that were possibly written, also if they were sent again.";
/// Client rebuilds.
pub const REBUILDS: &str = "eoslab_client_rebuilds_total";
/// Help of [`REBUILDS`].
pub const REBUILDS_HELP: &str = "Times a Kafka client was rebuilt after an error that it could not recover from.";
/// Back-pressure.
pub const QUEUE_FULL: &str = "eoslab_queue_full_seconds_total";
/// Help of [`QUEUE_FULL`].
pub const QUEUE_FULL_HELP: &str = "Time spent waiting because a client's queue was full.";
/// Help of the CPU time.
pub const CPU_HELP: &str = "CPU time of the process, user and system.";
/// How late the schedule is.
pub const LAG: &str = "eoslab_schedule_lag_seconds";
/// Help of [`LAG`].
pub const LAG_HELP: &str = "How late the next event of the latest partition is; 0 in a closed loop.";
/// Produce rate.
pub const RATE: &str = "eoslab_produce_rate";
/// Help of [`RATE`].
pub const RATE_HELP: &str = "Events acknowledged a second, over the last seconds.";
/// Wanted rate.
pub const TARGET_RATE: &str = "eoslab_produce_target_rate";
/// Help of [`TARGET_RATE`].
pub const TARGET_RATE_HELP: &str = "Events a second that this member is to send; missing in a closed loop.";
/// In-flight events.
pub const IN_FLIGHT: &str = "eoslab_in_flight_records";
/// Help of [`IN_FLIGHT`].
pub const IN_FLIGHT_HELP: &str = "Events queued or sent whose outcome is open.";
/// Help of the readiness.
pub const READY_HELP: &str = "1 while the pod is ready.";
/// Position of each partition.
pub const NEXT_SEQ: &str = "eoslab_partition_next_seq";
/// Help of [`NEXT_SEQ`].
pub const NEXT_SEQ_HELP: &str = "Next seq of the partition to hand to the Kafka client.";
/// Latency.
pub const LATENCY: &str = "eoslab_produce_latency_seconds";
/// Help of [`LATENCY`].
pub const LATENCY_HELP: &str =
    "Time until the acknowledgement, from the intended send (basis=intended) or the actual one (basis=actual).";

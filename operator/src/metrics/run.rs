//! What is exported of each run, as the operator last saw it.

use eoslab_api::{CorrectnessStatus, LatencyQuantiles, LoadTest, LoadTestStatus, Phase};
use eoslab_runtime::metrics::{Families, Labels};
use kube::ResourceExt;

use super::targets::{Target, targets};
use crate::names::{Role, group};
use crate::seen::{Seen, log};

/// Label names and values of one sample.
type Owned = Vec<(&'static str, String)>;
/// Samples of one family.
type Samples = Vec<(Owned, f64)>;

/// One run.
#[derive(Clone, Debug, Default)]
pub(super) struct RunView {
    pub(super) uid: String,
    namespace: String,
    name: String,
    group: String,
    topic: String,
    status: LoadTestStatus,
    /// Events and ms that each partition lags.
    lag: Vec<(u64, u64)>,
    /// How long each partition has paused, us.
    paused_us: Vec<u64>,
    pub(super) targets: Vec<Target>,
}

impl RunView {
    pub(super) fn new(loadtest: &LoadTest, status: &LoadTestStatus, seen: &Seen, now_us: i64) -> Self {
        let lag = seen.log.as_deref().zip(seen.ledger.as_deref());
        Self {
            lag: lag.map_or_else(Vec::new, |(log, ledger)| log::lag(log, ledger, now_us).partitions),
            paused_us: seen
                .pauses
                .as_ref()
                .map_or_else(Vec::new, |pauses| pauses.by_partition_us.clone()),
            targets: targets(loadtest, seen),
            ..Self::over(loadtest, status)
        }
    }

    /// One that nothing happens to any more.
    pub(super) fn over(loadtest: &LoadTest, status: &LoadTestStatus) -> Self {
        Self {
            uid: loadtest.uid().unwrap_or_default(),
            namespace: loadtest.namespace().unwrap_or_default(),
            name: loadtest.name_any(),
            group: group(loadtest),
            topic: loadtest.spec.topic.name.clone(),
            status: status.clone(),
            ..Self::default()
        }
    }

    /// Labels of one of its samples.
    fn labels(&self, more: &[(&'static str, &str)]) -> Owned {
        let own = [("namespace", self.namespace.as_str()), ("loadtest", self.name.as_str())];
        own.iter()
            .chain(more)
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect()
    }

    fn one(&self, value: Option<f64>) -> Samples {
        value.map(|value| (self.labels(&[]), value)).into_iter().collect()
    }

    /// What the verification found, once it is done.
    fn verified(&self) -> Option<&CorrectnessStatus> {
        let correctness = self.status.correctness.as_ref();
        correctness.filter(|correctness| correctness.is_verified())
    }

    /// Takes over what the view before knew: the ledger keeps only the last pauses of a partition, and a sum of them goes
    /// back when it drops one.
    pub(super) fn follow(&mut self, before: &Self) {
        for (now, before) in self.paused_us.iter_mut().zip(&before.paused_us) {
            *now = (*now).max(*before);
        }
    }

    fn is_sending(&self) -> bool {
        matches!(self.status.phase, Phase::Warmup | Phase::Running)
    }

    fn sent_rate(&self) -> Samples {
        let producers = self.status.producers.as_ref();
        let rate = |rate: u64| if self.is_sending() { rate as f64 } else { 0.0 };
        self.one(producers.map(|producers| rate(producers.rate_per_second)))
    }

    fn target_rate(&self) -> Samples {
        let producers = self.status.producers.as_ref().filter(|_| self.is_sending());
        self.one(
            producers
                .and_then(|producers| producers.target_rate_per_second)
                .map(|rate| rate as f64),
        )
    }

    fn counted_rate(&self) -> Samples {
        let counters = self.status.counters.as_ref();
        self.one(counters.map(|counters| counters.rate_per_second as f64))
    }

    fn latencies(&self) -> Samples {
        let Some(latency) = &self.status.latency else {
            return Samples::new();
        };
        let validity = latency.validity.as_str();
        let kinds = [
            ("end_to_end", latency.end_to_end),
            ("response", latency.response),
            ("service", latency.service),
        ];
        let of_kind = |(kind, quantiles): (&'static str, Option<LatencyQuantiles>)| {
            quantiles.into_iter().flat_map(move |of| {
                let quantiles = [("0.5", of.p50_us), ("0.99", of.p99_us), ("0.999", of.p999_us)];
                quantiles.map(|(quantile, us)| {
                    let labels = self.labels(&[("kind", kind), ("quantile", quantile), ("validity", validity)]);
                    (labels, us as f64 / 1e6)
                })
            })
        };
        kinds.into_iter().flat_map(of_kind).collect()
    }

    fn members(&self) -> Samples {
        let producers = self.status.producers.as_ref().map(|all| (all.ready, all.desired));
        let counters = self.status.counters.as_ref().map(|all| (all.ready, all.desired));
        let of_role = |(role, members): (Role, Option<(u32, u32)>)| {
            members.into_iter().flat_map(move |(ready, wanted)| {
                [("ready", ready), ("wanted", wanted)].map(|(state, count)| {
                    let labels = self.labels(&[("role", role.as_str()), ("state", state)]);
                    (labels, f64::from(count))
                })
            })
        };
        [(Role::Producer, producers), (Role::Counter, counters)]
            .into_iter()
            .flat_map(of_role)
            .collect()
    }

    fn by_partition<T>(&self, values: &[T], of: impl Fn(&T) -> f64) -> Samples {
        let labelled = values.iter().enumerate().map(|(partition, value)| {
            let labels = self.labels(&[("partition", &partition.to_string())]);
            (labels, of(value))
        });
        labelled.collect()
    }

    /// With the labels that Kafka exporters give it.
    fn group_lag(&self) -> Samples {
        let labelled = self.lag.iter().enumerate().map(|(partition, (records, _))| {
            let labels = vec![
                ("consumergroup", self.group.clone()),
                ("topic", self.topic.clone()),
                ("partition", partition.to_string()),
            ];
            (labels, *records as f64)
        });
        labelled.collect()
    }
}

/// A family with a sample or more of each run: its name, its help and where the samples come from.
type Family = (&'static str, &'static str, fn(&RunView) -> Samples);

const GAUGES: [Family; 11] = [
    ("eoslab_run_info", "1 for each run, with its phase and verdict", |run| {
        let status = &run.status;
        let labels = [("phase", status.phase.as_str()), ("verdict", status.verdict.as_str())];
        vec![(run.labels(&labels), 1.0)]
    }),
    (
        "eoslab_run_target_events_per_second",
        "Wanted events a second, while they are sent; missing with rate: max",
        RunView::target_rate,
    ),
    (
        "eoslab_run_sent_events_per_second",
        "Events sent a second",
        RunView::sent_rate,
    ),
    (
        "eoslab_run_counted_events_per_second",
        "Events counted a second",
        RunView::counted_rate,
    ),
    (
        "eoslab_run_lost_events",
        "Events that are missing in the ledger, once the run is verified",
        |run| run.one(run.verified().map(|is| is.lost as f64)),
    ),
    (
        "eoslab_run_duplicated_events",
        "Events that the ledger counted twice, once the run is verified",
        |run| run.one(run.verified().map(|is| is.duplicated as f64)),
    ),
    (
        "eoslab_run_latency_seconds",
        "Latency of the run so far, merged over all members, with its validity",
        RunView::latencies,
    ),
    (
        "eoslab_run_members",
        "Members that are ready and that are wanted",
        RunView::members,
    ),
    (
        "eoslab_longest_pause_seconds",
        "Longest pause of any partition",
        |run| run.one(run.status.pauses.as_ref().map(|pauses| pauses.longest_ms as f64 / 1e3)),
    ),
    (
        "eoslab_consumer_lag_records",
        "Events of a partition that are in the log and not counted yet",
        |run| run.by_partition(&run.lag, |(records, _)| *records as f64),
    ),
    (
        "eoslab_consumer_lag_seconds",
        "Age of the oldest event of a partition that is in the log and not counted yet",
        |run| run.by_partition(&run.lag, |(_, millis)| *millis as f64 / 1e3),
    ),
];

const COUNTERS: [Family; 2] = [
    (
        "eoslab_partition_pause_seconds_total",
        "Time that a partition was not counted although events waited, by the ledger",
        |run| run.by_partition(&run.paused_us, |us| *us as f64 / 1e6),
    ),
    (
        "eoslab_run_rebalances_total",
        "Times that partitions were assigned to or revoked from a counter",
        |run| run.one(run.status.counters.as_ref().map(|counters| counters.rebalances as f64)),
    ),
];

const GROUP_LAG: Family = (
    "kafka_consumergroup_lag",
    "Events of a partition that are in the log and not counted yet, by consumer group",
    RunView::group_lag,
);

/// Everything that is exported of these runs.
pub(super) fn families(runs: &[RunView], has_group_lag: bool) -> Families {
    let mut families = Families::new();
    for gauge in GAUGES.into_iter().chain(has_group_lag.then_some(GROUP_LAG)) {
        families = add(
            families,
            |all, name, help, values| all.gauges(name, help, values),
            runs,
            gauge,
        );
    }
    for counter in COUNTERS {
        families = add(
            families,
            |all, name, help, values| all.counters(name, help, values),
            runs,
            counter,
        );
    }
    families
}

/// Adds a family of one of both kinds.
type Add = fn(Families, &str, &str, Vec<(Labels<'_>, f64)>) -> Families;

fn add(families: Families, kind: Add, runs: &[RunView], (name, help, of): Family) -> Families {
    let samples: Samples = runs.iter().flat_map(of).collect();
    let labels: Vec<Vec<(&'static str, &str)>> = samples
        .iter()
        .map(|(labels, _)| labels.iter().map(|(name, value)| (*name, value.as_str())).collect())
        .collect();
    let values = labels.iter().zip(&samples);
    let values = values.map(|(labels, (_, value))| (labels.as_slice(), *value)).collect();
    kind(families, name, help, values)
}

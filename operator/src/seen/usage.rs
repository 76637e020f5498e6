//! How busy every part was over a time: from what each had used at its beginning and at its end.

use std::collections::BTreeMap;

use eoslab_api::{
    BrokersUtilization, CountersUtilization, LedgerUtilization, NodeUtilization, ProducersUtilization, RequestTime,
    UtilizationStatus,
};
use eoslab_core::ResourceUse;

use super::members::Report;
use crate::names::Role;
use crate::plan::Plan;

/// What a producer or counter had used at a moment, by its report.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberUse {
    role: Role,
    resources: ResourceUse,
    /// Of a producer: waiting for room in the client's queue.
    queue_full_us: u64,
    /// Held back by a broker's quota.
    quota_us: u64,
    /// Of a counter: waiting for Redis.
    redis_us: u64,
    redis_calls: u64,
    /// Of a counter: waiting for records.
    idle_us: u64,
}

impl MemberUse {
    /// What a report says.
    pub fn new(report: &Report) -> Self {
        match report {
            Report::Producer(report) => Self {
                role: Role::Producer,
                resources: report.usage,
                queue_full_us: report.queue_full_us,
                quota_us: report.quota_us,
                redis_us: 0,
                redis_calls: 0,
                idle_us: 0,
            },
            Report::Counter(report) => Self {
                role: Role::Counter,
                resources: report.usage,
                queue_full_us: 0,
                quota_us: report.quota_us,
                redis_us: report.redis_us,
                redis_calls: report.redis_calls,
                idle_us: report.idle_us,
            },
        }
    }
}

/// What one broker had used at a moment, by its metrics endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BrokerUse {
    /// Time that its request handlers were idle, ns: the average over them.
    pub handlers_idle_ns: f64,
    /// Share of the last seconds that its network threads were idle, 0 to 1.
    pub network_idle: f64,
    /// Produce requests.
    pub produce: RequestUse,
    /// Fetch requests of consumers.
    pub fetch: RequestUse,
    /// Times that a replica of a partition that it leads fell out of the in-sync replicas.
    pub isr_shrinks: f64,
}

/// Requests of one kind: their number, and the time of all of them in ms by where it went.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RequestUse {
    /// How many.
    pub count: f64,
    /// All of it.
    pub total_ms: f64,
    /// Waiting for a request handler.
    pub queue_ms: f64,
    /// At work in the leader.
    pub local_ms: f64,
    /// Waiting for others.
    pub remote_ms: f64,
    /// Waiting to be sent, and being sent.
    pub response_ms: f64,
}

/// What Redis and the brokers had used at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerUse {
    /// CPU time of the main thread of each Redis, us; `None` where it could not be read.
    pub ledger_us: Option<Vec<u64>>,
    /// Each broker that has a metrics endpoint, by its id.
    pub brokers: BTreeMap<i32, BrokerUse>,
}

/// The first and the last look at something.
#[derive(Clone, Debug, PartialEq)]
struct Ends<T> {
    first: (i64, T),
    last: (i64, T),
}

impl<T: Clone> Ends<T> {
    fn new(at_us: i64, now: T) -> Self {
        Self {
            first: (at_us, now.clone()),
            last: (at_us, now),
        }
    }

    fn us(&self) -> u64 {
        u64::try_from(self.last.0 - self.first.0).unwrap_or(0)
    }

    /// How much a number has grown between them.
    fn more(&self, of: impl Fn(&T) -> u64) -> u64 {
        of(&self.last.1).saturating_sub(of(&self.first.1))
    }

    /// The same as a share of the time, percent.
    fn percent(&self, of: impl Fn(&T) -> u64) -> u32 {
        percent(self.more(of), self.us())
    }
}

fn push<K: Ord, T: Clone>(all: &mut BTreeMap<K, Ends<T>>, key: K, at_us: i64, now: T) {
    match all.get_mut(&key) {
        Some(ends) => ends.last = (at_us, now),
        None => drop(all.insert(key, Ends::new(at_us, now))),
    }
}

/// What everyone used from the first look at it to the last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UsageWindow {
    us: Option<(i64, i64)>,
    members: BTreeMap<String, Ends<MemberUse>>,
    redis: BTreeMap<usize, Ends<u64>>,
    brokers: BTreeMap<i32, Ends<BrokerUse>>,
}

impl UsageWindow {
    /// Adds a look at the members that live.
    pub fn push_members<'a>(&mut self, at_us: i64, members: impl Iterator<Item = (&'a str, MemberUse)>) {
        self.us.get_or_insert((at_us, at_us)).1 = at_us;
        for (incarnation, usage) in members {
            push(&mut self.members, incarnation.to_owned(), at_us, usage);
        }
    }

    /// Adds a look at Redis and the brokers.
    pub fn push_servers(&mut self, at_us: i64, servers: &ServerUse) {
        for (index, used_us) in servers.ledger_us.iter().flatten().enumerate() {
            push(&mut self.redis, index, at_us, *used_us);
        }
        for (id, usage) in &servers.brokers {
            push(&mut self.brokers, *id, at_us, *usage);
        }
    }

    /// Whether any member told what it used.
    pub fn has_members(&self) -> bool {
        !self.members.is_empty()
    }

    /// How busy every part was; `None` before two looks at the members.
    pub fn utilization(&self, plan: &Plan) -> Option<UtilizationStatus> {
        let (first_us, last_us) = self.us?;
        let us = u64::try_from(last_us - first_us).ok().filter(|us| *us > 0)?;
        let of_role = |role| Members {
            us,
            // One that was there for a moment says little: a counter that just came back has much to catch up.
            long: self
                .members
                .values()
                .filter(|ends| ends.last.1.role == role && ends.us() * 2 >= us)
                .collect(),
            cpu_us: self
                .members
                .values()
                .filter(|ends| ends.last.1.role == role)
                .map(|ends| ends.more(|usage| usage.resources.cpu_us))
                .sum(),
        };
        Some(UtilizationStatus {
            seconds: (us / 1_000_000) as u32,
            producers: of_role(Role::Producer).producers(plan),
            brokers: brokers(&self.brokers),
            counters: of_role(Role::Counter).counters(),
            ledger: ledger(&self.redis),
            node: node(&self.members),
        })
    }
}

/// Members of one role.
struct Members<'a> {
    us: u64,
    long: Vec<&'a Ends<MemberUse>>,
    cpu_us: u64,
}

impl Members<'_> {
    fn cpu_millicores(&self) -> u64 {
        self.cpu_us * 1000 / self.us
    }

    /// The largest of a share over the members.
    fn most(&self, of: impl Fn(&Ends<MemberUse>) -> u32) -> u32 {
        self.long.iter().map(|ends| of(ends)).max().unwrap_or(0)
    }

    fn throttled_percent(&self) -> u32 {
        self.most(|ends| {
            let periods = ends.more(|usage| usage.resources.periods);
            percent(ends.more(|usage| usage.resources.throttled_periods), periods)
        })
    }

    fn producers(&self, plan: &Plan) -> ProducersUtilization {
        let clients = plan.valid.spec.producer.clients_per_pod.max(1);
        ProducersUtilization {
            cpu_millicores: self.cpu_millicores(),
            throttled_percent: self.throttled_percent(),
            queue_full_percent: self
                .most(|ends| percent(ends.more(|u| u.queue_full_us), ends.us() * u64::from(clients))),
            quota_percent: self.most(|ends| ends.percent(|u| u.quota_us)),
        }
    }

    /// The busiest counter is the one that waits for records least: its partitions are those that fall behind.
    fn counters(&self) -> CountersUtilization {
        let busiest = self.long.iter().min_by_key(|ends| ends.percent(|usage| usage.idle_us));
        let of = |share: fn(&Ends<MemberUse>) -> u32| busiest.map_or(0, |ends| share(ends));
        let call_us = busiest.and_then(|ends| ends.more(|u| u.redis_us).checked_div(ends.more(|u| u.redis_calls)));
        CountersUtilization {
            cpu_millicores: self.cpu_millicores(),
            throttled_percent: self.throttled_percent(),
            ledger_percent: of(|ends| ends.percent(|usage| usage.redis_us)),
            idle_percent: of(|ends| ends.percent(|usage| usage.idle_us)),
            quota_percent: self.most(|ends| ends.percent(|usage| usage.quota_us)),
            ledger_call_us: call_us.unwrap_or(0),
        }
    }
}

fn percent(part: u64, whole: u64) -> u32 {
    (part * 100).checked_div(whole).unwrap_or(0).min(100) as u32
}

/// The busiest node, by each process for as long as it lived.
fn node(members: &BTreeMap<String, Ends<MemberUse>>) -> Option<NodeUtilization> {
    let shares = members.values().filter_map(|ends| {
        let all = Some(ends.more(|usage| usage.resources.node_total_us)).filter(|all| *all > 0)?;
        Some(NodeUtilization {
            cpu_percent: percent(ends.more(|usage| usage.resources.node_busy_us), all),
            stolen_percent: percent(ends.more(|usage| usage.resources.node_stolen_us), all),
            io_wait_percent: percent(ends.more(|usage| usage.resources.node_io_wait_us), all),
            memory_percent: ends.last.1.resources.node_memory_percent,
        })
    });
    shares.max_by_key(|node| node.cpu_percent)
}

/// The busiest Redis. One that was restarted meanwhile began to count anew.
fn ledger(redis: &BTreeMap<usize, Ends<u64>>) -> Option<LedgerUtilization> {
    let measured = redis.values().filter(|ends| ends.us() > 0);
    let shares = measured.map(|ends| {
        let used_us = ends.last.1.checked_sub(ends.first.1).unwrap_or(ends.last.1);
        percent(used_us, ends.us())
    });
    let main_thread_percent = shares.max()?;
    Some(LedgerUtilization { main_thread_percent })
}

/// All brokers but those that were restarted meanwhile, which began to count anew.
fn brokers(brokers: &BTreeMap<i32, Ends<BrokerUse>>) -> Option<BrokersUtilization> {
    let whole =
        |ends: &&Ends<BrokerUse>| ends.us() > 0 && ends.last.1.handlers_idle_ns >= ends.first.1.handlers_idle_ns;
    let whole: Vec<&Ends<BrokerUse>> = brokers.values().filter(whole).collect();
    let least = |idle: fn(&Ends<BrokerUse>) -> f64| {
        let shares = whole.iter().map(|ends| idle(ends));
        (shares.fold(1.0, f64::min) * 100.0) as u32
    };
    (!whole.is_empty()).then(|| BrokersUtilization {
        count: whole.len() as u32,
        request_handler_idle_percent: least(|ends| {
            let idle_ns = ends.last.1.handlers_idle_ns - ends.first.1.handlers_idle_ns;
            idle_ns / (ends.us() as f64 * 1000.0)
        }),
        network_processor_idle_percent: least(|ends| ends.last.1.network_idle),
        produce: request_time(&whole, |broker| broker.produce),
        fetch: request_time(&whole, |broker| broker.fetch),
        isr_shrinks: sum(&whole, |broker| broker.isr_shrinks) as u64,
    })
}

fn sum(brokers: &[&Ends<BrokerUse>], of: impl Fn(&BrokerUse) -> f64) -> f64 {
    let more = brokers
        .iter()
        .map(|ends| (of(&ends.last.1) - of(&ends.first.1)).max(0.0));
    more.sum()
}

fn request_time(brokers: &[&Ends<BrokerUse>], kind: fn(&BrokerUse) -> RequestUse) -> RequestTime {
    let count = sum(brokers, |broker| kind(broker).count).max(1.0);
    let average_us = |of: fn(&RequestUse) -> f64| (sum(brokers, |broker| of(&kind(broker))) * 1000.0 / count) as u64;
    RequestTime {
        total_us: average_us(|requests| requests.total_ms),
        queue_us: average_us(|requests| requests.queue_ms),
        local_us: average_us(|requests| requests.local_ms),
        remote_us: average_us(|requests| requests.remote_ms),
        response_us: average_us(|requests| requests.response_ms),
    }
}

#[cfg(test)]
mod tests;

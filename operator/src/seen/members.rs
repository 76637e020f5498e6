//! Members over their restarts. A report is cumulative for one process, so the last report of every process that ever
//! ran has to be kept: those of living ones in memory (the next poll brings them again), those of the gone in a
//! ConfigMap, added up.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use eoslab_core::report::{AckGap, CounterReport, Member, ProducerReport, ProducerState};
use serde::{Deserialize, Serialize};

use super::pods::PodView;
use super::totals::{CounterTotals, ProducerTotals};
use super::usage::MemberUse;
use crate::names::Role;

/// Most incarnations that are remembered as added up; of older ones nothing is heard any more.
const REMEMBERED_MAX: usize = 1000;

/// A report of either role.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// Of a producer.
    Producer(Box<ProducerReport>),
    /// Of a counter.
    Counter(Box<CounterReport>),
}

impl Report {
    /// Who published it.
    pub fn member(&self) -> &Member {
        match self {
            Self::Producer(report) => &report.member,
            Self::Counter(report) => &report.member,
        }
    }

    /// Its role.
    pub fn role(&self) -> Role {
        match self {
            Self::Producer(_) => Role::Producer,
            Self::Counter(_) => Role::Counter,
        }
    }
}

/// A report as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Scraped {
    /// Pod that it was read from.
    pub pod_uid: String,
    /// What it said.
    pub report: Report,
}

/// The latest that is known of a producer slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotState {
    /// When the process started that said so.
    pub started_at_us: i64,
    /// Where it stood.
    pub state: ProducerState,
}

/// Members that are gone or will not report anything new, added up. This is what the ConfigMap holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Retired {
    /// Sums of the producers.
    pub producers: ProducerTotals,
    /// Sums of the counters.
    pub counters: CounterTotals,
    /// Latest state of each producer slot.
    pub slots: BTreeMap<u32, SlotState>,
    /// Incarnations that are in the sums.
    pub incarnations: VecDeque<String>,
}

impl Retired {
    fn add(&mut self, report: &Report) {
        match report {
            Report::Producer(report) => {
                self.producers.add(report);
                note_state(&mut self.slots, report);
            }
            Report::Counter(report) => self.counters.add(report),
        }
        self.incarnations.push_back(report.member().incarnation.clone());
        while self.incarnations.len() > REMEMBERED_MAX {
            self.incarnations.pop_front();
        }
    }

    fn holds(&self, incarnation: &str) -> bool {
        self.incarnations.iter().any(|known| known == incarnation)
    }
}

fn note_state(slots: &mut BTreeMap<u32, SlotState>, report: &ProducerReport) {
    let seen = SlotState {
        started_at_us: report.member.started_at_us,
        state: report.state,
    };
    let known = slots.entry(report.member.slot).or_insert(seen);
    if known.started_at_us <= seen.started_at_us {
        *known = seen;
    }
}

/// A process that went away during the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// Its role.
    pub role: Role,
    /// Its slot.
    pub slot: u32,
    /// Pod that it ran in.
    pub pod: String,
}

/// Every member that is known of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Members {
    retired: Retired,
    living: BTreeMap<String, Scraped>,
    /// Whether `retired` was changed since it was last saved.
    is_unsaved: bool,
}

impl Members {
    /// Goes on from what was saved.
    pub fn new(saved: Retired) -> Self {
        Self {
            retired: saved,
            ..Self::default()
        }
    }

    /// Takes in reports of this run and retires the processes that are gone: their pod is no more, or has started
    /// another process. Returns those.
    pub fn observe(&mut self, run_id: &str, scraped: Vec<Scraped>, pods: &[&PodView]) -> Vec<Departure> {
        let mut answered: BTreeSet<String> = BTreeSet::new();
        for scraped in scraped {
            let member = scraped.report.member();
            let is_wanted = member.run_id == run_id && !member.incarnation.is_empty();
            if is_wanted && !self.retired.holds(&member.incarnation) {
                answered.insert(member.incarnation.clone());
                self.living.insert(member.incarnation.clone(), scraped);
            }
        }
        let mut latest: BTreeMap<&str, i64> = BTreeMap::new();
        for known in self.living.values() {
            let started = latest.entry(&known.pod_uid).or_insert(i64::MIN);
            *started = (*started).max(known.report.member().started_at_us);
        }
        // Of a process that just answered the kubelet's word may be out of date.
        let runs = |incarnation: &String, known: &Scraped| {
            let pod = pods.iter().find(|pod| pod.uid == known.pod_uid);
            let started = known.report.member().started_at_us;
            let is_latest = latest.get(known.pod_uid.as_str()) == Some(&started);
            let is_up = |pod: &PodView| !pod.is_finished && (pod.is_running || answered.contains(incarnation));
            is_latest && pod.is_some_and(|pod| is_up(pod))
        };
        let gone: Vec<String> = self
            .living
            .iter()
            .filter(|(incarnation, known)| !runs(incarnation, known))
            .map(|(incarnation, _)| incarnation.clone())
            .collect();
        gone.iter()
            .filter_map(|incarnation| self.retire(incarnation))
            .map(|scraped| departure(&scraped.report))
            .collect()
    }

    /// Retires the members of a role although they live: what they report from now on does not count.
    pub fn seal(&mut self, role: Role) {
        let theirs = self.living.iter().filter(|(_, known)| known.report.role() == role);
        let incarnations: Vec<String> = theirs.map(|(name, _)| name.clone()).collect();
        for incarnation in incarnations {
            self.retire(&incarnation);
        }
    }

    fn retire(&mut self, incarnation: &str) -> Option<Scraped> {
        let known = self.living.remove(incarnation)?;
        self.retired.add(&known.report);
        self.is_unsaved = true;
        Some(known)
    }

    /// What is to be saved, if anything changed since the last [`Members::saved`].
    pub fn unsaved(&self) -> Option<&Retired> {
        self.is_unsaved.then_some(&self.retired)
    }

    /// Notes that it was saved.
    pub fn saved(&mut self) {
        self.is_unsaved = false;
    }

    /// Sums of the producers.
    pub fn producers(&self) -> ProducerTotals {
        let mut totals = self.retired.producers.clone();
        for known in self.living.values() {
            if let Report::Producer(report) = &known.report {
                totals.add(report);
            }
        }
        totals
    }

    /// Sums of the counters.
    pub fn counters(&self) -> CounterTotals {
        let mut totals = self.retired.counters.clone();
        for known in self.living.values() {
            if let Report::Counter(report) = &known.report {
                totals.add(report);
            }
        }
        totals
    }

    /// Rebalances that each living counter has reported, by the UID of its pod.
    pub fn rebalances(&self) -> BTreeMap<String, u64> {
        let of = |known: &Scraped| match &known.report {
            Report::Counter(report) => Some((known.pod_uid.clone(), report.rebalances)),
            Report::Producer(_) => None,
        };
        self.living.values().filter_map(of).collect()
    }

    /// What each living process has used, by its incarnation.
    pub fn usage(&self) -> impl Iterator<Item = (&str, MemberUse)> {
        let living = self.living.iter();
        living.map(|(incarnation, known)| (incarnation.as_str(), MemberUse::new(&known.report)))
    }

    /// What the Kafka client of a living member of this role was configured with.
    pub fn client_config(&self, role: Role) -> Option<&BTreeMap<String, String>> {
        let known = self.living.values().find(|known| known.report.role() == role)?;
        Some(match &known.report {
            Report::Producer(report) => &report.client_config,
            Report::Counter(report) => &report.client_config,
        })
    }

    /// Times without an acknowledgement that ended then or later, of the living producers.
    pub fn ack_gaps(&self, since_us: i64) -> Vec<AckGap> {
        let producers = self.living.values().filter_map(|known| match &known.report {
            Report::Producer(report) => Some(report),
            Report::Counter(_) => None,
        });
        let gaps = producers.flat_map(|report| &report.ack_gaps);
        gaps.filter(|gap| gap.ended_at_us >= since_us).cloned().collect()
    }

    /// Latest state of each producer slot.
    pub fn producer_slots(&self) -> BTreeMap<u32, SlotState> {
        let mut slots = self.retired.slots.clone();
        for known in self.living.values() {
            if let Report::Producer(report) = &known.report {
                note_state(&mut slots, report);
            }
        }
        slots
    }

    /// Producer slots whose latest process has nothing left to do.
    pub fn done_slots(&self) -> BTreeSet<u32> {
        let slots = self.producer_slots();
        slots
            .into_iter()
            .filter(|(_, slot)| slot.state == ProducerState::Done)
            .map(|(index, _)| index)
            .collect()
    }
}

fn departure(report: &Report) -> Departure {
    let member = report.member();
    Departure {
        role: report.role(),
        slot: member.slot,
        pod: member.incarnation.split('/').next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests;

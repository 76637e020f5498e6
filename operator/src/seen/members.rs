//! Members over their restarts. A report is cumulative for one process, so the last report of every process that ever
//! ran has to be kept: those of living ones in memory (the next poll brings them again), those of the gone in a
//! ConfigMap, added up.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use eoslab_core::report::{CounterReport, Member, ProducerReport, ProducerState};
use serde::{Deserialize, Serialize};

use super::pods::PodView;
use super::totals::{CounterTotals, ProducerTotals};
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
mod tests {
    use eoslab_core::Tally;
    use eoslab_core::report::PartitionProduced;

    use super::*;

    fn producer(pod_uid: &str, slot: u32, started: i64, sent: u64, state: ProducerState) -> Scraped {
        let acked = PartitionProduced {
            partition: slot,
            acked: Tally {
                count: sent,
                ..Tally::default()
            },
            ..PartitionProduced::default()
        };
        Scraped {
            pod_uid: pod_uid.to_owned(),
            report: Report::Producer(Box::new(ProducerReport {
                member: Member {
                    run_id: "run".to_owned(),
                    slot,
                    incarnation: format!("pod-{pod_uid}/{pod_uid}/{started}"),
                    started_at_us: started,
                },
                state,
                sent,
                partitions: vec![acked],
                ..ProducerReport::default()
            })),
        }
    }

    fn pod(uid: &str) -> PodView {
        PodView {
            uid: uid.to_owned(),
            is_running: true,
            ..PodView::default()
        }
    }

    use ProducerState::{Done, Preparing, Sending};

    #[test]
    fn what_a_process_did_stays_when_it_is_replaced() {
        let mut members = Members::default();
        let (a, b) = (pod("a"), pod("b"));
        members.observe("run", vec![producer("a", 0, 1, 100, Sending)], &[&a]);
        assert_eq!((members.producers().sent, members.unsaved().is_some()), (100, false));
        let again = vec![producer("a", 0, 1, 150, Sending)];
        assert!(
            members.observe("run", again, &[&a]).is_empty(),
            "a later report replaces the earlier"
        );
        assert_eq!(members.producers().sent, 150);

        let restarted = members.observe("run", vec![producer("a", 0, 2, 10, Preparing)], &[&a]);
        assert_eq!(
            restarted,
            [Departure {
                role: Role::Producer,
                slot: 0,
                pod: "pod-a".to_owned()
            }]
        );
        assert_eq!((members.producers().sent, members.producers().acked()), (160, 160));
        let replaced = members.observe("run", vec![producer("b", 0, 3, 5, Sending)], &[&b]);
        assert_eq!(replaced.len(), 1, "the pod is gone");
        assert_eq!(members.producers().sent, 165);

        let saved = members.unsaved().expect("processes are gone").clone();
        let json = serde_json::to_string(&saved).expect("it is plain data");
        let mut after_restart = Members::new(serde_json::from_str(&json).expect("what was written"));
        assert_eq!(after_restart.producers().sent, 160, "the living one reports again");
        after_restart.observe(
            "run",
            vec![producer("b", 0, 3, 7, Sending), producer("a", 0, 1, 150, Sending)],
            &[&a, &b],
        );
        assert_eq!(
            after_restart.producers().sent,
            167,
            "a report that is in the sums is not added again"
        );
    }

    #[test]
    fn a_slot_is_done_when_its_latest_process_is() {
        let mut members = Members::default();
        let (a, b) = (pod("a"), pod("b"));
        members.observe(
            "run",
            vec![producer("a", 0, 1, 9, Done), producer("b", 1, 1, 9, Sending)],
            &[&a, &b],
        );
        assert_eq!(members.done_slots(), BTreeSet::from([0]));
        members.observe("run", vec![producer("a", 0, 2, 0, Preparing)], &[&a, &b]);
        assert_eq!(
            members.done_slots(),
            BTreeSet::new(),
            "the restarted one has to look again"
        );
        members.observe(
            "run",
            vec![producer("a", 0, 2, 0, Done), producer("b", 1, 1, 9, Done)],
            &[&a, &b],
        );
        members.seal(Role::Producer);
        members.observe("run", Vec::new(), &[]);
        assert_eq!(members.done_slots(), BTreeSet::from([0, 1]));
        assert_eq!(members.producers().sent, 18);
    }

    #[test]
    fn a_failed_poll_is_no_departure_and_other_runs_do_not_count() {
        let mut members = Members::default();
        let a = pod("a");
        members.observe("run", vec![producer("a", 0, 1, 9, Sending)], &[&a]);
        assert!(members.observe("run", Vec::new(), &[&a]).is_empty());
        members.observe("other", vec![producer("b", 1, 1, 9, Sending)], &[&a]);
        assert_eq!(members.producers().sent, 9);
    }

    #[test]
    fn a_container_that_is_down_has_lost_its_process_unless_it_just_answered() {
        let mut members = Members::default();
        let down = PodView {
            is_running: false,
            ..pod("a")
        };
        let report = || vec![producer("a", 0, 1, 9, Sending)];
        assert!(
            members.observe("run", report(), &[&down]).is_empty(),
            "the kubelet is late"
        );
        assert_eq!(members.observe("run", Vec::new(), &[&down]).len(), 1);
        assert_eq!((members.producers().sent, members.unsaved().is_some()), (9, true));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut retired = Retired::default();
        for started in 0..REMEMBERED_MAX as i64 + 10 {
            retired.add(&producer("a", 0, started, 1, Sending).report);
        }
        assert_eq!(retired.incarnations.len(), REMEMBERED_MAX);
        assert_eq!(retired.producers.sent, REMEMBERED_MAX as u64 + 10);
    }
}

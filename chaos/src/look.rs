//! Looks at everything. All I/O that reads is here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use eoslab_api::chaos::{ChaosPhase, Fault, PodSelector};
use eoslab_api::{ChaosRun, LoadTest, Verdict};
use eoslab_core::report::AckGap;
use eoslab_operator::names::{ROLE_LABEL, RUN_LABEL, Role};
use eoslab_operator::outside::{Outside, Target};
use eoslab_operator::plan::Plan;
use eoslab_operator::redis_urls::redis_urls;
use eoslab_operator::seen::members::{Report, Scraped};
use eoslab_operator::seen::pods::PodView;
use eoslab_operator::seen::slots::SlotView;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use tokio::task::spawn_blocking;

use crate::context::Context;
use crate::decide::{all, current};
use crate::error::Error;
use crate::faults::Processes;
use crate::hands::exec;
use crate::memory::{Memory, known_status};
use crate::places::{Places, selects};
use crate::quorum::{QUORUM_COMMAND, Quorum, active_controller};
use crate::world::{Component, Control, LoadTestState, PartitionState, PodState, World};

/// Label of a namespace: value [`ALLOWED`] lets faults in.
pub const CHAOS_LABEL: &str = "eoslab.dev/chaos";
/// See [`CHAOS_LABEL`].
pub const ALLOWED: &str = "allowed";
/// What changes slowly, or is dear, is read this often, us.
const SLOW_INTERVAL_US: i64 = 1_000_000;
/// The quorum is asked by a Java program: this often at most, us.
const QUORUM_INTERVAL_US: i64 = 10_000_000;

/// What one look brought.
pub struct Look {
    /// What was seen.
    pub world: World,
    /// Where pods are; `None` without a LoadTest.
    pub places: Option<Places>,
}

impl Look {
    /// The processes that faults hit.
    pub fn processes(&self) -> Processes {
        self.places.as_ref().map_or_else(Processes::usual, Places::processes)
    }
}

/// Looks at everything that matters to a run.
///
/// # Errors
/// When the API cannot be read. What cannot be read outside is part of what was seen.
pub async fn look(context: &Context, run: &ChaosRun, memory: &mut Memory) -> Result<Look, Error> {
    let now_us = (context.now_us)();
    let namespace = run.namespace().unwrap_or_default();
    let is_due = now_us - memory.slow.read_us >= SLOW_INTERVAL_US;
    let phase = known_status(memory, run).phase;
    if is_due {
        let loadtests: Api<LoadTest> = Api::namespaced(context.client.clone(), &namespace);
        let found = loadtests.get_opt(&run.spec.load_test).await;
        memory.slow.loadtest = found.map_err(Error::api("read the LoadTest"))?;
        memory.slow.read_us = now_us;
    }
    // One that is being deleted ends no run any more.
    let usable = memory
        .slow
        .loadtest
        .clone()
        .filter(|one| one.metadata.deletion_timestamp.is_none())
        .and_then(|one| Some((Plan::new(&one).ok()?, one)));
    let Some((plan, loadtest)) = usable else {
        let world = World {
            now_us,
            ..World::default()
        };
        return Ok(Look { world, places: None });
    };
    let places = Places::new(&run.spec, &loadtest.spec, &namespace, &context.own_namespace);
    let looking = Looking {
        context,
        run,
        plan: &plan,
        places: &places,
        memory,
    };
    let world = looking.world(&loadtest, is_due, phase).await?;
    Ok(Look {
        world,
        places: Some(places),
    })
}

struct Looking<'a> {
    context: &'a Context,
    run: &'a ChaosRun,
    plan: &'a Plan,
    places: &'a Places,
    memory: &'a mut Memory,
}

impl Looking<'_> {
    async fn world(mut self, loadtest: &LoadTest, is_due: bool, phase: ChaosPhase) -> Result<World, Error> {
        // After its last fault a run waits for nothing but the LoadTest.
        let is_judging = phase == ChaosPhase::Judging;
        if is_due && !is_judging {
            self.slots().await?;
        }
        // Who may be hit matters only before a fault.
        if is_due && self.is_between() {
            self.allowed().await;
        }
        // Before its turn it asks nobody outside the API.
        if is_due && !is_judging && phase != ChaosPhase::Pending {
            self.outside().await;
        }
        // A program that starts in a broker, and brokers that are dead, let one wait: what is seen is stamped after them.
        let active_controller = self.active_controller().await;
        let topic = if is_judging { None } else { self.topic().await };
        let slow = &self.memory.slow;
        Ok(World {
            now_us: (self.context.now_us)(),
            outside_us: slow.outside_us,
            topic,
            loadtest: Some(state(loadtest, self.plan)),
            rival: rival(self.run, &self.context.all_runs()),
            allowed: slow.allowed.clone(),
            log: slow.log.clone(),
            ledger: slow.ledger.clone(),
            pauses: slow.pauses.clone(),
            ack_gaps: slow.ack_gaps.values().cloned().collect(),
            rebalances: slow.rebalances.clone(),
            control: self.control(),
            pods: self.pods(),
            active_controller,
        })
    }

    fn pods(&self) -> BTreeMap<Component, Vec<PodState>> {
        let of = |selector: &PodSelector| -> Vec<PodState> {
            let all = self.context.pods.get(&selector.namespace).map(|store| store.state());
            let selected = |pod: &&Arc<Pod>| selects(selector, pod.labels());
            let mut pods: Vec<PodState> = all
                .iter()
                .flatten()
                .filter(selected)
                .filter_map(|pod| PodState::new(pod))
                .collect();
            pods.sort_by(|a, b| a.name.cmp(&b.name));
            pods
        };
        let members = |role: Role| {
            let mut pods = of(&self.of_role(role));
            for pod in &mut pods {
                pod.slot = self.memory.slow.slots.get(&pod.uid).copied();
            }
            pods
        };
        [
            (Component::Brokers, of(&self.places.brokers)),
            (Component::Redis, of(&self.places.redis)),
            (Component::Operator, of(&self.places.operator)),
            (Component::Counters, members(Role::Counter)),
            (Component::Producers, members(Role::Producer)),
        ]
        .into()
    }

    fn of_role(&self, role: Role) -> PodSelector {
        let labels = [(RUN_LABEL, self.plan.run_id.as_str()), (ROLE_LABEL, role.as_str())];
        PodSelector {
            namespace: self.plan.namespace.clone(),
            match_labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            container: None,
            process: None,
        }
    }

    async fn slots(&mut self) -> Result<(), Error> {
        let leases: Api<Lease> = Api::namespaced(self.context.client.clone(), &self.plan.namespace);
        let wanted = ListParams::default().labels(&self.plan.names.run_selector());
        let leases = leases.list(&wanted).await.map_err(Error::api("list Leases"))?;
        let slot = |lease: &Lease| {
            let of = |role| SlotView::new(&self.plan.names, role, lease);
            let view = of(Role::Counter).or_else(|| of(Role::Producer))?;
            Some((view.holder?.pod_uid, view.index))
        };
        self.memory.slow.slots = leases.items.iter().filter_map(slot).collect();
        Ok(())
    }

    /// A namespace that cannot be read is one in which nothing is allowed.
    async fn allowed(&mut self) {
        let namespaces: Api<Namespace> = Api::all(self.context.client.clone());
        let mut allowed = BTreeSet::new();
        for name in [
            &self.plan.namespace,
            &self.places.brokers.namespace,
            &self.places.redis.namespace,
            &self.places.operator.namespace,
        ] {
            if allowed.contains(name) {
                continue;
            }
            let label = namespaces
                .get(name)
                .await
                .ok()
                .and_then(|one| one.labels().get(CHAOS_LABEL).cloned());
            if label.as_deref() == Some(ALLOWED) {
                allowed.insert(name.clone());
            }
        }
        self.memory.slow.allowed = allowed;
    }

    /// Log, ledger, pauses and reports. Ends first, ledger second: the lag can only look smaller than it is, and never
    /// below zero.
    async fn outside(&mut self) {
        let outside = &self.context.outside;
        if self.memory.urls.is_none() {
            let urls = redis_urls(&self.context.client, self.plan).await;
            self.memory.urls = urls.ok().and_then(Result::ok);
        }
        let targets: Vec<Target> = [Role::Producer, Role::Counter]
            .into_iter()
            .flat_map(|role| Target::among(role, &self.views(role)))
            .collect();
        let wanted = targets.len();
        let is_between = self.is_between();
        let urls = self.memory.urls.clone();
        let log_and_ledger = async {
            let log = outside.log(self.plan).await.ok();
            let read_us = (self.context.now_us)();
            let Some(urls) = urls else {
                return (read_us, log, None, None);
            };
            let ledger = outside.ledger(self.plan, &urls).await.ok();
            let pauses = outside.pauses(self.plan, &urls).await.ok();
            (read_us, log, ledger, pauses)
        };
        let ((read_us, log, ledger, pauses), scraped) = tokio::join!(log_and_ledger, outside.scrape(targets));
        let slow = &mut self.memory.slow;
        if ledger.is_none() {
            // The Secret may have been changed.
            self.memory.urls = None;
        }
        (slow.outside_us, slow.log, slow.ledger) = (read_us, log, ledger);
        // Processes of old matter only while a fault is measured against them.
        if is_between && scraped.len() == wanted {
            slow.rebalances.clear();
        }
        slow.pauses = pauses.unwrap_or_else(|| std::mem::take(&mut slow.pauses));
        scraped.into_iter().for_each(|scraped| self.report(scraped));
    }

    /// Whether no fault is at work and another is to come.
    fn is_between(&self) -> bool {
        let status = known_status(self.memory, self.run);
        current(&status).is_none() && status.injections.len() < all(&self.run.spec).len()
    }

    fn views(&self, role: Role) -> Vec<PodView> {
        let selector = self.of_role(role);
        let all = self.context.pods.get(&selector.namespace).map(|store| store.state());
        let pods = all.iter().flatten().filter(|pod| selects(&selector, pod.labels()));
        pods.map(|pod| PodView::new(pod)).collect()
    }

    fn report(&mut self, scraped: Scraped) {
        let slow = &mut self.memory.slow;
        match scraped.report {
            Report::Producer(report) => {
                let keyed = |gap: AckGap| ((gap.partition, gap.ended_at_us), gap);
                slow.ack_gaps.extend(report.ack_gaps.into_iter().map(keyed));
            }
            Report::Counter(report) => _ = slow.rebalances.insert(report.member.incarnation, report.rebalances),
        }
    }

    async fn topic(&mut self) -> Option<Vec<PartitionState>> {
        let is_of = |(run_id, _): &(String, Arc<Quorum>)| *run_id == self.plan.run_id;
        if !self.memory.quorum.as_ref().is_some_and(is_of) {
            self.memory.quorum = Some((self.plan.run_id.clone(), Arc::new(Quorum::new(self.plan)?)));
        }
        let quorum = self.memory.quorum.as_ref().map(|(_, quorum)| quorum.clone())?;
        spawn_blocking(move || quorum.partitions()).await.ok().flatten()
    }

    /// The active controller, if the next fault wants to know.
    async fn active_controller(&mut self) -> Option<i32> {
        let wants = |fault: &Fault| {
            fault
                .target
                .as_ref()
                .is_some_and(|target| target.active_controller == Some(true))
        };
        if !self.run.spec.faults.iter().any(wants) {
            return None;
        }
        if !self.is_between() {
            // A fault may make another controller the active one.
            self.memory.controller = None;
            return None;
        }
        let now_us = (self.context.now_us)();
        let is_fresh = |(asked_us, _): &(i64, Option<i32>)| now_us - asked_us < QUORUM_INTERVAL_US;
        if let Some((_, said)) = self.memory.controller.filter(is_fresh) {
            return said;
        }
        let brokers = self.pods().remove(&Component::Brokers)?;
        let broker = brokers.iter().find(|pod| pod.is_ready)?;
        let command = QUORUM_COMMAND.map(str::to_owned).to_vec();
        let container = self.places.brokers.container.as_deref();
        let said = exec(
            &self.context.client,
            &broker.namespace,
            &broker.name,
            container,
            command,
        )
        .await;
        let id = said.ok().and_then(|said| active_controller(&said));
        self.memory.controller = Some((now_us, id));
        id
    }

    fn control(&self) -> Option<Control> {
        let name = self.run.spec.control.as_ref()?;
        let namespace = self.run.namespace();
        let all = self.context.all_runs();
        let found = all
            .iter()
            .find(|one| one.name_any() == *name && one.namespace() == namespace);
        Some(match found.map(|one| one.status.clone().unwrap_or_default()) {
            None => Control::Missing,
            Some(status) if status.phase == ChaosPhase::Finished => Control::Over {
                showed_harm: status.verdict == Verdict::Pass,
            },
            Some(_) => Control::Going,
        })
    }
}

fn state(loadtest: &LoadTest, plan: &Plan) -> LoadTestState {
    let status = loadtest.status.clone().unwrap_or_default();
    let complete = status.conditions.iter().find(|condition| condition.type_ == "Complete");
    let min_in_sync = plan
        .topic()
        .config
        .get("min.insync.replicas")
        .and_then(|text| text.parse().ok());
    LoadTestState {
        namespace: plan.namespace.clone(),
        name: plan.names.loadtest.clone(),
        created_us: loadtest
            .creation_timestamp()
            .map_or(0, |created| created.0.as_microsecond()),
        counters: plan.counters(),
        producers: plan.producers(),
        partitions: plan.partitions(),
        min_in_sync: min_in_sync.unwrap_or(1),
        session_timeout_ms: plan.valid.spec.counter.session_timeout_ms,
        is_complete: complete.is_some_and(|condition| condition.status == "True"),
        is_stopped: plan.valid.spec.stop,
        status,
    }
}

/// The ChaosRun that goes first: faults of two runs at a time could be told apart by nobody. The one that has begun,
/// then the older one.
fn rival(run: &ChaosRun, all: &[Arc<ChaosRun>]) -> Option<String> {
    let rank = |one: &ChaosRun| {
        let status = one.status.clone().unwrap_or_default();
        let created = one.creation_timestamp().map(|created| created.0);
        (status.injections.is_empty(), created, one.uid())
    };
    let is_active = |one: &&Arc<ChaosRun>| {
        // One that waits for its LoadTest keeps nobody waiting.
        let phase = one.status.clone().unwrap_or_default().phase;
        let needs_quiet = matches!(
            phase,
            ChaosPhase::Steadying | ChaosPhase::Injecting | ChaosPhase::Recovering
        );
        needs_quiet && one.metadata.deletion_timestamp.is_none() && one.uid() != run.uid()
    };
    let first = all.iter().filter(is_active).min_by_key(|one| rank(one))?;
    (rank(first) < rank(run)).then(|| format!("{}/{}", first.namespace().unwrap_or_default(), first.name_any()))
}

//! First step: everything that the phase needs is looked at. All I/O that reads is here.

use eoslab_api::{LoadTest, Phase, RedisUrls};
use eoslab_core::Layout;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use crate::build;
use crate::context::Context;
use crate::decide::Prior;
use crate::error::Error;
use crate::memory::RunMemory;
use crate::names::{ROLE_LABEL, Role};
use crate::outside::Target;
use crate::plan::Plan;
use crate::redis_urls::redis_urls;
use crate::rivals::rival;
use crate::seen::members::{Departure, Members, Scraped};
use crate::seen::pods::PodView;
use crate::seen::slots::{DeploymentView, Group, SlotView};
use crate::seen::topic::{Cause, TopicState};
use crate::seen::usage::ServerUse;
use crate::seen::verify::VerifyState;
use crate::seen::{Pauses, Seen, StoreState, Stream, log};

/// Redis and the brokers are asked how busy they are at most this often, us.
const SERVERS_INTERVAL_US: i64 = 5_000_000;
/// Pauses are read at most this often while a run goes on undisturbed, us.
const PAUSES_INTERVAL_US: i64 = 5_000_000;

/// What one look brought.
#[derive(Debug, Default)]
pub struct Look {
    /// What was seen.
    pub seen: Seen,
    /// Members that went away.
    pub gone: Vec<Departure>,
}

/// Looks at everything that the phase needs.
///
/// # Errors
/// When the API cannot be read. What cannot be read outside is part of what was seen.
pub async fn look(
    context: &Context,
    loadtest: &LoadTest,
    plan: &Plan,
    prior: &Prior,
    memory: &mut RunMemory,
) -> Result<Look, Error> {
    let looking = Looking {
        context,
        plan,
        prior,
        memory,
        look: Look::default(),
        verify_pods: Vec::new(),
    };
    match prior.phase {
        Phase::Pending => Ok(looking.pending(loadtest)),
        Phase::Finished => Ok(Look::default()),
        Phase::Provisioning => looking.provisioning().await,
        Phase::Warmup | Phase::Running | Phase::Draining => looking.going().await,
        Phase::Verifying => looking.verifying().await,
    }
}

struct Looking<'a> {
    context: &'a Context,
    plan: &'a Plan,
    prior: &'a Prior,
    memory: &'a mut RunMemory,
    look: Look,
    verify_pods: Vec<PodView>,
}

impl Looking<'_> {
    fn pending(mut self, loadtest: &LoadTest) -> Look {
        self.look.seen.rival = rival(loadtest, &self.context.all_loadtests());
        self.look
    }

    async fn provisioning(mut self) -> Result<Look, Error> {
        self.stream().await?;
        self.groups().await?;
        self.look.seen.topic = self.context.outside.topic(self.plan).await;
        match self.look.seen.topic {
            TopicState::Exists(_) => self.configs().await,
            TopicState::Missing { .. } => self.look.seen.blind = self.memory.create_cause.clone(),
            TopicState::NotLooked | TopicState::Unknown(_) | TopicState::Unusable(_) => {}
        }
        self.look.seen.store = match self.urls().await? {
            Err(cause) => StoreState::Unready(cause),
            Ok(urls) => match self.context.outside.check_store(self.plan, &urls).await {
                Ok(()) => StoreState::Ready,
                Err(cause) => {
                    // The Secret may be corrected.
                    self.memory.urls = None;
                    StoreState::Unready(cause)
                }
            },
        };
        Ok(self.look)
    }

    async fn going(mut self) -> Result<Look, Error> {
        self.stream().await?;
        self.groups().await?;
        self.outside().await?;
        self.tail().await;
        Ok(self.look)
    }

    async fn verifying(mut self) -> Result<Look, Error> {
        self.stream().await?;
        self.groups().await?;
        self.outside().await?;
        self.configs().await;
        self.job().await?;
        if self.look.seen.verify == VerifyState::Missing {
            self.tail().await;
        }
        Ok(self.look)
    }

    /// The stream in numbers; a second of work at 10 million accounts, once.
    async fn stream(&mut self) -> Result<(), Error> {
        if self.memory.stream.is_none() {
            let (spec, events) = (self.plan.stream(), self.plan.events());
            let computed = tokio::task::spawn_blocking(move || {
                let layout = Layout::new(&spec).map_err(|error| Error::Layout(error.to_string()))?;
                Ok(Stream {
                    digest: layout.digest(),
                    counts: events.map(|events| layout.counts(events)),
                })
            });
            let failed = |error: tokio::task::JoinError| Error::Layout(error.to_string());
            self.memory.stream = Some(computed.await.map_err(failed)??);
        }
        self.look.seen.stream = self.memory.stream.clone();
        Ok(())
    }

    /// Deployments, Leases and pods of both roles.
    async fn groups(&mut self) -> Result<(), Error> {
        let (client, namespace) = (self.context.client.clone(), &self.plan.namespace);
        let wanted = ListParams::default().labels(&self.plan.names.run_selector());
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
        let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
        let pods: Api<Pod> = Api::namespaced(client, namespace);
        let (deployments, leases, pods) = tokio::try_join!(
            async { deployments.list(&wanted).await.map_err(Error::api("list Deployments")) },
            async { leases.list(&wanted).await.map_err(Error::api("list Leases")) },
            async { pods.list(&wanted).await.map_err(Error::api("list pods")) },
        )?;
        let group = |role: Role| {
            let name = self.plan.names.of(role);
            let deployment = deployments.items.iter().find(|one| one.name_any() == name);
            let slots = leases
                .items
                .iter()
                .filter_map(|lease| SlotView::new(&self.plan.names, role, lease));
            let mut group = Group {
                deployment: deployment.map(DeploymentView::new),
                slots: slots.collect(),
                pods: of_role(&pods.items, role),
            };
            group.slots.sort_by_key(|slot| slot.index);
            group
        };
        (self.look.seen.producers, self.look.seen.counters) = (group(Role::Producer), group(Role::Counter));
        self.verify_pods = of_role(&pods.items, Role::Verify);
        Ok(())
    }

    /// Log, ledger and reports. The reports do not wait for a slow broker, or those of a member that dies meanwhile
    /// would be older than need be.
    async fn outside(&mut self) -> Result<(), Error> {
        self.load_members().await?;
        self.memory.report.read(self.context, self.plan).await?;
        let urls = self.urls().await?;
        let targets = self.targets();
        let asked_us = (self.context.now_us)();
        let asks_servers = self.asks_servers(asked_us);
        let (outside, plan) = (&self.context.outside, self.plan);
        // Ends first, ledger second: the lag can only look larger than it is.
        let log_and_ledger = async {
            let log = outside.log(plan).await;
            let ledger = match &urls {
                Ok(urls) => outside.ledger(plan, urls).await,
                Err(cause) => Err(cause.clone()),
            };
            (log, ledger)
        };
        let servers = async {
            match asks_servers {
                true => Some(outside.servers(plan, urls.as_ref().ok()).await),
                false => None,
            }
        };
        let ((log, ledger), scraped, servers) = tokio::join!(log_and_ledger, outside.scrape(targets), servers);
        if ledger.is_err() {
            // The Secret may have been changed.
            self.memory.urls = None;
        }
        let seen = &mut self.look.seen;
        seen.log = log.map_err(|cause| seen.blind = Some(cause)).ok();
        seen.ledger = ledger.map_err(|cause| seen.blind = Some(cause)).ok();
        if let (Ok(urls), Some(_)) = (&urls, &seen.ledger) {
            self.pauses(urls).await;
        }
        let has_all = scraped.len() >= (self.plan.producers() + self.plan.counters()) as usize;
        self.members(scraped, servers, asked_us);
        self.report(asked_us, has_all);
        Ok(())
    }

    async fn pauses(&mut self, urls: &RedisUrls) {
        let now_us = (self.context.now_us)();
        let since_us = self.prior.disturbed_since_us;
        let is_fresh = |(read_us, _): &(i64, _)| now_us - read_us < PAUSES_INTERVAL_US;
        let is_calm = matches!(self.prior.phase, Phase::Warmup | Phase::Running) && since_us.is_none();
        if !(is_calm && self.memory.pauses.as_ref().is_some_and(is_fresh)) {
            // Without them the last known ones stay.
            if let Ok(pauses) = self.context.outside.pauses(self.plan, urls).await {
                self.memory.pauses = Some((now_us, Pauses::new(pauses, self.plan.partitions(), since_us)));
            }
        }
        self.look.seen.pauses = self.memory.pauses.as_ref().map(|(_, pauses)| pauses.clone());
    }

    fn targets(&self) -> Vec<Target> {
        let seen = &self.look.seen;
        let mut targets = Target::among(Role::Producer, &seen.producers.pods);
        if !self.memory.counters_sealed {
            targets.extend(Target::among(Role::Counter, &seen.counters.pods));
        }
        targets
    }

    /// Reports of the members, added up over their restarts.
    fn members(&mut self, scraped: Vec<Scraped>, servers: Option<ServerUse>, asked_us: i64) {
        let seen = &mut self.look.seen;
        let producers_answered = scraped
            .iter()
            .filter(|scraped| scraped.report.role() == Role::Producer)
            .count();
        let pods: Vec<&PodView> = seen.producers.pods.iter().chain(&seen.counters.pods).collect();
        let members = self.memory.members.get_or_insert_default();
        self.look.gone = members.observe(&self.plan.run_id, scraped, &pods);
        seen.produced = members.producers();
        seen.counted = members.counters();
        seen.done = members.done_slots();
        seen.rebalances = members.rebalances();
        if let Some(since_us) = self.prior.disturbed_since_us {
            seen.ack_gaps = members.ack_gaps(since_us);
        }
        let is_complete = producers_answered >= self.plan.producers() as usize;
        let is_sending = is_complete && !self.all_done();
        self.usage(asked_us, servers, is_sending);
        self.trend(asked_us, is_sending);
    }

    /// What the report takes from this look.
    fn report(&mut self, asked_us: i64, has_all: bool) {
        let is_going = matches!(self.prior.phase, Phase::Warmup | Phase::Running | Phase::Draining);
        let Some(schedule) = self.prior.schedule(self.plan).filter(|_| is_going) else {
            return;
        };
        let (keeper, members) = (&mut self.memory.report, self.memory.members.get_or_insert_default());
        keeper.observe(
            self.plan,
            (schedule.start_us, asked_us),
            &self.look.seen,
            members,
            has_all,
        );
    }

    /// The brokers' configuration, while nobody waits for a look: before the start, or at the end if that was missed.
    async fn configs(&mut self) {
        let keeper = &mut self.memory.report;
        if keeper.wants_configs()
            && let Ok(configs) = self.context.outside.configs(self.plan).await
        {
            keeper.note_configs(configs);
        }
    }

    /// Whether every producer has nothing left to do.
    fn all_done(&self) -> bool {
        self.look.seen.done.len() >= self.plan.producers() as usize
    }

    fn asks_servers(&mut self, now_us: i64) -> bool {
        let asked_us = &mut self.memory.servers_asked_us;
        let is_due = self.prior.phase == Phase::Running && now_us - *asked_us >= SERVERS_INTERVAL_US;
        if is_due {
            *asked_us = now_us;
        }
        is_due
    }

    /// How busy every part was, while events were sent after the warm-up.
    fn usage(&mut self, asked_us: i64, servers: Option<ServerUse>, is_sending: bool) {
        let usage = &mut self.memory.usage;
        if is_sending && self.prior.phase == Phase::Running {
            if let Some(members) = &self.memory.members {
                usage.push_members(asked_us, members.usage());
            }
            if let Some(servers) = servers {
                usage.push_servers(asked_us, &servers);
            }
        }
        self.look.seen.utilization = usage.utilization(self.plan);
    }

    async fn load_members(&mut self) -> Result<(), Error> {
        if self.memory.members.is_some() {
            return Ok(());
        }
        let config_maps: Api<ConfigMap> = Api::namespaced(self.context.client.clone(), &self.plan.namespace);
        let name = self.plan.names.members();
        let saved = config_maps
            .get_opt(&name)
            .await
            .map_err(Error::api("read the saved reports"))?;
        let own = saved.filter(|saved| saved.labels() == &self.plan.names.labels());
        let retired = own.as_ref().and_then(build::members::read).unwrap_or_default();
        self.memory.members = Some(Members::new(retired));
        Ok(())
    }

    /// Rates, what was achieved, steadiness, progress.
    fn trend(&mut self, asked_us: i64, is_sending_seen: bool) {
        let (seen, memory) = (&mut self.look.seen, &mut *self.memory);
        let lag = seen.log.as_deref().zip(seen.ledger.as_deref());
        let lag = lag.map(|(log, ledger)| log::lag(log, ledger, asked_us).records);
        let sent = seen.sent_events();
        memory.trend.push(asked_us, sent, seen.counted_events(), lag);
        let is_sending = matches!(self.prior.phase, Phase::Warmup | Phase::Running);
        if let Some(schedule) = self.prior.schedule(self.plan).filter(|_| is_sending) {
            if is_sending_seen {
                memory
                    .trend
                    .achieved_so_far(schedule.start_us, self.plan.rate(), self.plan.events());
            }
            if asked_us > schedule.start_us {
                seen.no_progress_us = memory.without_progress_us(sent + seen.done.len() as u64, asked_us);
            }
        }
        seen.rates = Some((memory.trend.sent_rate(), memory.trend.counted_rate()));
        seen.achieved = memory.trend.achieved();
        seen.least_lag = memory.trend.least_lag();
        if self.prior.phase == Phase::Running {
            seen.is_steady = memory.trend.is_steady(self.plan.rate());
        }
    }

    /// The end of the log, where it is what says how many events there are: once nobody sends any more.
    async fn tail(&mut self) {
        let all_done = self.all_done();
        let seen = &mut self.look.seen;
        let is_ending = matches!(self.prior.phase, Phase::Draining | Phase::Verifying);
        let is_needed = !self.prior.counts_are_the_streams(self.plan, all_done);
        if !is_ending || !is_needed || seen.producers.existing() > 0 {
            return;
        }
        match self.context.outside.tail(self.plan).await {
            Ok(tail) => seen.tail = Some(tail),
            Err(cause) => seen.blind = Some(cause),
        }
    }

    async fn job(&mut self) -> Result<(), Error> {
        let jobs: Api<Job> = Api::namespaced(self.context.client.clone(), &self.plan.namespace);
        let name = self.plan.names.of(Role::Verify);
        let job = jobs.get_opt(&name).await.map_err(Error::api("read the Job"))?;
        let own = job.filter(|job| job.labels() == &self.plan.names.role_labels(Role::Verify));
        self.look.seen.verify = VerifyState::new(own.as_ref(), &self.verify_pods, &self.plan.run_id);
        Ok(())
    }

    async fn urls(&mut self) -> Result<Result<RedisUrls, Cause>, Error> {
        if let Some(urls) = &self.memory.urls {
            return Ok(Ok(urls.clone()));
        }
        let urls = redis_urls(&self.context.client, self.plan).await?;
        self.memory.urls = urls.as_ref().ok().cloned();
        Ok(urls)
    }
}

fn of_role(pods: &[Pod], role: Role) -> Vec<PodView> {
    let has_role = |pod: &&Pod| pod.labels().get(ROLE_LABEL).is_some_and(|label| label == role.as_str());
    pods.iter().filter(has_role).map(PodView::new).collect()
}

//! Keeps the report in its ConfigMap. What fails here is told and changes no verdict.

use std::collections::BTreeMap;

use eoslab_api::{ChaosRun, LoadTest, LoadTestStatus, Phase, ReportRef};
use eoslab_report::{HTML_KEY, JSON_KEY, Provenance, Report, config_map_name, render};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use tracing::warn;

use super::compose::{Composing, provenance};
use super::recorder::Recorder;
use crate::context::Context;
use crate::error::Error;
use crate::names::{MANAGER, Names, RUN_LABEL, Role, key};
use crate::outside::Configs;
use crate::plan::Plan;
use crate::seen::Seen;
use crate::seen::members::Members;

/// From one writing to the next while a run goes on, us: what a dead operator may lose of the series.
const WRITE_INTERVAL_US: i64 = 20_000_000;
/// For so long the last writing is tried again and again, us.
const FAILING_MAX_US: i64 = 60_000_000;
/// A ConfigMap holds a mebibyte; some of it is left for its metadata.
const BYTES_MAX: usize = 1_000_000;
/// Times that the brokers are asked for their configuration.
const CONFIGS_TRIES_MAX: u32 = 3;

/// The report of one run as far as it is known.
#[derive(Debug, Default)]
pub struct Keeper {
    recorder: Recorder,
    provenance: Provenance,
    /// Whether what was written before was looked for.
    is_read: bool,
    /// Whether a ConfigMap of that name is somebody else's.
    is_foreign: bool,
    configs_tries: u32,
    written_us: i64,
    /// Where it was written; the status may not be due yet when it first is.
    written_to: Option<ReportRef>,
    /// When the last report could first not be written, us since the Unix epoch.
    failing_since_us: Option<i64>,
}

impl Keeper {
    /// Takes up what an operator before this one wrote.
    ///
    /// # Errors
    /// When the API cannot be read.
    pub async fn read(&mut self, context: &Context, plan: &Plan) -> Result<(), Error> {
        if self.is_read {
            return Ok(());
        }
        let name = config_map_name(&plan.names.loadtest);
        let config_maps: Api<ConfigMap> = Api::namespaced(context.client.clone(), &plan.namespace);
        let saved = config_maps
            .get_opt(&name)
            .await
            .map_err(Error::api("read the report"))?;
        self.is_read = true;
        let Some(saved) = saved else { return Ok(()) };
        if !saved.labels().contains_key(RUN_LABEL) {
            warn!(config_map = name, "it is not eoslab's, so this run will have no report");
            self.is_foreign = true;
            return Ok(());
        }
        let json = saved.data.as_ref().and_then(|data| data.get(JSON_KEY));
        match json.map(|json| Report::from_json(json)).transpose() {
            Ok(report) => self.resume(report.filter(|report| report.load_test.uid == plan.run_id)),
            Err(error) => warn!(config_map = name, %error, "what was recorded cannot be read and is begun anew"),
        }
        Ok(())
    }

    fn resume(&mut self, report: Option<Report>) {
        let Some(report) = report else { return };
        self.recorder = Recorder::resumed(report.series);
        self.provenance = report.provenance;
    }

    /// Whether the brokers are still to be asked for their configuration. They may be slow to answer, so not for ever.
    pub fn wants_configs(&mut self) -> bool {
        self.configs_tries += 1;
        self.provenance.topic_config.is_empty() && self.configs_tries <= CONFIGS_TRIES_MAX
    }

    /// Notes it.
    pub fn note_configs(&mut self, configs: Configs) {
        (self.provenance.topic_config, self.provenance.broker_config) = (configs.topic, configs.broker);
    }

    /// Takes in a look at a run: when its first event was due, and when it was looked at, us since the Unix epoch.
    /// `has_all`: whether every member told what it did.
    pub fn observe(&mut self, plan: &Plan, times: (i64, i64), seen: &Seen, members: &Members, has_all: bool) {
        self.recorder.push(plan, times, seen, members, has_all);
        for pod in seen.producers.pods.iter().chain(&seen.counters.pods) {
            self.provenance.nodes.extend(pod.node.clone());
            if let Some(image_id) = pod.image_id.as_ref().filter(|id| !id.is_empty()) {
                self.provenance.image_id.clone_from(image_id);
            }
        }
        let deployment = seen.producers.deployment.as_ref();
        if let Some(image) = deployment.and_then(|deployment| deployment.image.as_ref()) {
            self.provenance.image.clone_from(image);
        }
        for (role, config) in [
            (Role::Producer, &mut self.provenance.producer_config),
            (Role::Counter, &mut self.provenance.consumer_config),
        ] {
            if let Some(seen) = members.client_config(role).filter(|_| config.is_empty()) {
                config.clone_from(seen);
            }
        }
    }

    /// Writes the report where it is due, and says where it is.
    ///
    /// # Errors
    /// When the last one cannot be written just now: the step is then tried again, for a minute at most.
    pub async fn write(
        &mut self,
        context: &Context,
        loadtest: &LoadTest,
        status: &LoadTestStatus,
        seen: &Seen,
    ) -> Result<Option<ReportRef>, Error> {
        let now_us = (context.now_us)();
        // One that was refused has nothing to report.
        let is_over = status.phase == Phase::Finished && status.start_time.is_some();
        let is_due = is_over || (self.recorder.has_points() && now_us - self.written_us >= WRITE_INTERVAL_US);
        if !is_due || self.is_foreign {
            return Ok(self.reference(status));
        }
        self.written_us = now_us;
        let written = async {
            let composing = Composing {
                loadtest,
                status,
                seen,
                series: self.recorder.series(),
                provenance: provenance(&self.provenance, context, loadtest),
                runs: chaos_runs(context, loadtest).await?,
                now_us,
            };
            put(context, loadtest, composing.report(), is_over).await
        };
        match written.await {
            Ok(()) => {
                let name = config_map_name(&loadtest.name_any());
                self.written_to = Some(ReportRef { name });
                Ok(self.reference(status))
            }
            Err(error) if is_over && error.may_pass() && self.is_worth_another_try(now_us) => Err(error),
            Err(error) => {
                warn!(loadtest = %key(loadtest), %error, "the report could not be written");
                Ok(self.reference(status))
            }
        }
    }

    fn reference(&self, status: &LoadTestStatus) -> Option<ReportRef> {
        self.written_to.clone().or(status.report_ref.clone())
    }

    fn is_worth_another_try(&mut self, now_us: i64) -> bool {
        now_us - *self.failing_since_us.get_or_insert(now_us) < FAILING_MAX_US
    }
}

async fn put(context: &Context, loadtest: &LoadTest, mut report: Report, is_over: bool) -> Result<(), Error> {
    let json = report.to_json_within(BYTES_MAX).map_err(Error::Encode)?;
    let mut data = BTreeMap::from([(JSON_KEY.to_owned(), json)]);
    if is_over {
        let page = render(&report).map_err(Error::Encode)?;
        // `kubectl eoslab report` makes the page from the JSON where there is no room for it.
        if data.values().map(String::len).sum::<usize>() + page.len() <= BYTES_MAX {
            data.insert(HTML_KEY.to_owned(), page);
        }
    }
    let namespace = loadtest.namespace().unwrap_or_default();
    let name = config_map_name(&loadtest.name_any());
    let mut config_map = ConfigMap {
        data: Some(data),
        ..ConfigMap::default()
    };
    config_map.metadata.name = Some(name.clone());
    config_map.metadata.namespace = Some(namespace.clone());
    config_map.metadata.labels = Some(Names::new(&loadtest.name_any(), &loadtest.uid().unwrap_or_default()).labels());
    config_map.metadata.owner_references = loadtest.controller_owner_ref(&()).map(|owner| vec![owner]);
    let config_maps: Api<ConfigMap> = Api::namespaced(context.client.clone(), &namespace);
    let params = PatchParams::apply(MANAGER).force();
    let patched = config_maps.patch(&name, &params, &Patch::Apply(&config_map)).await;
    patched.map(drop).map_err(Error::api("write the report"))
}

/// ChaosRuns on this LoadTest; none where the cluster does not know of any, or where the operator may not read them.
async fn chaos_runs(context: &Context, loadtest: &LoadTest) -> Result<Vec<ChaosRun>, Error> {
    let api: Api<ChaosRun> = Api::namespaced(context.client.clone(), &loadtest.namespace().unwrap_or_default());
    let runs = match api.list(&ListParams::default()).await {
        Ok(list) => list.items,
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => Vec::new(),
        Err(error) => return Err(Error::api("list ChaosRuns")(error)),
    };
    let ours = |run: &ChaosRun| run.spec.load_test == loadtest.name_any();
    Ok(runs.into_iter().filter(ours).collect())
}

//! Fourth step: the world is made to be as decided. Server-side apply with one field manager, and only what differs, so
//! that a run in its steady course costs no writes.

use std::fmt::Debug;

use eoslab_api::LoadTest;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role as RbacRole, RoleBinding};
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::build::{self, Image, Source};
use crate::context::Context;
use crate::decide::{Decision, MembersTodo, Schedule, TopicTodo};
use crate::error::Error;
use crate::memory::RunMemory;
use crate::names::{FINALIZER, MANAGER, Role};
use crate::outside::Created;
use crate::seen::Seen;
use crate::seen::slots::{Group, SlotView};
use crate::seen::verify::VerifyState;

/// What is applied, and to what.
pub struct Applying<'a> {
    /// Clients.
    pub context: &'a Context,
    /// The run.
    pub source: Source<'a>,
    /// What was decided.
    pub decision: &'a Decision,
    /// What was seen.
    pub seen: &'a Seen,
}

impl Applying<'_> {
    /// Does everything but the status.
    ///
    /// # Errors
    /// When the API refuses something; what was done until then is done again next time.
    pub async fn run(&self, memory: &mut RunMemory) -> Result<(), Error> {
        let todo = &self.decision.todo;
        if todo.topic == TopicTodo::Create {
            self.create_topic(memory).await;
        }
        self.save_members(memory).await?;
        match todo.members {
            MembersTodo::Leave => {}
            MembersTodo::Run { producers, counters } => {
                self.access().await?;
                self.leases(Role::Producer, &self.seen.producers, self.source.plan.producers())
                    .await?;
                self.leases(Role::Counter, &self.seen.counters, counters).await?;
                self.deployment(Role::Producer, &self.seen.producers, producers).await?;
                self.deployment(Role::Counter, &self.seen.counters, counters).await?;
            }
            MembersTodo::Stop { keep_counters } => self.stop(keep_counters).await?,
        }
        if let Some(counts) = &todo.verify
            && self.seen.verify == VerifyState::Missing
        {
            self.verify(counts).await?;
        }
        Ok(())
    }

    /// With the image that counted.
    async fn verify(&self, counts: &[u64]) -> Result<(), Error> {
        let counting = self
            .seen
            .counters
            .deployment
            .as_ref()
            .and_then(|seen| seen.image.clone());
        let image = Image {
            name: counting.unwrap_or_else(|| self.source.image.name.clone()),
            pull_policy: self.source.image.pull_policy.clone(),
        };
        let source = Source {
            image: &image,
            ..self.source
        };
        self.apply(&build::verify::job(&source, counts), "make the Job").await
    }

    async fn create_topic(&self, memory: &mut RunMemory) {
        match self.context.outside.create_topic(self.source.plan).await {
            Ok(Created::Made) => memory.create_cause = None,
            // It was not there a moment ago, and this process has not tried before: somebody else was faster. If this
            // was wrong (a try of an operator that died), a topic is left behind; the other mistake would delete one
            // that is not ours.
            Ok(Created::Existed) => memory.is_topic_foreign |= !memory.tried_to_create_topic,
            Err(cause) => memory.create_cause = Some(cause),
        }
        memory.tried_to_create_topic = true;
    }

    /// Reports of members that are gone, before anything that makes more of them go.
    async fn save_members(&self, memory: &mut RunMemory) -> Result<(), Error> {
        let todo = &self.decision.todo;
        let Some(members) = &mut memory.members else {
            return Ok(());
        };
        if todo.seal_producers {
            members.seal(Role::Producer);
        }
        if todo.seal_counters {
            members.seal(Role::Counter);
        }
        if let Some(retired) = members.unsaved() {
            let config_map = build::members::config_map(&self.source, retired).map_err(Error::Encode)?;
            self.apply::<ConfigMap>(&config_map, "save the members' reports")
                .await?;
            members.saved();
        }
        memory.counters_sealed |= todo.seal_counters;
        Ok(())
    }

    /// The load pods' account, once: before the first Deployment.
    async fn access(&self) -> Result<(), Error> {
        if self.seen.producers.deployment.is_some() && self.seen.counters.deployment.is_some() {
            return Ok(());
        }
        let source = &self.source;
        self.apply::<ServiceAccount>(&build::access::service_account(source), "make the ServiceAccount")
            .await?;
        self.apply::<RbacRole>(&build::access::role(source), "make the Role")
            .await?;
        self.apply::<RoleBinding>(&build::access::role_binding(source), "make the RoleBinding")
            .await
    }

    /// As many Leases as slots, with the schedule and the wish to stop. Surplus ones go from the highest number down, for a
    /// member looks for a slot until the first number that does not exist, and only where nobody holds them.
    async fn leases(&self, role: Role, group: &Group, wanted: u32) -> Result<(), Error> {
        let schedule = self.decision.todo.schedule;
        let told = schedule.map(|Schedule { start_us, measure_us }| (start_us, measure_us));
        let is_stopped = role == Role::Producer && self.decision.todo.stop_producers;
        for index in 0..wanted {
            let slot = group.slots.iter().find(|slot| slot.index == index);
            let knows = |slot: &SlotView| (told.is_none() || slot.schedule == told) && slot.is_stopped >= is_stopped;
            if slot.is_some_and(knows) {
                continue;
            }
            let lease = build::leases::lease(&self.source, role, index, schedule, is_stopped);
            self.apply::<Lease>(&lease, "make a Lease").await?;
        }
        let surplus = group
            .slots
            .iter()
            .rev()
            .take_while(|slot| slot.index >= wanted && slot.holder.is_none());
        for slot in surplus {
            let unchanged = DeleteParams {
                preconditions: Some(Preconditions {
                    resource_version: Some(slot.resource_version.clone()),
                    uid: None,
                }),
                ..DeleteParams::default()
            };
            let name = self.source.plan.names.lease(role, slot.index);
            match self.api::<Lease>().delete(&name, &unchanged).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => return Ok(()),
                Err(error) => return Err(Error::api("delete a Lease")(error)),
            }
        }
        Ok(())
    }

    /// A Deployment is made once; from then on only the number of its pods changes. An operator of another version or
    /// image must not restart the members of a run that goes on.
    async fn deployment(&self, role: Role, group: &Group, replicas: u32) -> Result<(), Error> {
        match &group.deployment {
            Some(seen) if seen.replicas == replicas => Ok(()),
            Some(_) => self.scale(role, replicas).await,
            None => {
                let wanted = match role {
                    Role::Counter => build::workloads::counters(&self.source, replicas),
                    Role::Producer | Role::Verify => build::workloads::producers(&self.source, replicas),
                };
                self.apply::<Deployment>(&wanted, "make a Deployment").await
            }
        }
    }

    async fn scale(&self, role: Role, replicas: u32) -> Result<(), Error> {
        let patch = json!({"spec": {"replicas": replicas}});
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let api = self.api::<Deployment>();
        match api
            .patch(&self.source.plan.names.of(role), &params, &Patch::Merge(&patch))
            .await
        {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::api("scale a Deployment")(error)),
        }
    }

    /// What exists is scaled to nothing; a verification that still runs is of no use any more.
    async fn stop(&self, keep_counters: bool) -> Result<(), Error> {
        let runs = |group: &Group| group.deployment.as_ref().is_some_and(|seen| seen.replicas > 0);
        if runs(&self.seen.producers) {
            self.deployment(Role::Producer, &self.seen.producers, 0).await?;
        }
        if runs(&self.seen.counters) && !keep_counters {
            self.deployment(Role::Counter, &self.seen.counters, 0).await?;
        }
        if matches!(self.seen.verify, VerifyState::Working { .. }) {
            let name = self.source.plan.names.of(Role::Verify);
            delete(&self.api::<Job>(), &name).await?;
        }
        Ok(())
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.context.client.clone(), &self.source.plan.namespace)
    }

    async fn apply<K>(&self, object: &K, what: &'static str) -> Result<(), Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
    {
        let params = PatchParams::apply(MANAGER).force();
        let api = self.api::<K>();
        match api.patch(&object.name_any(), &params, &Patch::Apply(object)).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::api(what)(error)),
        }
    }
}

/// Deletes an object and what it owns; one that is not there is no error.
///
/// # Errors
/// When the API refuses.
pub async fn delete<K>(api: &Api<K>, name: &str) -> Result<(), Error>
where
    K: Clone + Debug + DeserializeOwned,
{
    match api.delete(name, &DeleteParams::background()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(Error::api("delete an object")(error)),
    }
}

/// Sets or removes the finalizer and returns the object as it is then. An object that changed meanwhile is left alone.
///
/// # Errors
/// A conflict, or what else the API has against it.
pub async fn set_finalizer(context: &Context, loadtest: &LoadTest, wanted: bool) -> Result<LoadTest, Error> {
    let mut finalizers: Vec<String> = loadtest.finalizers().to_vec();
    finalizers.retain(|finalizer| finalizer != FINALIZER);
    if wanted {
        finalizers.push(FINALIZER.to_owned());
    }
    let patch = json!({"metadata": {
        "finalizers": finalizers,
        "resourceVersion": loadtest.resource_version(),
    }});
    let api: Api<LoadTest> = Api::namespaced(context.client.clone(), &loadtest.namespace().unwrap_or_default());
    api.patch(&loadtest.name_any(), &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .map_err(Error::api("set the finalizer"))
}

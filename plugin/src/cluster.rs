//! The cluster's API, with errors that say what to do.

use std::fmt::Debug;

use eoslab_api::{ChaosRun, LoadTest};
use eoslab_report::{JSON_KEY, Report, config_map_name};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PropagationPolicy};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Config, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use crate::args::Connection;
use crate::error::Error;

/// Field manager of what is applied.
const MANAGER: &str = "kubectl-eoslab";
/// Name of an object that is never made.
const NAME_TO_TRY: &str = "kubectl-eoslab-dry-run";
/// Names that an error lists.
const NAMES_MAX: usize = 8;

/// A cluster and a namespace in it.
pub struct Cluster {
    client: Client,
    namespace: String,
}

impl Cluster {
    /// The cluster that the flags or the environment name.
    pub async fn connect(connection: &Connection) -> Result<Self, Error> {
        let options = KubeConfigOptions {
            context: connection.context.clone(),
            ..KubeConfigOptions::default()
        };
        let unusable = |error: &dyn std::error::Error| Error::Config(error.to_string());
        let config = match (&connection.kubeconfig, &connection.context) {
            (None, None) => Config::infer().await.map_err(|error| unusable(&error))?,
            (None, Some(_)) => Config::from_kubeconfig(&options)
                .await
                .map_err(|error| unusable(&error))?,
            (Some(path), _) => {
                let file = Kubeconfig::read_from(path).map_err(|error| unusable(&error))?;
                let config = Config::from_custom_kubeconfig(file, &options).await;
                config.map_err(|error| unusable(&error))?
            }
        };
        let namespace = connection
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(|error| unusable(&error))?;
        Ok(Self { client, namespace })
    }

    /// The same cluster in another namespace, if one is given.
    pub fn in_namespace(&self, namespace: Option<&str>) -> Self {
        Self {
            client: self.client.clone(),
            namespace: namespace.unwrap_or(&self.namespace).to_owned(),
        }
    }

    /// A LoadTest that must be there.
    pub async fn loadtest(&self, name: &str) -> Result<LoadTest, Error> {
        let found: Option<LoadTest> = self.get(name).await?;
        match found {
            Some(found) => Ok(found),
            None => Err(self.no_such(name).await),
        }
    }

    /// ChaosRuns on this LoadTest, not those that were over before it was made; none where the cluster does not know of any.
    pub async fn chaos_runs(&self, loadtest: &LoadTest) -> Vec<ChaosRun> {
        let listed = self.api::<ChaosRun>().list(&ListParams::default()).await;
        let runs = listed.map(|list| list.items).unwrap_or_default();
        let made = loadtest.creation_timestamp();
        let is_ours = |run: &ChaosRun| {
            let ended = run.status.as_ref().and_then(|status| status.completion_time.as_ref());
            run.spec.load_test == loadtest.name_any() && ended.is_none_or(|ended| Some(ended) >= made.as_ref())
        };
        runs.into_iter().filter(is_ours).collect()
    }

    /// The report of a LoadTest.
    pub async fn report(&self, loadtest: &LoadTest) -> Result<Report, Error> {
        let name = &loadtest.name_any();
        let config_map: Option<ConfigMap> = self.get(&config_map_name(name)).await?;
        let data = config_map.and_then(|config_map| config_map.data).unwrap_or_default();
        let json = data.get(JSON_KEY).ok_or_else(|| Error::NoReport(name.to_owned()))?;
        let report = Report::from_json(json).map_err(|error| Error::Unreadable {
            from: format!("ConfigMap {}", config_map_name(name)),
            message: error.to_string(),
        })?;
        // One of an earlier LoadTest of this name may still be there.
        match Some(&report.load_test.uid) == loadtest.uid().as_ref() {
            true => Ok(report),
            false => Err(Error::NoReport(name.to_owned())),
        }
    }

    /// An object, if it is there.
    pub async fn get<K>(&self, name: &str) -> Result<Option<K>, Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let found = self.api::<K>().get_opt(name).await;
        let found = found.map_err(|error| explain::<K>("read", &error))?;
        if found.is_none() && K::group(&()) == eoslab_api::GROUP {
            // Where the kind itself is unknown, the answer is the same.
            let listed = self.api::<K>().list(&ListParams::default().limit(1)).await;
            listed.map_err(|error| explain::<K>("list", &error))?;
        }
        Ok(found)
    }

    /// An object that must be there.
    pub async fn must_get<K>(&self, name: &str) -> Result<K, Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let found = self.get::<K>(name).await?;
        found.ok_or_else(|| Error::Gone(kind::<K>(), name.to_owned()))
    }

    /// Asks the API server whether it would accept a new object like this; nothing is changed.
    pub async fn would_accept<K>(&self, name: &str, object: &Value) -> Result<(), Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        // By another name: of one that is there some fields must not be changed, and that is not asked here.
        let mut object = object.clone();
        object["metadata"]["name"] = NAME_TO_TRY.into();
        let mut params = Self::params();
        params.dry_run = true;
        let asked = self
            .api::<K>()
            .patch(NAME_TO_TRY, &params, &Patch::Apply(&object))
            .await;
        asked.map(drop).map_err(|error| match explain::<K>("apply", &error) {
            Error::Refused { what, code, message } => Error::Refused {
                what,
                code,
                message: message.replace(NAME_TO_TRY, name),
            },
            other => other,
        })
    }

    fn params() -> PatchParams {
        let mut params = PatchParams::apply(MANAGER).force();
        params.field_validation = Some(kube::api::ValidationDirective::Strict);
        params
    }

    /// Makes an object as it stands in a file, or changes it to that.
    pub async fn apply<K>(&self, name: &str, object: &Value) -> Result<(), Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let patched = self
            .api::<K>()
            .patch(name, &Self::params(), &Patch::Apply(object))
            .await;
        patched.map(drop).map_err(|error| explain::<K>("apply", &error))
    }

    /// Deletes an object and waits until it and what it owns is gone.
    pub async fn delete<K>(&self, name: &str, deadline: Instant) -> Result<(), Error>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let params = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Foreground),
            ..DeleteParams::default()
        };
        match self.api::<K>().delete(name, &params).await {
            Ok(_) => eprintln!("deleting {} {name}, with what it made", kind::<K>()),
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
            Err(error) => return Err(explain::<K>("delete", &error)),
        }
        while self.get::<K>(name).await?.is_some() {
            if Instant::now() > deadline {
                return Err(Error::StillThere(kind::<K>(), name.to_owned()));
            }
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        }
        Ok(())
    }

    async fn no_such(&self, name: &str) -> Error {
        let listed = self.api::<LoadTest>().list(&ListParams::default()).await;
        let mut names: Vec<String> = listed
            .map(|list| list.items.iter().map(ResourceExt::name_any).collect())
            .unwrap_or_default();
        names.truncate(NAMES_MAX);
        Error::NoSuchLoadTest {
            name: name.to_owned(),
            namespace: self.namespace.clone(),
            others: match names.is_empty() {
                true => "; there is none at all, see --namespace".to_owned(),
                false => format!("; there are: {}", names.join(", ")),
            },
        }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}

fn kind<K: Resource<DynamicType = ()>>() -> &'static str {
    match K::kind(&()).as_ref() {
        "LoadTest" => "LoadTest",
        "ChaosRun" => "ChaosRun",
        _ => "object",
    }
}

/// What an error of the API means to a user.
fn explain<K: Resource<DynamicType = ()>>(verb: &str, error: &kube::Error) -> Error {
    match error {
        // The API server has no such path at all: the answer names no object.
        kube::Error::Api(status) if status.code == 404 && status.details.is_none() => Error::NotInstalled(kind::<K>()),
        kube::Error::Api(status) => Error::Refused {
            what: format!("{verb} a {}", K::kind(&())),
            code: status.code,
            message: status.message.clone(),
        },
        kube::Error::SerdeError(error) => Error::Unreadable {
            from: format!("a {}", K::kind(&())),
            message: error.to_string(),
        },
        other => Error::Unreachable(innermost(other)),
    }
}

/// The cause that says most.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

//! The ConfigMap with what members that are gone had reported.

use k8s_openapi::api::core::v1::ConfigMap;

use super::Source;
use crate::seen::members::Retired;

/// Key of the data.
pub const KEY: &str = "members.json";

/// The ConfigMap, or why it cannot be written as JSON.
///
/// # Errors
/// When a histogram cannot be encoded.
pub fn config_map(source: &Source, retired: &Retired) -> Result<ConfigMap, serde_json::Error> {
    let json = serde_json::to_string(retired)?;
    Ok(ConfigMap {
        metadata: source.metadata(source.plan.names.members(), None),
        data: Some([(KEY.to_owned(), json)].into()),
        ..ConfigMap::default()
    })
}

/// Reads it back; one that cannot be read counts as empty, for the run must go on.
pub fn read(config_map: &ConfigMap) -> Option<Retired> {
    let json = config_map.data.as_ref()?.get(KEY)?;
    serde_json::from_str(json).ok()
}

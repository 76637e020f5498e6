//! LoadTests and ChaosRuns in a file of YAML.

use std::io::Read as _;
use std::path::Path;

use eoslab_api::{GROUP, VERSION};
use serde::Deserialize as _;
use serde_json::Value;

use crate::error::Error;

/// What can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A LoadTest.
    LoadTest,
    /// A ChaosRun.
    ChaosRun,
}

impl Kind {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LoadTest => "LoadTest",
            Self::ChaosRun => "ChaosRun",
        }
    }
}

/// One document.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its namespace, if it says one.
    pub namespace: Option<String>,
    /// All of it, as it is applied: nothing is filled in or left out here, so that the API server judges it.
    pub object: Value,
}

/// Reads a file; `-` is standard input.
pub fn read(path: &Path) -> Result<Vec<Document>, Error> {
    let failed = |source| Error::File {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    match path.as_os_str() == "-" {
        true => std::io::stdin().read_to_string(&mut text).map(drop).map_err(failed)?,
        false => text = std::fs::read_to_string(path).map_err(failed)?,
    }
    parse(&text).map_err(|(document, message)| Error::Manifest {
        path: path.to_owned(),
        document,
        message,
    })
}

/// The documents, or the number of the wrong one and what is wrong with it.
fn parse(text: &str) -> Result<Vec<Document>, (usize, String)> {
    let mut documents = Vec::new();
    for (index, document) in serde_norway::Deserializer::from_str(text).enumerate() {
        let value = Value::deserialize(document).map_err(|error| (index + 1, error.to_string()))?;
        if !value.is_null() {
            documents.push(checked(value).map_err(|message| (index + 1, message))?);
        }
    }
    let has_loadtest = documents.iter().any(|document| document.kind == Kind::LoadTest);
    has_loadtest
        .then_some(documents)
        .ok_or_else(|| (1, "there is no LoadTest in the file".to_owned()))
}

fn checked(object: Value) -> Result<Document, String> {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let (version, kind) = (text("/apiVersion"), text("/kind"));
    let wanted = format!("{GROUP}/{VERSION}");
    let kind = match (version.as_deref(), kind.as_deref()) {
        (Some(version), Some("LoadTest")) if version == wanted => Kind::LoadTest,
        (Some(version), Some("ChaosRun")) if version == wanted => Kind::ChaosRun,
        (version, kind) => {
            return Err(format!(
                "apiVersion {} and kind {} are neither a LoadTest nor a ChaosRun of {wanted}; use kubectl apply for others",
                version.unwrap_or("(none)"),
                kind.unwrap_or("(none)")
            ));
        }
    };
    let name = text("/metadata/name").ok_or("metadata.name is missing: a run is watched by its name")?;
    Ok(Document {
        kind,
        name,
        namespace: text("/metadata/namespace"),
        object,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOADTEST: &str = "apiVersion: eoslab.dev/v1alpha1\nkind: LoadTest\nmetadata: {name: a}\n";

    #[test]
    fn both_kinds_are_read_and_empty_documents_skipped() -> Result<(), (usize, String)> {
        let chaos = LOADTEST
            .replace("LoadTest", "ChaosRun")
            .replace("name: a", "name: b, namespace: c");
        let documents = parse(&format!("---\n# a comment\n---\n{LOADTEST}---\n{chaos}"))?;
        let found: Vec<_> = documents
            .iter()
            .map(|document| (document.kind, document.name.as_str(), document.namespace.as_deref()))
            .collect();
        assert_eq!(found, [(Kind::LoadTest, "a", None), (Kind::ChaosRun, "b", Some("c"))]);
        Ok(())
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_its_place() {
        let table = [
            (format!("{LOADTEST}---\nkind: Pod\n"), 2, "kind Pod"),
            (LOADTEST.replace("name: a", "labels: {}"), 1, "metadata.name"),
            (LOADTEST.replace("v1alpha1", "v9"), 1, "eoslab.dev/v9"),
            (format!("{LOADTEST}---\na: [\n"), 2, ""),
            (String::new(), 1, "no LoadTest"),
        ];
        for (text, document, message) in table {
            let (found, why) = parse(&text).expect_err(&text);
            assert_eq!(found, document, "{text}");
            assert!(why.contains(message), "{why}");
        }
    }
}

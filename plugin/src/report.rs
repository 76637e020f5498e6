//! `report`: writes the report of a LoadTest as a page or as JSON.

use std::io::Write as _;
use std::path::PathBuf;

use eoslab_report::render;

use crate::args::{Format, ReportArgs};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::{Outcome, watch};

/// Writes it, and says by the outcome what the verdict is.
pub async fn write(cluster: &Cluster, args: &ReportArgs) -> Result<Outcome, Error> {
    let loadtest = cluster.loadtest(&args.name).await?;
    let report = cluster.report(&loadtest).await?;
    let text = match args.output {
        Format::Html => render(&report),
        Format::Json => serde_json::to_string_pretty(&report),
    };
    let text = text.map_err(|error| Error::Unreadable {
        from: format!("the report of {}", args.name),
        message: error.to_string(),
    })?;
    let extension = match args.output {
        Format::Html => "html",
        Format::Json => "json",
    };
    let default = || PathBuf::from(format!("{}-report.{extension}", args.name));
    let path = args.file.clone().unwrap_or_else(default);
    if path.as_os_str() == "-" {
        std::io::stdout().write_all(text.as_bytes())?;
    } else {
        std::fs::write(&path, text).map_err(|source| Error::File {
            path: path.clone(),
            source,
        })?;
        println!("{}", path.display());
    }
    Ok(watch::outcome(loadtest.status.unwrap_or_default().verdict))
}

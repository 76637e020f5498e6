//! `run`: applies what a file holds and watches it to its verdicts.

use eoslab_api::{ChaosRun, LoadTest, Verdict};
use tokio::time::Instant;

use crate::args::{Format, ReportArgs, RunArgs};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::manifest::{Document, Kind, read};
use crate::watch::Patience;
use crate::{Outcome, report, watch};

/// Runs it all. Nothing is changed before all of it is known to be acceptable.
pub async fn run(cluster: &Cluster, args: &RunArgs) -> Result<Outcome, Error> {
    let deadline = Instant::now() + args.timeout.duration();
    let documents = read(&args.filename)?;
    for document in &documents {
        check(cluster, document, args.replace).await?;
    }
    if args.replace {
        for document in &documents {
            clear(cluster, document, deadline).await?;
        }
    }
    for document in &documents {
        apply(cluster, document).await?;
    }
    let outcome = watch_all(cluster, &documents, deadline).await?;
    let first = documents.iter().find(|document| document.kind == Kind::LoadTest);
    if let (Some(file), Some(first)) = (&args.report, first) {
        let wanted = ReportArgs {
            name: first.name.clone(),
            output: Format::Html,
            file: Some(file.clone()),
        };
        report::write(&place(cluster, first), &wanted).await?;
    }
    Ok(outcome)
}

/// Where a document belongs.
fn place(cluster: &Cluster, document: &Document) -> Cluster {
    cluster.in_namespace(document.namespace.as_deref())
}

/// A run that is over never starts again, so one that is there must be deleted first.
async fn check(cluster: &Cluster, document: &Document, replace: bool) -> Result<(), Error> {
    let cluster = place(cluster, document);
    let Document { name, object, .. } = document;
    let verdict = match document.kind {
        Kind::LoadTest => {
            cluster.would_accept::<LoadTest>(name, object).await?;
            let known: Option<LoadTest> = cluster.get(name).await?;
            known.and_then(|known| Some(known.status?.verdict))
        }
        Kind::ChaosRun => {
            cluster.would_accept::<ChaosRun>(name, object).await?;
            let known: Option<ChaosRun> = cluster.get(name).await?;
            known.and_then(|known| Some(known.status?.verdict))
        }
    };
    let is_over = verdict.is_some_and(|verdict| verdict != Verdict::Pending);
    match is_over && !replace {
        true => Err(Error::IsOver(document.kind.as_str(), name.clone())),
        false => Ok(()),
    }
}

async fn clear(cluster: &Cluster, document: &Document, deadline: Instant) -> Result<(), Error> {
    let cluster = place(cluster, document);
    match document.kind {
        Kind::LoadTest => cluster.delete::<LoadTest>(&document.name, deadline).await,
        Kind::ChaosRun => cluster.delete::<ChaosRun>(&document.name, deadline).await,
    }
}

async fn apply(cluster: &Cluster, document: &Document) -> Result<(), Error> {
    let cluster = place(cluster, document);
    match document.kind {
        Kind::LoadTest => cluster.apply::<LoadTest>(&document.name, &document.object).await,
        Kind::ChaosRun => cluster.apply::<ChaosRun>(&document.name, &document.object).await,
    }
}

/// The LoadTests one after another, and then the ChaosRuns, whose verdicts follow theirs.
async fn watch_all(cluster: &Cluster, documents: &[Document], deadline: Instant) -> Result<Outcome, Error> {
    let mut outcome = Outcome::Pass;
    for loadtest in documents.iter().filter(|document| document.kind == Kind::LoadTest) {
        let watched = watch::watch(&place(cluster, loadtest), &loadtest.name, deadline).await?;
        outcome = outcome.and(watched);
    }
    for run in documents.iter().filter(|document| document.kind == Kind::ChaosRun) {
        outcome = outcome.and(chaos_outcome(&place(cluster, run), &run.name, deadline).await?);
    }
    Ok(outcome)
}

async fn chaos_outcome(cluster: &Cluster, name: &str, deadline: Instant) -> Result<Outcome, Error> {
    let mut patience = Patience::default();
    loop {
        let run = patience.of(cluster.must_get::<ChaosRun>(name).await)?;
        let status = run.and_then(|run| run.status).unwrap_or_default();
        if status.verdict != Verdict::Pending {
            let message = status.message.unwrap_or_default();
            println!("ChaosRun {name}: {}: {message}", status.verdict);
            return Ok(watch::outcome(status.verdict));
        }
        if Instant::now() > deadline {
            return Err(Error::Timeout(Kind::ChaosRun.as_str(), name.to_owned()));
        }
        tokio::time::sleep(watch::INTERVAL).await;
    }
}

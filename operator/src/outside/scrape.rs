//! Reads the reports of the pods, all at once.

use std::net::IpAddr;
use std::time::Duration;

use eoslab_core::report::{CounterReport, ProducerReport};
use futures::{StreamExt, stream};
use tracing::debug;

use crate::names::{PORT, Role};
use crate::seen::members::{Report, Scraped};
use crate::seen::pods::PodView;

/// Longest time for one report. The next look comes in a second, and loses nothing.
const TIMEOUT: Duration = Duration::from_millis(1500);
/// Reports that are read at a time.
const CONCURRENT: usize = 32;
/// Largest report: histograms and, for each of 512 partitions, some hundred bytes.
const REPORT_BYTES_MAX: usize = 8 << 20;

/// A pod to read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What its report looks like.
    pub role: Role,
    /// UID of the pod.
    pub pod_uid: String,
    /// Address of the pod.
    pub ip: IpAddr,
}

impl Target {
    /// The targets among pods: those with an address that may still answer.
    pub fn among(role: Role, pods: &[PodView]) -> Vec<Self> {
        let of = |pod: &PodView| {
            let ip = pod.ip.as_ref()?.parse().ok()?;
            let pod_uid = pod.uid.clone();
            (!pod.is_finished).then_some(Self { role, pod_uid, ip })
        };
        pods.iter().filter_map(of).collect()
    }

    fn url(&self) -> String {
        match self.ip {
            IpAddr::V4(ip) => format!("http://{ip}:{PORT}/report"),
            IpAddr::V6(ip) => format!("http://[{ip}]:{PORT}/report"),
        }
    }
}

/// Reads all of them; those that do not answer are left out.
pub(super) async fn scrape(client: &reqwest::Client, targets: Vec<Target>) -> Vec<Scraped> {
    stream::iter(targets)
        .map(|target| async move {
            let report = read(client, &target).await;
            report
                .inspect_err(|error| debug!(pod = %target.pod_uid, %error, "no report"))
                .ok()
        })
        .buffer_unordered(CONCURRENT)
        .filter_map(std::future::ready)
        .collect()
        .await
}

async fn read(client: &reqwest::Client, target: &Target) -> Result<Scraped, Box<dyn std::error::Error + Send + Sync>> {
    let answer = client.get(target.url()).timeout(TIMEOUT).send().await?;
    let answer = answer.error_for_status()?;
    if answer
        .content_length()
        .is_some_and(|length| length > REPORT_BYTES_MAX as u64)
    {
        return Err("the report is too large".into());
    }
    let body = answer.bytes().await?;
    let report = match target.role {
        Role::Producer => Report::Producer(Box::new(serde_json::from_slice::<ProducerReport>(&body)?)),
        Role::Counter | Role::Verify => Report::Counter(Box::new(serde_json::from_slice::<CounterReport>(&body)?)),
    };
    Ok(Scraped {
        pod_uid: target.pod_uid.clone(),
        report,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pods_that_may_answer_are_asked() {
        let pod = |ip: Option<&str>, is_finished| PodView {
            uid: "u".to_owned(),
            ip: ip.map(str::to_owned),
            is_finished,
            ..PodView::default()
        };
        let pods = [
            pod(Some("10.0.0.1"), false),
            pod(Some("fd00::1"), false),
            pod(None, false),
            pod(Some("10.0.0.2"), true),
        ];
        let urls: Vec<String> = Target::among(Role::Counter, &pods).iter().map(Target::url).collect();
        assert_eq!(urls, ["http://10.0.0.1:8080/report", "http://[fd00::1]:8080/report"]);
    }
}

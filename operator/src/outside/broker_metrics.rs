//! What brokers tell of themselves over HTTP, in the names of Strimzi's metrics reporter.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt, stream};
use tracing::debug;

use crate::seen::usage::{BrokerUse, RequestUse};

/// Longest time for one broker's answer.
const TIMEOUT: Duration = Duration::from_millis(1500);
/// Brokers that are asked at a time.
const CONCURRENT: usize = 16;
/// Time that the request handlers were idle, ns: the average over them. A broker that is also a controller tells its own
/// part apart from Kafka 4.2 on.
const HANDLERS_IDLE: [&str; 2] = [
    "kafka_server_kafkarequesthandlerpool_brokerrequesthandleravgidlepercent_total",
    "kafka_server_kafkarequesthandlerpool_requesthandleravgidlepercent_total",
];
const NETWORK_IDLE: &str = "kafka_network_socketserver_networkprocessoravgidlepercent";
const ISR_SHRINKS: &str = "kafka_server_replicamanager_isrshrinkspersec_total";
const REQUESTS: &str = "kafka_network_requestmetrics_";

/// Asks every broker `(id, host)` at once; those that do not answer are left out.
pub(super) async fn read(client: &reqwest::Client, port: u16, brokers: Vec<(i32, String)>) -> BTreeMap<i32, BrokerUse> {
    stream::iter(brokers)
        .map(|(id, host)| async move {
            let text = fetch(client, &host, port).await;
            let text = text
                .inspect_err(|error| debug!(broker = id, %error, "no metrics"))
                .ok()?;
            Some((id, parse(&text)?))
        })
        .buffer_unordered(CONCURRENT)
        .filter_map(std::future::ready)
        .collect()
        .await
}

async fn fetch(client: &reqwest::Client, host: &str, port: u16) -> reqwest::Result<String> {
    let url = match host.contains(':') {
        true => format!("http://[{host}]:{port}/metrics"),
        false => format!("http://{host}:{port}/metrics"),
    };
    let answer = client.get(url).timeout(TIMEOUT).send().await?;
    answer.error_for_status()?.text().await
}

/// `None` if these are no metrics of a broker.
fn parse(text: &str) -> Option<BrokerUse> {
    let values: BTreeMap<&str, f64> = text
        .lines()
        .filter(|line| line.starts_with("kafka_server_") || line.starts_with("kafka_network_"))
        .filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series, value.parse().ok()?))
        })
        .collect();
    let of = |series: &str| values.get(series).copied();
    let handlers_idle_ns = HANDLERS_IDLE.iter().find_map(|series| of(series))?;
    let requests = |kind: &str| {
        let metric =
            |name: &str, of_all: &str| of(&format!("{REQUESTS}{name}_{of_all}{{request=\"{kind}\"}}")).unwrap_or(0.0);
        RequestUse {
            count: metric("totaltimems", "count"),
            total_ms: metric("totaltimems", "sum"),
            queue_ms: metric("requestqueuetimems", "sum"),
            local_ms: metric("localtimems", "sum"),
            remote_ms: metric("remotetimems", "sum"),
            response_ms: metric("responsequeuetimems", "sum") + metric("responsesendtimems", "sum"),
        }
    };
    Some(BrokerUse {
        handlers_idle_ns,
        network_idle: of(NETWORK_IDLE).unwrap_or(1.0),
        produce: requests("Produce"),
        fetch: requests("FetchConsumer"),
        isr_shrinks: of(ISR_SHRINKS).unwrap_or(0.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# TYPE kafka_network_requestmetrics_totaltimems summary
kafka_network_requestmetrics_totaltimems{request="Produce",quantile="0.5"} 7.0
kafka_network_requestmetrics_totaltimems_count{request="Produce"} 4
kafka_network_requestmetrics_totaltimems_sum{request="Produce"} 40.0
kafka_network_requestmetrics_requestqueuetimems_sum{request="Produce"} 1.0
kafka_network_requestmetrics_localtimems_sum{request="Produce"} 12.0
kafka_network_requestmetrics_remotetimems_sum{request="Produce"} 20.0
kafka_network_requestmetrics_responsequeuetimems_sum{request="Produce"} 3.0
kafka_network_requestmetrics_responsesendtimems_sum{request="Produce"} 4.0
kafka_network_requestmetrics_totaltimems_sum{request="Fetch"} 99.0
kafka_network_socketserver_networkprocessoravgidlepercent 0.75
kafka_server_kafkarequesthandlerpool_requesthandleravgidlepercent_total 4.4E10
kafka_server_replicamanager_isrshrinkspersec_total 2.0
"#;

    #[test]
    fn a_brokers_metrics_are_read() {
        let broker = parse(TEXT).expect("a broker");
        assert_eq!(
            (broker.handlers_idle_ns, broker.network_idle, broker.isr_shrinks),
            (4.4e10, 0.75, 2.0)
        );
        let produce = RequestUse {
            count: 4.0,
            total_ms: 40.0,
            queue_ms: 1.0,
            local_ms: 12.0,
            remote_ms: 20.0,
            response_ms: 7.0,
        };
        assert_eq!((broker.produce, broker.fetch), (produce, RequestUse::default()));
    }

    #[test]
    fn a_broker_that_is_a_controller_too_has_handlers_of_its_own() {
        let own = "kafka_server_kafkarequesthandlerpool_brokerrequesthandleravgidlepercent_total 1E9\n";
        assert_eq!(
            parse(&format!("{TEXT}{own}")).map(|broker| broker.handlers_idle_ns),
            Some(1e9)
        );
    }

    #[test]
    fn what_is_no_broker_is_none() {
        assert_eq!(parse("<html>404</html>"), None);
        assert_eq!(parse("go_goroutines 8\n"), None);
    }
}

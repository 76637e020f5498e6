//! Dashboards and alerts against a Prometheus that scrapes a run under fault: whatever they ask for is there.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, SystemTime};
use std::{env, fs, process};

use eoslab_tests::{TestNamespace, ended, eventually, kubectl, under_faults};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(600);

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &str) -> Result<String, String> {
    fs::read_to_string(repository().join(file)).map_err(|error| format!("{file}: {error}"))
}

/// Contents of the files of a folder of the repository.
fn files(folder: &str) -> Result<Vec<String>, String> {
    let said = |error| format!("{folder}: {error}");
    let entries = fs::read_dir(repository().join(folder)).map_err(said)?;
    entries
        .map(|entry| fs::read_to_string(entry?.path()))
        .collect::<Result<_, _>>()
        .map_err(said)
}

fn dashboards() -> Result<Vec<Value>, String> {
    let texts = files("charts/eoslab/files/dashboards")?;
    let dashboards: Result<_, _> = texts.iter().map(|text| serde_json::from_str(text)).collect();
    dashboards.map_err(|error| error.to_string())
}

/// Rules of every group.
fn alerts() -> Result<Vec<Value>, String> {
    let mut alerts = Vec::new();
    for text in files("charts/eoslab/files/rules")? {
        let rules: Value = serde_norway::from_str(&text).map_err(|error| error.to_string())?;
        alerts.extend(each(&rules["groups"]).flat_map(|group| each(&group["rules"])).cloned());
    }
    Ok(alerts)
}

fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A Prometheus on this machine with the configuration of the embedded cluster's. It ends with the value.
struct Prometheus {
    process: Child,
    folder: PathBuf,
    url: String,
    since: Duration,
}

impl Prometheus {
    fn start() -> Result<Self, String> {
        let folder = env::temp_dir().join(format!("eoslab-prometheus-{}", process::id()));
        let said = |error: std::io::Error| error.to_string();
        fs::create_dir_all(&folder).map_err(said)?;
        let dns = kubectl(&[
            "-n",
            "kube-system",
            "get",
            "service",
            "kube-dns",
            "-o",
            "jsonpath={.spec.clusterIP}",
        ])?;
        let resolver = format!("nameserver {dns}\nsearch cluster.local\noptions ndots:5\n");
        fs::write(folder.join("resolv.conf"), resolver).map_err(said)?;
        let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let address = free.map_err(said)?;
        // It alone sees the cluster's names, by a mount that ends with it.
        let named = "mount --bind \"$0/resolv.conf\" /etc/resolv.conf && exec prometheus \"$@\"";
        let process = Command::new("unshare")
            .args(["--mount", "sh", "-c", named])
            .arg(&folder)
            .arg(format!("--web.listen-address={address}"))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .args(["--config.file=deploy/monitoring/prometheus.yml", "--log.level=warn"])
            .current_dir(repository())
            .spawn()
            .map_err(said)?;
        let prometheus = Self {
            process,
            folder,
            url: format!("http://{address}"),
            since: now(),
        };
        let what = "Prometheus (deploy/embedded/lab prometheus-path names its folder, for PATH)";
        eventually(what, Duration::from_secs(90), || {
            prometheus.get("query", &[("query", "1")])
        })?;
        Ok(prometheus)
    }

    fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-m", "20", "-G"])
            .arg(format!("{}/api/v1/{path}", self.url));
        for (name, value) in parameters {
            curl.arg("--data-urlencode").arg(format!("{name}={value}"));
        }
        let answer = ended(&mut curl)?;
        let answer: Value = serde_json::from_str(&answer.stdout).map_err(|_| answer.stderr)?;
        match answer["status"] == "success" {
            true => Ok(answer["data"].clone()),
            false => Err(answer.to_string()),
        }
    }

    /// Whether a query found anything since the start: a number, or the values of a label.
    fn answers(&self, query: &str) -> Result<(), String> {
        let labels = query.strip_prefix("label_values(");
        let labels = labels.and_then(|inner| inner.strip_suffix(')')?.rsplit_once(','));
        let is_answered = if let Some((series, label)) = labels {
            let values = self.get(&format!("label/{}/values", label.trim()), &[("match[]", series)])?;
            each(&values).count() > 0
        } else {
            let (start, end) = (self.since.as_secs().to_string(), now().as_secs().to_string());
            let over = [("query", query), ("start", &start), ("end", &end), ("step", "5")];
            let found = self.get("query_range", &over)?;
            let mut samples = each(&found["result"]).flat_map(|series| each(&series["values"]));
            samples.any(|sample| text(&sample[1]).parse().is_ok_and(f64::is_finite))
        };
        match is_answered {
            true => Ok(()),
            false => Err(format!("nothing: {query}")),
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.process.kill().and_then(|()| self.process.wait()).ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

fn now() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

/// What Grafana asks for a dashboard: for its variables, its annotations and its panels.
fn queries(dashboard: &Value) -> Vec<String> {
    let variables = each(&dashboard["templating"]["list"]).map(|variable| &variable["query"]["query"]);
    let annotations = each(&dashboard["annotations"]["list"]).map(|annotation| &annotation["expr"]);
    let panels = each(&dashboard["panels"]).flat_map(|panel| each(&panel["targets"]));
    let all = variables.chain(annotations).chain(panels.map(|target| &target["expr"]));
    all.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What an alert's expression is made of, for together it finds nothing while all is well.
fn selectors(expression: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(begin) = ["eoslab_", "kafka_"]
        .iter()
        .filter_map(|prefix| rest.find(prefix))
        .min()
    {
        rest = &rest[begin..];
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let name = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let end = match rest[name..].starts_with('{') {
            true => rest.find('}').map_or(rest.len(), |brace| brace + 1),
            false => name,
        };
        found.push(rest[..end].to_owned());
        rest = &rest[end..];
    }
    found
}

#[test]
fn every_query_of_dashboards_and_alerts_finds_data() -> Result<(), String> {
    let prometheus = Prometheus::start()?;
    let namespace = TestNamespace::chaos();
    let load = json!({"producer": {"rate": 4_000, "events": 5_000_000}});
    // One that lasts longer than a scrape interval.
    let faults = json!({"faults": [{"type": "PauseCounter"}], "steadyState": {"seconds": 2}});
    let run = under_faults("watched", &namespace, load, faults, LIMIT)?;
    assert_eq!(run.chaosrun["verdict"], "Pass", "{:#}", run.chaosrun);

    let asked = dashboards()?.iter().flat_map(queries).collect::<Vec<_>>();
    let of_alerts = alerts()?
        .iter()
        .flat_map(|alert| selectors(text(&alert["expr"])))
        .collect::<Vec<_>>();
    assert!(asked.len() > 60 && of_alerts.len() > 20, "{asked:#?} {of_alerts:#?}");
    let filled_in = |query: String| {
        query
            .replace("$namespace", &namespace.name)
            .replace("$loadtest", "watched")
            .replace("$kafka_namespace", "kafka")
            .replace("$__rate_interval", "30s")
    };
    let all: Vec<String> = asked.into_iter().chain(of_alerts).map(filled_in).collect();
    eventually("data for every query", Duration::from_secs(180), || {
        let missing: Vec<String> = all.iter().filter_map(|query| prometheus.answers(query).err()).collect();
        match missing.is_empty() {
            true => Ok(()),
            false => Err(missing.join("\n")),
        }
    })?;

    // Prometheus has evaluated them all along, on what was really there.
    let rules = prometheus.get("rules", &[])?;
    let rules: Vec<_> = each(&rules["groups"]).flat_map(|group| each(&group["rules"])).collect();
    assert!(rules.len() >= alerts()?.len(), "{rules:#?}");
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule:#}");
        assert!(
            rule["labels"]["severity"] != "critical" || rule["state"] != "firing",
            "{rule:#}"
        );
    }
    Ok(())
}

#[test]
fn promtool_finds_the_configuration_and_the_rules_right() -> Result<(), String> {
    for check in [
        ["check", "config", "deploy/monitoring/prometheus.yml"],
        ["test", "rules", "deploy/monitoring/rules_test.yaml"],
    ] {
        let said = ended(Command::new("promtool").args(check).current_dir(repository()))?;
        assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    }
    Ok(())
}

#[test]
fn every_alert_is_tested_both_ways_and_says_what_to_do() -> Result<(), String> {
    let tests: Value =
        serde_norway::from_str(&read("deploy/monitoring/rules_test.yaml")?).map_err(|e| e.to_string())?;
    let described = read("deploy/monitoring/README.md")?;
    for alert in alerts()? {
        let name = text(&alert["alert"]);
        let cases = each(&tests["tests"]).flat_map(|test| each(&test["alert_rule_test"]));
        let of_it = cases.filter(|case| case["alertname"] == name);
        let fires: Vec<bool> = of_it.map(|case| each(&case["exp_alerts"]).count() > 0).collect();
        assert!(fires.contains(&true) && fires.contains(&false), "{name}: {fires:?}");
        assert!(described.contains(&format!("| `{name}` |")), "{name}");
        for annotation in ["summary", "description", "action"] {
            assert_ne!(text(&alert["annotations"][annotation]), "", "{name}: {annotation}");
        }
    }
    Ok(())
}

#[test]
fn every_panel_says_what_it_shows_and_in_which_unit() -> Result<(), String> {
    for dashboard in dashboards()? {
        let title = text(&dashboard["title"]);
        assert!(
            text(&dashboard["uid"]).starts_with("eoslab-"),
            "{title}: its uid is what links go to"
        );
        assert_eq!(dashboard["graphTooltip"], 1, "{title}: one cursor in all graphs");
        let mut ids: Vec<_> = each(&dashboard["panels"])
            .filter_map(|panel| panel["id"].as_u64())
            .collect();
        let panels = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), panels, "{title}: ids");
        for panel in each(&dashboard["panels"]).filter(|panel| panel["type"] != "row") {
            let name = format!("{title}: {}", panel["title"]);
            assert_ne!(text(&panel["description"]), "", "{name}");
            let unit = match text(&panel["type"]) {
                "heatmap" => &panel["options"]["yAxis"]["unit"],
                "stat" | "state-timeline" | "status-history" | "table" | "timeseries" => {
                    &panel["fieldConfig"]["defaults"]["unit"]
                }
                other => return Err(format!("{name}: Grafana gives up the type {other}")),
            };
            assert_ne!(text(unit), "", "{name}");
        }
    }
    Ok(())
}

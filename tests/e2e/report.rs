//! What people look at: the report of a run, as JSON and as a page in a real browser, and `kubectl eoslab`.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs, thread};

use eoslab_tests::{
    ChaosRun, LoadTest, TestNamespace, chaosrun, ended, eoslab, eoslab_command, eventually, kubectl, spec,
};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(600);

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn scratch(name: &str) -> Result<PathBuf, String> {
    let folder = env::temp_dir().join(format!("eoslab-report-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    Ok(folder.join(name))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Opens a page in Chromium: plots drawn, nothing on the console, nothing from the network, the verdict in sight.
fn look_at(page: &Path) -> Result<(), String> {
    let seen = ended(
        Command::new("node")
            .current_dir(repository())
            .args(["report/tests/page/check.mjs".as_ref(), page.as_os_str()]),
    )?;
    match seen.code {
        Some(0) => Ok(()),
        _ => Err(format!("{}\n{}", seen.stdout, seen.stderr)),
    }
}

fn keeps_to_the_schema(report: &Value) -> Result<(), String> {
    let schema = serde_json::from_str(&read(&repository().join("report/report.schema.json"))?);
    let schema: Value = schema.map_err(|error| error.to_string())?;
    let validator = jsonschema::validator_for(&schema).map_err(|error| error.to_string())?;
    let errors: Vec<String> = validator.iter_errors(report).map(|error| error.to_string()).collect();
    match errors.is_empty() {
        true => Ok(()),
        false => Err(errors.join("\n")),
    }
}

/// A run with a broker kill, and the operator killed on the way: what both saw is in one report.
#[test]
fn a_report_shows_a_broker_kill_also_if_the_operator_dies() -> Result<(), String> {
    let namespace = TestNamespace::chaos();
    // A point of its series is a second up to a planned length of 300 s.
    let load = json!({"producer": {"rate": 4_000, "events": 1_200_000}});
    let run = LoadTest::apply("pictured", &namespace, load)?;
    run.wait_for_phase("Running", LIMIT)?;
    let faults = json!({"loadTest": "pictured", "faults": [{"type": "KillBroker"}], "steadyState": {"seconds": 3}});
    let chaos = ChaosRun::apply("pictured", &namespace, faults)?;
    // A terminal of its own, as a user has it.
    let watch = format!("kubectl eoslab watch pictured -n {}", namespace.name);
    let watching = thread::spawn(move || ended(Command::new("script").args(["-qec", &watch, "/dev/null"])));
    let saved = eventually("a series that was saved", LIMIT, || {
        let saved = points(&saved_report(&namespace)?);
        if saved.len() > 10 {
            Ok(saved)
        } else {
            Err(format!("{} points", saved.len()))
        }
    })?;
    let operator = [
        "delete",
        "pod",
        "-l",
        "app.kubernetes.io/component=operator",
        "--wait=false",
    ];
    kubectl(&[&["-n", "eoslab-system"], &operator[..]].concat())?;
    chaos.wait_for_faults(LIMIT)?;
    eventually("what the next operator saw", LIMIT, || {
        match points(&saved_report(&namespace)?).len() - saved.len() {
            more if more > 5 => Ok(()),
            more => Err(format!("{more} points")),
        }
    })?;
    run.stop()?;
    let status = run.wait_for_end(LIMIT)?;
    assert_eq!(status["verdict"], "Pass", "{status:#}");
    assert_eq!(chaos.wait_for_end(LIMIT)?["verdict"], "Pass");

    let watched = watching.join().map_err(|_| "the watch panicked")??;
    assert_eq!(watched.code, Some(0), "{watched:?}");
    for words in ["pictured", "KillBroker", "lost 0, doubled 0", "\u{1b}["] {
        assert!(
            watched.stdout.contains(words),
            "{words:?} is missing in {}",
            watched.stdout
        );
    }
    let report = saved_report(&namespace)?;
    keeps_to_the_schema(&report)?;
    assert_eq!(points(&report)[..saved.len()], saved, "what the dead operator saw");
    assert!(points(&report).len() > saved.len() + 5, "what its successor saw");
    holds_the_kill(&report);
    has_provenance(&report);
    let page = scratch("pictured.html")?;
    let written = eoslab(&[
        "report",
        "pictured",
        "-n",
        &namespace.name,
        "-f",
        &page.to_string_lossy(),
    ])?;
    assert_eq!(written.code, Some(0), "{written:?}");
    look_at(&page)?;
    let same = eoslab(&["compare", "pictured", "pictured", "-n", &namespace.name])?;
    assert_eq!(same.code, Some(0), "{same:?}");
    Ok(())
}

fn saved_report(namespace: &TestNamespace) -> Result<Value, String> {
    let text = kubectl(&[
        "-n",
        &namespace.name,
        "get",
        "configmap",
        "pictured-report",
        "-o",
        "json",
    ])?;
    let config_map: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let report = config_map["data"]["report.json"].as_str().unwrap_or_default();
    let report: Value = serde_json::from_str(report).map_err(|error| error.to_string())?;
    let page = config_map["data"]["report.html"].as_str().unwrap_or_default();
    let is_over = report["status"]["phase"] == "Finished";
    assert_eq!(
        page.starts_with("<!doctype html>"),
        is_over,
        "the page comes at the end"
    );
    Ok(report)
}

fn points(report: &Value) -> Vec<Value> {
    report["series"]["points"].as_array().cloned().unwrap_or_default()
}

fn holds_the_kill(report: &Value) {
    let fault = &report["faults"][0];
    assert_eq!(
        (&fault["type"], &fault["state"]),
        (&json!("KillBroker"), &json!("Recovered")),
        "{fault:#}"
    );
    let from = fault["injectedAtMs"].as_i64().unwrap_or_default();
    let points = points(report);
    let at = |point: &Value| point["atMs"].as_i64().unwrap_or_default();
    assert!(points.iter().any(|point| at(point) < from), "points before the kill");
    assert!(
        points.iter().any(|point| at(point) > from + 3_000),
        "points after the kill"
    );
    assert!(
        points.windows(2).all(|pair| at(&pair[0]) < at(&pair[1])),
        "in the order of time"
    );
    assert!(
        points.iter().any(|point| point["endToEnd"]["p99Us"].is_u64()),
        "latencies over time"
    );
    assert!(
        points.iter().any(|point| point["cpu"]["nodePercent"].is_u64()),
        "CPU over time"
    );
    let paused = report["status"]["pauses"]["count"].as_u64().unwrap_or_default();
    let listed = report["pauses"].as_array().map_or(0, Vec::len) as u64;
    assert_eq!(listed, paused.min(500), "every pause is listed");
    let samples: u64 = report["distribution"]["endToEnd"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|bin| bin["count"].as_u64())
        .sum();
    assert_eq!(Some(samples), report["status"]["latency"]["samples"].as_u64());
}

fn has_provenance(report: &Value) {
    let provenance = &report["provenance"];
    for name in ["eoslabVersion", "gitRevision", "image", "imageId", "librdkafkaVersion"] {
        assert!(
            provenance[name].as_str().is_some_and(|text| !text.is_empty()),
            "{name}: {provenance:#}"
        );
    }
    assert_eq!(provenance["producerConfig"]["acks"], "all", "{provenance:#}");
    assert_eq!(
        provenance["consumerConfig"]["group.protocol"], "classic",
        "{provenance:#}"
    );
    assert!(
        provenance["topicConfig"]["min.insync.replicas"].is_string(),
        "{provenance:#}"
    );
    assert!(provenance["brokerConfig"]["log.dirs"].is_string(), "{provenance:#}");
    assert_eq!(provenance["nodes"].as_array().map(Vec::len), Some(1), "{provenance:#}");
}

/// `run` applies, watches, writes the report, and its exit code is the verdict.
#[test]
fn the_exit_code_of_run_is_the_verdict() -> Result<(), String> {
    let namespace = TestNamespace::create("plugin");
    let run = |name: &str, changes: Value, more: &[&str]| -> Result<_, String> {
        let file = scratch(&format!("{name}.json"))?;
        fs::write(&file, spec(name, &namespace, changes).to_string()).map_err(|error| error.to_string())?;
        eoslab(&[&["run", "-f", &file.to_string_lossy()], more].concat())
    };
    // They leave their group when they go, so that a LoadTest is soon replaced.
    let short = json!({"producer": {"events": 40_000, "warmupSeconds": 1}, "counter": {"staticMembership": false}});
    let page = scratch("passes.html")?;
    let passes = run("passes", short.clone(), &["--report", &page.to_string_lossy()])?;
    assert_eq!(passes.code, Some(0), "{passes:?}");
    assert!(passes.stdout.contains("passes Finished Pass"), "{passes:?}");
    look_at(&page)?;
    let again = run("passes", short.clone(), &[])?;
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.stderr.contains("--replace"), "{again:?}");

    let mut strict = short;
    strict["slo"] = json!({"endToEndP99Ms": 1});
    let replaced = run("passes", strict, &["--replace"])?;
    assert_eq!(replaced.code, Some(1), "what passed fails now: {replaced:?}");
    let report = eoslab(&["report", "passes", "-n", &namespace.name, "-o", "json", "-f", "-"])?;
    assert_eq!(report.code, Some(1), "the verdict, here too");
    let value: Value = serde_json::from_str(&report.stdout).map_err(|error| error.to_string())?;
    keeps_to_the_schema(&value)?;

    let unknown = run("wrong", json!({"producer": {"lingerMS": 5}}), &[])?;
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(
        unknown.stderr.contains("lingerMS"),
        "the API server names the field: {unknown:?}"
    );
    let missing = eoslab(&["watch", "nosuch", "-n", &namespace.name])?;
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(
        missing.stderr.contains("no LoadTest nosuch") && missing.stderr.contains("passes"),
        "{missing:?}"
    );
    Ok(())
}

/// Two LoadTests and a ChaosRun on one of them in a file: all are watched to their ends, and the worst one decides.
#[test]
fn a_file_of_several_runs_has_one_exit_code() -> Result<(), String> {
    let namespace = TestNamespace::chaos();
    let load = json!({"producer": {"rate": 2_000, "events": 90_000}, "topic": {"partitions": 4}});
    let mut strict = load.clone();
    strict["slo"] = json!({"endToEndP99Ms": 1});
    let faults = json!({"loadTest": "hit", "faults": [{"type": "KillCounter"}], "steadyState": {"seconds": 3}});
    let documents = [
        spec("hit", &namespace, load),
        chaosrun("hit", &namespace, &faults),
        spec("strict", &namespace, strict),
    ];
    let file = scratch("several.yaml")?;
    let text = documents.map(|document| document.to_string()).join("\n---\n");
    fs::write(&file, text).map_err(|error| error.to_string())?;
    let ran = eoslab(&["run", "-f", &file.to_string_lossy()])?;
    assert_eq!(ran.code, Some(1), "strict must fail: {ran:?}");
    for words in ["hit Finished Pass", "strict Finished Fail", "ChaosRun hit: Pass"] {
        assert!(ran.stdout.contains(words), "{words:?} is missing in {}", ran.stdout);
    }
    Ok(())
}

/// A server that knows of nothing: to any request it answers as the API server does to an unknown path.
fn ignorant_server() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let port = listener.local_addr().map_err(|error| error.to_string())?.port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 8192]);
            let body = "404 page not found\n";
            let head = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length:";
            let _ = write!(stream, "{head} {}\r\n\r\n{body}", body.len());
        }
    });
    Ok(port)
}

#[test]
fn without_a_cluster_or_without_eoslab_in_it_the_error_says_what_to_do() -> Result<(), String> {
    let kubeconfig = |server: &str| {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
             clusters: [{{name: c, cluster: {{server: \"{server}\"}}}}]\nusers: [{{name: u, user: {{}}}}]\n"
        )
    };
    let knows_nothing = format!("http://127.0.0.1:{}", ignorant_server()?);
    let table = [
        ("nobody", Some("http://127.0.0.1:1".to_owned()), "does not answer"),
        ("ignorant", Some(knows_nothing), "install eoslab first"),
        ("missing", None, "set KUBECONFIG"),
    ];
    for (name, server, words) in table {
        let file = scratch(name)?;
        if let Some(server) = server {
            fs::write(&file, kubeconfig(&server)).map_err(|error| error.to_string())?;
        }
        let failed = ended(eoslab_command(&["watch", "x"]).env("KUBECONFIG", &file))?;
        assert_eq!(failed.code, Some(2), "{failed:?}");
        assert!(failed.stderr.contains(words), "{name}: {failed:?}");
    }
    for command in [&["--help"][..], &["run", "--help"], &["compare", "--help"]] {
        let help = eoslab(command)?;
        assert_eq!(help.code, Some(0), "{help:?}");
        assert!(
            help.stdout.contains("Exit") || help.stdout.contains("Exits"),
            "{help:?}"
        );
    }
    Ok(())
}

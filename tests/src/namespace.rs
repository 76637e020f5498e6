use std::os::unix::process::CommandExt;
use std::process::{self, Command, Stdio};
use std::{env, thread};

use crate::kubectl::{kubectl, kubectl_with_input};

/// Address of the embedded Redis, the same for every namespace.
const REDIS_URL: &str = "redis://lab-redis.kafka.svc:6379";

/// A namespace of a test's own, with the restricted pod security that users have. It goes when the value is dropped,
/// in the background (`deploy/test.sh` waits until all are gone).
pub struct TestNamespace {
    /// Its name.
    pub name: String,
    /// Whether it goes with the value.
    is_own: bool,
}

impl TestNamespace {
    /// Creates `e2e-<test>-<pid>`.
    ///
    /// # Panics
    /// When the cluster cannot be reached: there is nothing to test then.
    pub fn create(test: &str) -> Self {
        let namespace = Self {
            name: format!("e2e-{test}-{}", process::id()),
            is_own: true,
        };
        namespace.apply();
        namespace
    }

    /// The namespace `eoslab-chaos`, in which the chaos controller of the embedded cluster may inject faults
    /// (`deploy/install.sh` makes it). Only what is in it goes with the value.
    ///
    /// # Panics
    /// As [`TestNamespace::create`].
    pub fn chaos() -> Self {
        let namespace = Self {
            name: "eoslab-chaos".to_owned(),
            is_own: false,
        };
        namespace.apply();
        namespace.empty();
        // Those of the test before; without any it says so, and that is what is wanted.
        let _ = kubectl(&[
            "-n",
            &namespace.name,
            "wait",
            "pod",
            "--all",
            "--for=delete",
            "--timeout=120s",
        ]);
        namespace
    }

    fn apply(&self) {
        let name = &self.name;
        let label = match self.is_own {
            true => format!(", eoslab.dev/e2e: \"{}\"", env::var("EOSLAB_E2E").unwrap_or_default()),
            false => String::new(),
        };
        let manifest = format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels: {{pod-security.kubernetes.io/enforce: restricted{label}}}\n\
             ---\napiVersion: v1\nkind: Secret\nmetadata: {{name: lab-redis, namespace: {name}}}\nstringData: {{url: \"{REDIS_URL}\"}}\n"
        );
        if let Err(failure) = kubectl_with_input(&["apply", "-f", "-"], &manifest) {
            panic!(
                "these tests need the embedded cluster (make up install; export KUBECONFIG=$(make -s kubeconfig)): {failure}"
            );
        }
    }

    /// The ChaosRuns go first, for they heal what they injected; then the LoadTests, in the background: the counters' group
    /// is given up only with their sessions.
    fn empty(&self) {
        for (kind, how) in [("chaosruns", "--timeout=120s"), ("loadtests", "--wait=false")] {
            if let Err(failure) = kubectl(&["-n", &self.name, "delete", kind, "--all", how]) {
                eprintln!("clean-up: {failure}");
            }
        }
    }

    /// Waits until a LoadTest that the test before left there is gone.
    pub(crate) fn wait_until_gone(&self, loadtest: &str) {
        if self.is_own {
            return;
        }
        let loadtest = format!("loadtest/{loadtest}");
        // Without one it says so, and that is what is wanted.
        let _ = kubectl(&["-n", &self.name, "wait", &loadtest, "--for=delete", "--timeout=120s"]);
    }

    /// Deletes it with all that is in it, and does not wait.
    fn delete(&self) {
        let name = &self.name;
        let script =
            format!("kubectl -n {name} delete loadtests --all --timeout=300s && kubectl delete namespace {name}");
        let deleting = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        if let Err(error) = deleting {
            eprintln!("clean-up: {error}");
        }
    }

    /// Says what runs and pods were doing, for somebody who looks for why a test failed.
    pub(crate) fn dump(&self) {
        for args in [
            &["get", "loadtests,chaosruns,pods,leases,jobs", "-o", "wide"][..],
            &["describe", "loadtests,chaosruns"],
            &["get", "events", "--sort-by=.lastTimestamp"],
            &[
                "logs",
                "-l",
                "eoslab.dev/loadtest",
                "--all-containers",
                "--prefix",
                "--tail=40",
            ],
        ] {
            let mut all = vec!["-n", self.name.as_str()];
            all.extend(args);
            eprintln!("--- kubectl {}", all.join(" "));
            match kubectl(&all) {
                Ok(text) => eprintln!("{text}"),
                Err(failure) => eprintln!("{failure}"),
            }
        }
    }
}

impl Drop for TestNamespace {
    fn drop(&mut self) {
        if thread::panicking() {
            self.dump();
        }
        if env::var_os("EOSLAB_KEEP").is_some() {
            eprintln!("kept: namespace {}", self.name);
            return;
        }
        match self.is_own {
            true => self.delete(),
            false => self.empty(),
        }
    }
}

use std::{
    fmt,
    io::Write,
    process::{Command, Stdio},
};

/// A kubectl call that failed: what was asked and what it said.
#[derive(Debug)]
pub struct Failure {
    /// The arguments.
    pub args: String,
    /// Standard error, or why kubectl could not be run.
    pub stderr: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kubectl {}: {}", self.args, self.stderr.trim())
    }
}

impl From<Failure> for String {
    fn from(failure: Failure) -> Self {
        failure.to_string()
    }
}

/// Runs kubectl and returns what it printed.
///
/// # Errors
/// [`Failure`] when it exits with anything but 0.
pub fn kubectl(args: &[&str]) -> Result<String, Failure> {
    kubectl_with_input(args, "")
}

/// [`kubectl`] with something on its standard input.
///
/// # Errors
/// [`Failure`] when it exits with anything but 0.
pub fn kubectl_with_input(args: &[&str], input: &str) -> Result<String, Failure> {
    let failure = |stderr: String| Failure {
        args: args.join(" "),
        stderr,
    };
    let mut child = Command::new("kubectl")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| failure(format!("cannot run kubectl (make -s bin-path names its folder): {e}")))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).map_err(|e| failure(e.to_string()))?;
    }
    let output = child.wait_with_output().map_err(|e| failure(e.to_string()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(failure(String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}

/// Runs one of Kafka's own tools, a class of the brokers' jars, within a broker's pod and returns what it printed.
///
/// # Errors
/// [`Failure`] when it exits with anything but 0.
pub fn kafka_tool(class: &str, args: &[&str]) -> Result<String, Failure> {
    let java = ["-n", "kafka", "exec", "lab-broker-0", "--", "java", "-Xmx128m"];
    let tool = [
        "-cp",
        "/opt/kafka/libs/*",
        class,
        "--bootstrap-server",
        "localhost:9092",
    ];
    kubectl(&[&java[..], &tool, args].concat())
}

/// Address of a pod; pods of the embedded cluster are reachable from this host.
///
/// # Errors
/// [`Failure`] when there is no such pod or it has no address.
pub fn pod_ip(namespace: &str, pod: &str) -> Result<String, Failure> {
    let ip = kubectl(&["-n", namespace, "get", "pod", pod, "-o", "jsonpath={.status.podIP}"])?;
    if ip.is_empty() {
        return Err(Failure {
            args: format!("get pod {pod}"),
            stderr: "the pod has no address yet".to_owned(),
        });
    }
    Ok(ip)
}

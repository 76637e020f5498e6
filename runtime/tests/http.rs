//! The four routes over a real socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use eoslab_runtime::http::{PodState, router, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

type TestResult = Result<(), Box<dyn std::error::Error>>;

#[derive(Default)]
struct Pod {
    ready: AtomicBool,
}

impl PodState for Pod {
    fn readiness(&self) -> Result<(), String> {
        if self.ready.load(Ordering::Relaxed) {
            Ok(())
        } else {
            Err("no slot yet".into())
        }
    }

    fn report(&self) -> Result<Vec<u8>, serde_json::Error> {
        Ok(br#"{"state":"Waiting"}"#.to_vec())
    }

    fn metrics(&self) -> Result<String, prometheus::Error> {
        Err(prometheus::Error::Msg("broken".into()))
    }
}

async fn get(address: std::net::SocketAddr, path: &str) -> Result<String, std::io::Error> {
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn a_pod_answers_until_it_is_stopped() -> TestResult {
    let pod = Arc::new(Pod::default());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(listener, router(pod.clone()), stop.clone()));
    assert!(get(address, "/healthz").await?.starts_with("HTTP/1.1 200"));
    let unready = get(address, "/readyz").await?;
    assert!(
        unready.starts_with("HTTP/1.1 503") && unready.ends_with("no slot yet\n"),
        "{unready}"
    );
    pod.ready.store(true, Ordering::Relaxed);
    assert!(get(address, "/readyz").await?.starts_with("HTTP/1.1 200"));
    let report = get(address, "/report").await?;
    assert!(
        report.contains("content-type: application/json") && report.ends_with(r#"{"state":"Waiting"}"#),
        "{report}"
    );
    assert!(get(address, "/metrics").await?.starts_with("HTTP/1.1 500"));
    assert!(get(address, "/else").await?.starts_with("HTTP/1.1 404"));
    // A connection that stays open does not hold up the end.
    let _idle = TcpStream::connect(address).await?;
    stop.cancel();
    timeout(Duration::from_secs(5), server).await???;
    Ok(())
}

//! One Redis: its connection, its timeouts, its way back after a failure.

use std::time::{Duration, Instant};

use redis::{Client, Connection, ConnectionAddr, IntoConnectionInfo, Value};
use tracing::{info, warn};

use super::error::LedgerError;
use super::resp::Pipeline;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A batch blocks Redis for milliseconds; a fork or a rewrite of the AOF for longer.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// One Redis. A connection that failed in any way is never used again: a late answer cannot be taken for another's.
#[derive(Debug)]
pub(super) struct Shard {
    client: Client,
    address: String,
    script: String,
    connection: Option<OpenConnection>,
    retry_at: Option<Instant>,
    backoff: Duration,
}

struct OpenConnection(Connection);

impl std::fmt::Debug for OpenConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

impl Shard {
    /// A Redis by its URL, not connected yet. `script` is loaded on every connect.
    pub fn new(index: usize, url: &str, script: String) -> Result<Self, LedgerError> {
        // The client's own message may quote the URL, and a URL may hold a password.
        let unusable = |what: &str| LedgerError::Url {
            index,
            reason: what.to_owned(),
        };
        if url.trim_start().starts_with("rediss:") {
            return Err(unusable("TLS is not built in, give redis://"));
        }
        let info = url
            .trim()
            .into_connection_info()
            .map_err(|error| unusable(error.category()))?;
        let address = match info.addr() {
            ConnectionAddr::Tcp(host, port) => format!("{host}:{port}"),
            ConnectionAddr::TcpTls { host, port, .. } => format!("{host}:{port}"),
            ConnectionAddr::Unix(path) => path.display().to_string(),
            _ => return Err(unusable("unknown kind of address")),
        };
        let settings = info.tcp_settings().clone().set_nodelay(true);
        let client = Client::open(info.set_tcp_settings(settings)).map_err(|error| unusable(error.category()))?;
        Ok(Self {
            client,
            address,
            script,
            connection: None,
            retry_at: None,
            backoff: BACKOFF_MIN,
        })
    }

    /// Host and port, for messages.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The same Redis with a connection of its own.
    pub fn detached(&self) -> Self {
        Self {
            client: self.client.clone(),
            address: self.address.clone(),
            script: self.script.clone(),
            connection: None,
            retry_at: None,
            backoff: BACKOFF_MIN,
        }
    }

    /// Sends a pipeline and reads all its answers; an error of one command is among the answers.
    pub fn call(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>, LedgerError> {
        self.send(pipeline)?;
        (0..pipeline.len()).map(|_| self.receive()).collect()
    }

    /// Sends a pipeline; as many [`Self::receive`] must follow as it has commands.
    pub fn send(&mut self, pipeline: &Pipeline) -> Result<(), LedgerError> {
        let connection = self.connected()?;
        let sent = connection.send_packed_command(pipeline.as_bytes());
        sent.map_err(|error| self.broken(error))
    }

    /// The answer to the next command.
    pub fn receive(&mut self) -> Result<Value, LedgerError> {
        let Some(OpenConnection(connection)) = self.connection.as_mut() else {
            return Err(LedgerError::broken(&self.address));
        };
        connection.recv_response().map_err(|error| self.broken(error))
    }

    /// Loads the script again: Redis forgets it on `SCRIPT FLUSH`.
    pub fn load_script(&mut self) -> Result<(), LedgerError> {
        let mut pipeline = Pipeline::default();
        pipeline.texts(&["SCRIPT", "LOAD", &self.script]);
        for answer in self.call(&pipeline)? {
            self.checked(answer)?;
        }
        Ok(())
    }

    /// The answer, or the error that Redis answered.
    pub fn checked(&self, answer: Value) -> Result<Value, LedgerError> {
        match answer {
            Value::ServerError(error) => Err(LedgerError::from_server(&self.address, &error)),
            answer => Ok(answer),
        }
    }

    fn connected(&mut self) -> Result<&mut Connection, LedgerError> {
        if self.connection.is_none() {
            self.connect()?;
        }
        match self.connection.as_mut() {
            Some(OpenConnection(connection)) => Ok(connection),
            None => Err(LedgerError::broken(&self.address)),
        }
    }

    fn connect(&mut self) -> Result<(), LedgerError> {
        if self.retry_at.is_some_and(|due| Instant::now() < due) {
            return Err(LedgerError::BackingOff {
                shard: self.address.clone(),
            });
        }
        let connected = self.open().and_then(|connection| {
            self.connection = Some(connection);
            self.load_script()
        });
        match &connected {
            Ok(()) if self.retry_at.take().is_some() => info!(redis = self.address, "redis is reachable again"),
            Ok(()) => {}
            Err(error) => {
                if self.retry_at.is_none() {
                    warn!(redis = self.address, %error, "redis cannot be used");
                }
                self.connection = None;
                self.retry_at = Some(Instant::now() + self.backoff);
                self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
                return connected;
            }
        }
        self.backoff = BACKOFF_MIN;
        connected
    }

    fn open(&self) -> Result<OpenConnection, LedgerError> {
        let failed = |error| LedgerError::from_connect(&self.address, error);
        let connection = self
            .client
            .get_connection_with_timeout(CONNECT_TIMEOUT)
            .map_err(failed)?;
        connection.set_read_timeout(Some(CALL_TIMEOUT)).map_err(failed)?;
        connection.set_write_timeout(Some(CALL_TIMEOUT)).map_err(failed)?;
        Ok(OpenConnection(connection))
    }

    fn broken(&mut self, error: redis::RedisError) -> LedgerError {
        self.connection = None;
        LedgerError::unanswered(&self.address, error)
    }
}

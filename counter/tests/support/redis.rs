//! A real Redis of a test's own: free port, temporary directory, ended by its process handle.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A running (or killed) `redis-server`; ended and removed when dropped.
pub struct RedisServer {
    child: Option<Child>,
    directory: PathBuf,
    port: u16,
    append_only: bool,
}

impl RedisServer {
    /// Starts one that keeps everything in memory only.
    pub fn start() -> io::Result<Self> {
        Self::start_with(false)
    }

    /// Starts one with an append-only file (`everysec`).
    pub fn start_append_only() -> io::Result<Self> {
        Self::start_with(true)
    }

    fn start_with(append_only: bool) -> io::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let directory = std::env::temp_dir().join(format!("eoslab-redis-{}-{port}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let mut server = Self {
            child: None,
            directory,
            port,
            append_only,
        };
        server.restart()?;
        Ok(server)
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// SIGKILL, as in a crash.
    pub fn kill(&mut self) -> io::Result<()> {
        match self.child.take() {
            Some(mut child) => child.kill().and_then(|()| child.wait()).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Starts it again on the same port and data, and waits until it answers.
    pub fn restart(&mut self) -> io::Result<()> {
        self.kill()?;
        let append_only = if self.append_only { "yes" } else { "no" };
        let log = fs::File::create(self.directory.join("redis.log"))?;
        let child = Command::new("redis-server")
            .args([
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--daemonize",
                "no",
                "--appendfsync",
                "everysec",
            ])
            .args(["--appendonly", append_only, "--maxmemory-policy", "noeviction"])
            .args(["--port", &self.port.to_string()])
            .arg("--dir")
            .arg(&self.directory)
            .stdin(Stdio::null())
            .stdout(log)
            .spawn()?;
        self.child = Some(child);
        let deadline = Instant::now() + START_TIMEOUT;
        while self.command("PING").ok().as_deref() != Some("+PONG\r\n") {
            if Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "redis-server did not come up"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Sends one command as a line and returns the beginning of the raw answer.
    pub fn command(&self, line: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(format!("{line}\r\n").as_bytes())?;
        let mut answer = vec![0; 65536];
        let mut filled = 0;
        loop {
            filled += match stream.read(&mut answer[filled..])? {
                0 => break,
                read => read,
            };
            if complete(&answer[..filled]) || filled == answer.len() {
                break;
            }
        }
        Ok(String::from_utf8_lossy(&answer[..filled]).into_owned())
    }

    /// A field of `INFO`, as a number.
    #[allow(dead_code)]
    pub fn info(&self, section: &str, field: &str) -> Option<f64> {
        let text = self.command(&format!("INFO {section}")).ok()?;
        text.lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':')?.trim().parse().ok())
    }

    /// Cuts `bytes` off the end of the append-only file of a killed Redis: what a crash of the machine does.
    #[allow(dead_code)]
    pub fn truncate_log(&self, bytes: u64) -> io::Result<u64> {
        let file = OpenOptions::new().write(true).open(self.log_path()?)?;
        let length = file.metadata()?.len();
        file.set_len(length.saturating_sub(bytes))?;
        Ok(length)
    }

    /// The append-only file.
    #[allow(dead_code)]
    pub fn log(&self) -> io::Result<Vec<u8>> {
        fs::read(self.log_path()?)
    }

    /// The newest piece of the append-only file.
    fn log_path(&self) -> io::Result<PathBuf> {
        let mut newest: Option<(u64, PathBuf)> = None;
        for entry in fs::read_dir(self.directory.join("appendonlydir"))? {
            let path = entry?.path();
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            let number = name.split('.').filter_map(|part| part.parse::<u64>().ok()).next_back();
            if let (true, Some(number)) = (name.ends_with(".incr.aof"), number)
                && newest.as_ref().is_none_or(|(best, _)| number > *best)
            {
                newest = Some((number, path));
            }
        }
        newest
            .map(|(_, path)| path)
            .ok_or_else(|| io::Error::other("no append-only file"))
    }
}

/// Whether a raw answer is there as a whole: enough of the protocol for single-line and bulk answers.
fn complete(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(2).position(|pair| pair == b"\r\n") else {
        return false;
    };
    match answer.first() {
        Some(b'$') => {
            let length = std::str::from_utf8(&answer[1..end])
                .ok()
                .and_then(|text| text.parse::<i64>().ok());
            length.is_none_or(|length| length < 0 || answer.len() as i64 >= end as i64 + 4 + length)
        }
        _ => true,
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.kill();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

//! A way to Redis that loses answers on demand: the call is executed, the caller never learns of it.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Forwards to a Redis until told to lose an answer.
pub struct LossyProxy {
    port: u16,
    lose: Arc<AtomicBool>,
}

impl LossyProxy {
    /// A proxy to the Redis at `url` (`redis://host:port/`).
    pub fn start(url: &str) -> io::Result<Self> {
        let target = url.trim_start_matches("redis://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let lose = Arc::new(AtomicBool::new(false));
        let flag = lose.clone();
        // The thread ends with the test's process.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if let Ok(server) = TcpStream::connect(&target) {
                    let _ = forward(client, server, flag.clone());
                }
            }
        });
        Ok(Self { port, lose })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Loses the next answer and drops its connection.
    pub fn lose_next_answer(&self) {
        self.lose.store(true, Ordering::SeqCst);
    }

    /// Takes the order back.
    pub fn lose_nothing(&self) {
        self.lose.store(false, Ordering::SeqCst);
    }
}

fn forward(client: TcpStream, server: TcpStream, lose: Arc<AtomicBool>) -> io::Result<()> {
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    let (mut from_server, mut to_client) = (server, client);
    thread::spawn(move || {
        let mut answer = [0; 65536];
        loop {
            let read = from_server.read(&mut answer).unwrap_or(0);
            if read == 0 || lose.swap(false, Ordering::SeqCst) || to_client.write_all(&answer[..read]).is_err() {
                break;
            }
        }
        let _ = to_client.shutdown(Shutdown::Both);
        let _ = from_server.shutdown(Shutdown::Both);
    });
    Ok(())
}

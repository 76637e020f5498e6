//! The topic as an independent client reads it: `kcat`, with no code of eoslab in between.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
};

use crate::{eventually, kubectl::kubectl, pod_ip};

/// One record, decoded here by hand from the documented layout rather than by eoslab's own codec.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// Partition of the topic.
    pub partition: u32,
    /// Offset in the partition.
    pub offset: i64,
    /// First field of the payload, bytes 0..8, little-endian.
    pub account_id: u64,
    /// Second field, bytes 8..16.
    pub amount: i64,
    /// Third field, bytes 16..24: when it was to be sent, us since the Unix epoch.
    pub ts_us: i64,
}

/// Reads the whole topic up to the ends that stand when it starts and hands every record to `each`.
///
/// # Errors
/// When kcat is missing or fails, or a record is shorter than the documented header.
pub fn read(topic: &str, each: impl FnMut(Record)) -> Result<(), String> {
    read_until(topic, &["-e"], each)
}

/// Reads so many records from the beginning of the topic, as they come, and hands every one to `each`.
///
/// # Errors
/// As [`read`].
pub fn follow(topic: &str, records: u64, each: impl FnMut(Record)) -> Result<(), String> {
    read_until(topic, &["-u", "-c", &records.to_string()], each)
}

fn read_until(topic: &str, end: &[&str], mut each: impl FnMut(Record)) -> Result<(), String> {
    let broker = format!("{}:9094", pod_ip("kafka", "lab-broker-0")?);
    let mut child = Command::new("kcat")
        .args(["-C", "-q", "-o", "beginning", "-b", &broker, "-t", topic])
        .args(end)
        .args(["-f", "%p %o %S\n%s"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cannot run kcat (apt-get install kcat): {e}"))?;
    let mut out = BufReader::with_capacity(1 << 20, child.stdout.take().ok_or("kcat has no output")?);
    let mut line = String::new();
    let mut payload = Vec::new();
    loop {
        line.clear();
        if out.read_line(&mut line).map_err(|e| e.to_string())? == 0 {
            break;
        }
        let mut fields = line.split_whitespace();
        let mut next = || fields.next().ok_or_else(|| format!("kcat printed `{line}`"));
        let partition = next()?.parse().map_err(|e| format!("{e}"))?;
        let offset = next()?.parse().map_err(|e| format!("{e}"))?;
        let size: usize = next()?.parse().map_err(|e| format!("{e}"))?;
        payload.resize(size, 0);
        out.read_exact(&mut payload).map_err(|e| e.to_string())?;
        each(decode(partition, offset, &payload)?);
    }
    let status = child.wait().map_err(|e| e.to_string())?;
    status.success().then_some(()).ok_or_else(|| format!("kcat: {status}"))
}

fn decode(partition: u32, offset: i64, payload: &[u8]) -> Result<Record, String> {
    let field = |at: usize| -> Result<[u8; 8], String> {
        payload
            .get(at..at + 8)
            .and_then(|b| b.try_into().ok())
            .ok_or_else(|| format!("record {partition}/{offset} has {} bytes", payload.len()))
    };
    Ok(Record {
        partition,
        offset,
        account_id: u64::from_le_bytes(field(0)?),
        amount: i64::from_le_bytes(field(8)?),
        ts_us: i64::from_le_bytes(field(16)?),
    })
}

/// Waits until a topic is gone from the cluster.
///
/// # Errors
/// When it still stands after a minute.
pub fn wait_until_gone(topic: &str) -> Result<(), String> {
    eventually(
        &format!("topic {topic} deleted"),
        std::time::Duration::from_secs(60),
        || {
            let metadata = kubectl(&[
                "-n",
                "kafka",
                "exec",
                "lab-broker-0",
                "-c",
                "kafka",
                "--",
                "kcat",
                "-L",
                "-b",
                "lab-kafka-bootstrap:9092",
            ])?;
            if metadata.contains(&format!("topic \"{topic}\"")) {
                Err("it still stands".to_owned())
            } else {
                Ok(())
            }
        },
    )
}

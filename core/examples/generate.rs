//! Events per second that one core generates into a null sink: draw, header, key and padding, nothing sent.
//!
//! `generate [seconds] [message size, bytes]` prints one line of JSON. The run is the default one: 10 million accounts
//! at Zipf 1.1 over 12 partitions, taken in turns as a producer does.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use eoslab_core::{Draw, Event, HEADER_LEN, Key, Layout, Padding, PartitionStream, StreamSpec};

/// Events taken from one partition before the next one's turn.
const TURN: usize = 256;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let seconds: f64 = args.next().map_or(Ok(5.0), |arg| arg.parse())?;
    let message_size: usize = args.next().map_or(Ok(256), |arg| arg.parse())?;
    if message_size < HEADER_LEN {
        return Err(format!("a message of {message_size} bytes cannot hold the header of {HEADER_LEN}").into());
    }
    let spec = StreamSpec {
        seed: 42,
        partitions: 12,
        accounts: 10_000_000,
        zipf_exponent: 1.1,
        salting: None,
    };
    let started = Instant::now();
    let layout = Layout::new(&spec)?;
    let layout_ms = started.elapsed().as_millis();
    let started = Instant::now();
    let streams = layout.streams(&(0..spec.partitions).collect::<Vec<_>>());
    let streams_ms = started.elapsed().as_millis();
    let padding = Padding::new(spec.seed, 50);
    let (events, elapsed) = generate(&streams, &padding, message_size, Duration::from_secs_f64(seconds));
    println!(
        "{}",
        serde_json::json!({
            "events_per_second": (events as f64 / elapsed.as_secs_f64()).round(),
            "message_size_bytes": message_size,
            "cores": 1,
            "layout_ms": layout_ms,
            "streams_ms": streams_ms,
        })
    );
    Ok(())
}

/// Generates for about `time`; the number of events and the time that they took.
fn generate(streams: &[PartitionStream], padding: &Padding, message_size: usize, time: Duration) -> (u64, Duration) {
    let mut message = vec![0; message_size];
    let mut draws = [Draw::default(); TURN];
    let started = Instant::now();
    let mut seq = 0;
    loop {
        for stream in streams {
            stream.fill(seq, &mut draws);
            for (seq, draw) in (seq..).zip(&draws) {
                let event = Event {
                    account_id: draw.account_id,
                    amount: draw.amount,
                    ts_us: seq as i64,
                    seq,
                };
                event.encode(&mut message);
                padding.fill(seq, &mut message[HEADER_LEN..]);
                black_box(Key::new(draw.account_id, draw.salt).as_bytes());
                black_box(&message);
            }
        }
        seq += TURN as u64;
        if started.elapsed() >= time {
            return (seq * streams.len() as u64, started.elapsed());
        }
    }
}

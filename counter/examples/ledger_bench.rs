//! How many events a second one Redis core applies, and how many bytes an account takes there.
//!
//! `cargo run --release -p eoslab-counter --example ledger_bench` prints one JSON line with `events_per_second` for
//! exactly-once in batches of 5,000 events at Zipf 1.1 over 10 M accounts, and one with `bytes_per_account` for each
//! number of accounts. `--all` measures at-least-once and an append-only file as well; those lines say
//! `other_events_per_second`. Without `--redis-url` it starts a `redis-server` of its own.
//!
//! `events_per_second` is per second of CPU time of Redis's main thread, which is what one core gives, whatever else
//! the machine does; `wall_events_per_second` is what two clients that share the partitions reached here and now.
//! Batches are generated and aggregated beforehand.

#[path = "../tests/support/redis.rs"]
mod support;

use std::collections::HashMap;
use std::time::Instant;

use clap::Parser;
use eoslab_core::{Draw, Layout, PartitionStream, StreamSpec, Tally};
use eoslab_counter::ledger::{Batch, DELTAS_MAX, Ledger, Mode, Writer};
use serde_json::json;
use support::RedisServer;

#[derive(Parser)]
struct Args {
    /// A Redis to use; without it, one is started.
    #[arg(long)]
    redis_url: Option<String>,
    /// Events applied in a measurement of speed.
    #[arg(long, default_value_t = 6_000_000)]
    events: u64,
    /// Numbers of accounts to measure memory for; the speed is that of the last.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000_000, 10_000_000])]
    accounts: Vec<u32>,
    /// Most events in a batch.
    #[arg(long, default_value_t = 5_000)]
    batch_events: usize,
    /// Partitions.
    #[arg(long, default_value_t = 12)]
    partitions: u32,
    /// Exponent of the Zipf distribution.
    #[arg(long, default_value_t = 1.1)]
    zipf_exponent: f64,
    /// Connections that share the partitions.
    #[arg(long, default_value_t = 2)]
    clients: usize,
    /// Measure at-least-once and an append-only file too.
    #[arg(long)]
    all: bool,
}

/// One aggregated batch, ready to be applied.
struct Ready {
    partition: u32,
    offset: i64,
    tally: Tally,
    deltas: Vec<(u32, i64)>,
}

/// What one measurement found.
struct Speed {
    events: u64,
    distinct_per_event: f64,
    per_second: f64,
    per_redis_cpu_second: f64,
    bytes: f64,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    for (index, &accounts) in args.accounts.iter().enumerate() {
        let layout = Layout::new(&StreamSpec {
            seed: 42,
            partitions: args.partitions,
            accounts,
            zipf_exponent: args.zipf_exponent,
            salting: None,
        })?;
        let last = index + 1 == args.accounts.len();
        let rounds = generate(&layout, &args, if last { args.events } else { 0 });
        let server = if args.redis_url.is_none() {
            Some(RedisServer::start()?)
        } else {
            None
        };
        let url = args
            .redis_url
            .clone()
            .or_else(|| server.as_ref().map(RedisServer::url))
            .unwrap_or_default();
        let speed = measure(&url, &layout, &rounds, Mode::ExactlyOnce, args.clients)?;
        print(
            &args,
            accounts,
            "bytes_per_account",
            speed.bytes / f64::from(accounts),
            json!({}),
        );
        if !last {
            continue;
        }
        print_speed(&args, accounts, "events_per_second", "exactly-once", &speed);
        if args.all {
            let other = measure(&url, &layout, &rounds, Mode::AtLeastOnce, args.clients)?;
            print_speed(&args, accounts, "other_events_per_second", "at-least-once", &other);
            drop(server);
            let server = RedisServer::start_append_only()?;
            let other = measure(&server.url(), &layout, &rounds, Mode::ExactlyOnce, args.clients)?;
            print_speed(
                &args,
                accounts,
                "other_events_per_second",
                "exactly-once, append-only file",
                &other,
            );
        }
    }
    Ok(())
}

fn print(args: &Args, accounts: u32, name: &str, value: f64, more: serde_json::Value) {
    let mut line = json!({
        "bench": "ledger", "accounts": accounts, "partitions": args.partitions, "batch_events": args.batch_events,
        "zipf_exponent": args.zipf_exponent, "clients": args.clients, name: value,
    });
    if let (Some(line), Some(more)) = (line.as_object_mut(), more.as_object()) {
        line.extend(more.clone());
    }
    println!("{line}");
}

fn print_speed(args: &Args, accounts: u32, name: &str, what: &str, speed: &Speed) {
    let more = json!({
        "what": what, "events": speed.events, "wall_events_per_second": speed.per_second,
        "distinct_accounts_per_event": speed.distinct_per_event,
    });
    print(args, accounts, name, speed.per_redis_cpu_second, more);
}

/// Batches of all partitions, round by round; at least two rounds, as the first is not timed.
fn generate(layout: &Layout, args: &Args, events: u64) -> Vec<Vec<Ready>> {
    let partitions: Vec<u32> = (0..args.partitions).collect();
    let streams = layout.streams(&partitions);
    let mut next = vec![0; streams.len()];
    let mut rounds = Vec::new();
    let mut aggregator = Aggregator {
        draws: vec![Draw::default(); args.batch_events],
        sums: HashMap::new(),
    };
    while rounds.len() < 2 || next.iter().sum::<u64>() < events {
        let batches = streams.iter().zip(&mut next).map(|(stream, next)| {
            let ready = aggregator.batch(stream, *next);
            *next += ready.tally.count;
            ready
        });
        rounds.push(batches.collect());
    }
    rounds
}

struct Aggregator {
    draws: Vec<Draw>,
    sums: HashMap<u32, i64>,
}

impl Aggregator {
    /// The batch from `first` on; it ends early where the counter's would, at the most accounts that one call takes.
    fn batch(&mut self, stream: &PartitionStream, first: u64) -> Ready {
        stream.fill(first, &mut self.draws);
        let mut tally = Tally::default();
        for (seq, draw) in (first..).zip(&self.draws) {
            tally.add(stream.partition(), seq, draw.account_id, draw.amount);
            *self.sums.entry(draw.slot).or_default() += draw.amount;
            if self.sums.len() >= DELTAS_MAX {
                break;
            }
        }
        let mut deltas: Vec<_> = self.sums.drain().collect();
        deltas.sort_unstable();
        let offset = (first + tally.count) as i64 - 1;
        Ready {
            partition: stream.partition(),
            offset,
            tally,
            deltas,
        }
    }
}

fn measure(url: &str, layout: &Layout, rounds: &[Vec<Ready>], mode: Mode, clients: usize) -> anyhow::Result<Speed> {
    let run = format!("bench-{}", std::process::id());
    let mut ledger = Ledger::connect(&[url], &run)?;
    let mut probe = redis::Client::open(url)?.get_connection()?;
    let partitions: Vec<u32> = (0..layout.spec().partitions).collect();
    ledger.delete(&partitions)?;
    let memory_before = info(&mut probe, "used_memory")?;
    // The first round allocates the arrays of totals.
    let (first, timed) = rounds.split_at(1);
    apply(&mut ledger, layout, mode, first, (0, 1))?;
    let (started, cpu_before) = (Instant::now(), cpu_seconds(&mut probe)?);
    std::thread::scope(|scope| {
        let share = |client: usize| {
            let mut ledger = ledger.detached();
            scope.spawn(move || apply(&mut ledger, layout, mode, timed, (client, clients)))
        };
        let workers: Vec<_> = (0..clients).map(share).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|_| anyhow::bail!("a client failed")))
    })?;
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds(&mut probe)? - cpu_before);
    let bytes = info(&mut probe, "used_memory")? - memory_before;
    ledger.delete(&partitions)?;
    let events: u64 = timed.iter().flatten().map(|ready| ready.tally.count).sum();
    let distinct: usize = timed.iter().flatten().map(|ready| ready.deltas.len()).sum();
    Ok(Speed {
        events,
        distinct_per_event: distinct as f64 / events as f64,
        per_second: events as f64 / seconds,
        per_redis_cpu_second: events as f64 / cpu,
        bytes,
    })
}

/// Applies the partitions of one client of several.
fn apply(
    ledger: &mut Ledger,
    layout: &Layout,
    mode: Mode,
    rounds: &[Vec<Ready>],
    (client, clients): (usize, usize),
) -> anyhow::Result<()> {
    let writer = Writer {
        mode,
        member: "bench".into(),
        stall_us: 1_000_000,
    };
    for round in rounds {
        let mine = round
            .iter()
            .filter(|ready| ready.partition as usize % clients == client);
        let batches: Vec<_> = mine.map(|ready| batch(ready, layout)).collect();
        for result in ledger.apply(&writer, &batches) {
            anyhow::ensure!(result?.applied, "a batch was refused");
        }
    }
    Ok(())
}

fn batch<'a>(ready: &'a Ready, layout: &Layout) -> Batch<'a> {
    Batch {
        partition: ready.partition,
        expected_offset: ready.offset - ready.tally.count as i64,
        offset: ready.offset,
        seq: ready.offset,
        ts_us: 1,
        first_waiting_us: 1,
        slots: layout.slots(ready.partition),
        tally: ready.tally,
        log_duplicates: 0,
        holes: 0,
        malformed: 0,
        deltas: &ready.deltas,
    }
}

fn cpu_seconds(probe: &mut redis::Connection) -> anyhow::Result<f64> {
    Ok(info(probe, "used_cpu_user_main_thread")? + info(probe, "used_cpu_sys_main_thread")?)
}

fn info(probe: &mut redis::Connection, field: &str) -> anyhow::Result<f64> {
    let text: String = redis::cmd("INFO").query(probe)?;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':')?.trim().parse().ok());
    value.ok_or_else(|| anyhow::anyhow!("redis does not tell {field}"))
}

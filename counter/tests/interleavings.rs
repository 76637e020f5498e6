//! Two members, a Redis that goes back in time, answers that get lost, partitions that move while their former owner
//! does not know it: after any sequence of these, one member that reads to the end leaves exact totals.

mod support;

use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use redis::Value;
use support::proxy::LossyProxy;
use support::redis::RedisServer;
use support::{Member, Run};

use eoslab_counter::ledger::{Ledger, Mode};

const PARTITIONS: u32 = 2;
const EVENTS: u64 = 600;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A member reads some records of a partition.
    Read {
        member: usize,
        partition: u32,
        records: usize,
    },
    /// A member applies what it has.
    Flush { member: usize },
    /// A member applies what it has, and the answer is lost.
    LostAnswer { member: usize },
    /// A partition is assigned to a member; the other one is not told.
    Assign { member: usize, partition: u32 },
    /// A partition is taken from a member, with what it has not applied.
    Drop { member: usize, partition: u32 },
    /// Redis saves its state.
    Save,
    /// Redis falls back to the state saved last.
    FallBack,
}

fn step() -> impl Strategy<Value = Step> {
    let (member, partition) = (0..2usize, 0..PARTITIONS);
    prop_oneof![
        6 => (member.clone(), partition.clone(), 1..80usize)
            .prop_map(|(member, partition, records)| Step::Read { member, partition, records }),
        5 => member.clone().prop_map(|member| Step::Flush { member }),
        2 => member.clone().prop_map(|member| Step::LostAnswer { member }),
        2 => (member.clone(), partition.clone()).prop_map(|(member, partition)| Step::Assign { member, partition }),
        1 => (member, partition).prop_map(|(member, partition)| Step::Drop { member, partition }),
        1 => Just(Step::Save),
        1 => Just(Step::FallBack),
    ]
}

struct World<'a> {
    run: &'a Run,
    members: [Member<'a>; 2],
    proxies: [LossyProxy; 2],
    raw: redis::Connection,
    saved: Vec<(String, Value)>,
}

impl<'a> World<'a> {
    fn new(run: &'a Run) -> Self {
        let proxies = [(); 2].map(|()| LossyProxy::start(&run.url).expect("a free port"));
        let member = |index: usize| {
            let ledger = Ledger::connect(&[proxies[index].url()], &run.id).expect("redis runs");
            run.member_on(&format!("m-{index}"), Mode::ExactlyOnce, ledger)
        };
        let mut members = [member(0), member(1)];
        members[0].assign(&[0]);
        members[1].assign(&[1]);
        let raw = redis::Client::open(run.url.as_str())
            .and_then(|client| client.get_connection())
            .expect("redis runs");
        Self {
            run,
            members,
            proxies,
            raw,
            saved: Vec::new(),
        }
    }

    fn keys(&self) -> Vec<String> {
        let key = |partition: u32| {
            ["totals", "members", "pauses"].map(|kind| format!("eoslab:{{{}/{partition}}}:{kind}", self.run.id))
        };
        (0..PARTITIONS).flat_map(key).collect()
    }

    fn save(&mut self) {
        let keys = self.keys();
        let raw = &mut self.raw;
        let dump = |key: String| (key.clone(), redis::cmd("DUMP").arg(key).query(raw).expect("redis runs"));
        self.saved = keys.into_iter().map(dump).collect();
    }

    fn fall_back(&mut self) {
        let () = redis::cmd("DEL")
            .arg(self.keys())
            .query(&mut self.raw)
            .expect("redis runs");
        for (key, value) in &self.saved {
            if let Value::BulkString(value) = value {
                let () = redis::cmd("RESTORE")
                    .arg(key)
                    .arg(0)
                    .arg(value)
                    .query(&mut self.raw)
                    .expect("redis runs");
            }
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Read {
                member,
                partition,
                records,
            } => {
                let held = self.members[member].engine.held().contains(&partition);
                if held {
                    self.members[member].read(partition, records);
                }
            }
            Step::Flush { member } => self.flush(member),
            Step::LostAnswer { member } => {
                self.proxies[member].lose_next_answer();
                self.members[member].flush();
            }
            Step::Assign { member, partition } => self.members[member].assign(&[partition]),
            Step::Drop { member, partition } => self.members[member].engine.drop_partitions(&[partition]),
            Step::Save => self.save(),
            Step::FallBack => self.fall_back(),
        }
    }

    /// Applies; what is not answered is sent again, as the consumer's loop does.
    fn flush(&mut self, member: usize) {
        self.members[member].flush_patiently();
        // After an outage, reading goes on behind what was taken.
        for seek in self.members[member].engine.read_positions() {
            self.members[member].read_from(seek.partition, seek.offset);
        }
    }
}

#[test]
fn any_interleaving_ends_exact() {
    let server = RedisServer::start().expect("redis-server is installed");
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(150);
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let (rewinds, conflicts) = (AtomicU64::new(0), AtomicU64::new(0));
    let outcome = proptest::test_runner::TestRunner::new(config).run(&prop::collection::vec(step(), 1..60), |steps| {
        let run = Run::new(&server.url(), PARTITIONS, EVENTS);
        let mut world = World::new(&run);
        steps.into_iter().for_each(|step| world.take(step));
        for proxy in &world.proxies {
            // An order to lose an answer that nothing has used up yet.
            proxy.lose_nothing();
        }
        for member in [0, 1] {
            world.flush(member);
        }
        world.members[0].assign(&[0, 1]);
        world.members[0].drain_patiently();
        let report = run.verify();
        prop_assert!(report.is_exact(), "{:?}", report);
        // The other one still holds what it held.
        world.flush(1);
        world.members[1].drain_patiently();
        prop_assert!(run.verify().is_exact());
        for member in &mut world.members {
            let report = member.engine.stats().report();
            rewinds.fetch_add(report.rewinds, Ordering::Relaxed);
            conflicts.fetch_add(report.conflicts, Ordering::Relaxed);
        }
        run.ledger().delete(&run.all()).expect("redis runs");
        Ok(())
    });
    outcome.expect("every interleaving ends exact");
    let (rewinds, conflicts) = (rewinds.into_inner(), conflicts.into_inner());
    assert!(
        rewinds > 0 && conflicts > 0,
        "the steps reach what they are for: {rewinds} rewinds, {conflicts} conflicts"
    );
}

//! What a run may go through, against a real Redis and a log in memory: whatever happens, the totals end exact in
//! exactly-once, and the oracle catches every way to be wrong.

mod support;

use eoslab_core::{PartitionStream, Salting, StreamSpec, Tally, digest_mix};
use eoslab_counter::ledger::{Batch, Ledger, Mode, Writer};
use support::proxy::LossyProxy;
use support::redis::RedisServer;
use support::{Record, Run, spec};

const PARTITIONS: u32 = 3;
const EVENTS: u64 = 3_000;

fn redis() -> RedisServer {
    RedisServer::start().expect("redis-server is installed")
}

#[test]
fn two_members_that_share_the_partitions_count_exactly() {
    let server = redis();
    let run = Run::new(&server.url(), PARTITIONS, EVENTS);
    let (mut one, mut two) = (
        run.member("m-0", Mode::ExactlyOnce),
        run.member("m-1", Mode::ExactlyOnce),
    );
    one.assign(&[0, 2]);
    two.assign(&[1]);
    one.drain();
    two.drain();
    let report = run.verify();
    assert!(report.is_exact(), "{report:?}");
    assert_eq!(
        (report.counted.count, report.accounts_compared, report.accounts_wrong),
        (EVENTS, 500, 0)
    );
    let applied = one.engine.stats().report().applied + two.engine.stats().report().applied;
    assert_eq!(applied, EVENTS);
}

#[test]
fn nothing_counted_is_loss_and_everything_is_named() {
    let server = redis();
    let run = Run::new(&server.url(), PARTITIONS, EVENTS);
    let report = run.verify();
    assert_eq!(
        (report.lost, report.duplicated, report.counted),
        (EVENTS, 0, Tally::default())
    );
    assert_eq!(report.partitions_wrong, [0, 1, 2]);
    assert!(report.accounts_wrong > 0 && !report.is_exact());
}

#[test]
fn a_salted_account_is_counted_in_parts_that_add_up() {
    let server = redis();
    let salting = Some(Salting { accounts: 20, salts: 8 });
    let run = Run::of(&server.url(), &StreamSpec { salting, ..spec(4) }, EVENTS);
    let mut member = run.member("m-0", Mode::ExactlyOnce);
    member.assign(&run.all());
    member.drain();
    let report = run.verify();
    assert!(report.is_exact(), "{report:?}");
    assert_eq!(
        report.accounts_compared,
        480 + 20 * 4,
        "a salted account has a slot in every partition"
    );
    let homes = run.checker.homes(1);
    let totals = run.ledger().totals(&homes).expect("reads");
    let streams = run.layout.streams(&run.all());
    let expected: i64 = streams
        .iter()
        .map(|stream| amounts(stream, run.counts[stream.partition() as usize], 1))
        .sum();
    assert!(homes.len() > 1 && totals.iter().map(|total| total.0).sum::<i64>() == expected);
}

fn amounts(stream: &PartitionStream, count: u64, account_id: u64) -> i64 {
    (0..count)
        .map(|seq| stream.draw(seq))
        .filter(|draw| draw.account_id == account_id)
        .map(|draw| draw.amount)
        .sum()
}

#[test]
fn partitions_without_accounts_and_partitions_without_events_are_fine() {
    let server = redis();
    let run = Run::of(
        &server.url(),
        &StreamSpec {
            accounts: 4,
            ..spec(16)
        },
        3,
    );
    assert!((0..16).any(|partition| run.layout.slots(partition) == 0));
    let mut member = run.member("m-0", Mode::ExactlyOnce);
    member.assign(&run.all());
    member.drain();
    assert!(run.verify().is_exact());
    assert!(
        Run::of(&server.url(), &spec(3), 0).verify().is_exact(),
        "nothing to count is counted"
    );
}

#[test]
fn anything_behind_the_last_account_is_wrong() {
    let server = redis();
    let run = Run::new(&server.url(), PARTITIONS, EVENTS);
    let mut member = run.member("m-0", Mode::ExactlyOnce);
    member.assign(&run.all());
    member.drain();
    let key = format!("eoslab:{{{}/1}}:totals", run.id);
    server
        .command(&format!("SETBIT {key} {} 1", (run.layout.slots(1) + 16) * 64 + 3))
        .expect("redis runs");
    let report = run.verify();
    assert_eq!(
        (
            report.partitions_wrong.as_slice(),
            report.accounts_wrong,
            report.is_exact()
        ),
        (&[1][..], 0, false)
    );
}

#[test]
fn a_zombie_that_wakes_up_cannot_count_and_goes_on_behind_the_ledger() {
    let server = redis();
    let run = Run::new(&server.url(), PARTITIONS, EVENTS);
    let (mut zombie, mut heir) = (
        run.member("m-0", Mode::ExactlyOnce),
        run.member("m-1", Mode::ExactlyOnce),
    );
    zombie.assign(&[0]);
    zombie.read(0, 300);
    zombie.flush();
    zombie.read(0, 200);
    heir.assign(&[0]);
    heir.read(0, 77);
    heir.flush();
    let flushed = zombie.flush();
    assert_eq!((flushed.seeks.len(), zombie.engine.stats().report.conflicts), (1, 1));
    assert_eq!(flushed.seeks[0].offset, 377);
    heir.assign(&[1, 2]);
    heir.drain();
    zombie.drain();
    assert!(run.verify().is_exact());
    assert_eq!(zombie.engine.stats().report.rewinds, 0);
}

#[test]
fn a_batch_whose_answer_was_lost_is_sent_again_and_counted_once() {
    let server = redis();
    let run = Run::new(&server.url(), PARTITIONS, EVENTS);
    let proxy = LossyProxy::start(&server.url()).expect("a free port");
    let ledger = Ledger::connect(&[proxy.url()], &run.id).expect("redis runs");
    let mut member = run.member_on("m-0", Mode::ExactlyOnce, ledger);
    member.assign(&run.all());
    member.read(0, 100);
    proxy.lose_next_answer();
    let flushed = member.flush();
    assert!(
        flushed.failed.as_ref().is_some_and(|error| error.is_ambiguous()),
        "{flushed:?}"
    );
    assert_eq!(
        run.ledger().read(&[0]).expect("reads")[0].tally.count,
        100,
        "it has landed"
    );
    assert_eq!(member.engine.stats().report.applied, 0, "and nobody knows");
    assert_eq!(member.read(0, 10), 10, "what arrives meanwhile is not taken");
    member.read_from(0, 100);
    assert!(member.flush().failed.is_none());
    let report = member.engine.stats().report();
    assert_eq!(
        (report.applied, report.conflicts),
        (100, 0),
        "the same batch, told to have landed"
    );
    member.drain();
    assert!(run.verify().is_exact());
}

#[test]
fn a_redis_that_lost_its_tail_makes_a_member_go_back_that_has_nothing_to_apply() {
    let mut server = RedisServer::start_append_only().expect("redis-server is installed");
    let run = Run::new(&server.url(), PARTITIONS, EVENTS);
    let mut member = run.member("m-0", Mode::ExactlyOnce);
    member.assign(&run.all());
    while (0..PARTITIONS)
        .map(|partition| member.read(partition, 50))
        .sum::<usize>()
        > 0
    {
        member.flush();
    }
    assert!(run.verify().is_exact());
    assert!(member.engine.check().seeks.is_empty(), "nothing is lost yet");
    server.kill().expect("kills");
    let length = server.truncate_log(40_000).expect("cuts");
    assert!(length > 40_000, "there was something to cut: {length}");
    server.restart().expect("starts");
    let kept: u64 = run
        .ledger()
        .read(&run.all())
        .expect("reads")
        .iter()
        .map(|entry| entry.tally.count)
        .sum();
    assert!((1..1_500).contains(&kept), "a part is lost: {kept}");
    member.flush_patiently();
    assert!(!run.verify().is_exact(), "a flush of nothing asks nobody");
    member.check_patiently();
    member.drain_patiently();
    assert!(run.verify().is_exact());
    assert!(member.engine.stats().report.rewinds > 0);
}

/// Redis 7.0 that finds its append-only file cut inside a command of a transaction leaves the transaction's first
/// commands in the file, and executes them with the next one after another restart. One command is never cut like that.
#[test]
fn wherever_the_append_only_file_is_cut_a_second_restart_counts_nothing_twice() {
    let mut server = RedisServer::start_append_only().expect("redis-server is installed");
    let run = Run::new(&server.url(), 1, 2_000);
    let mut member = run.member("m-0", Mode::ExactlyOnce);
    member.assign(&[0]);
    for (round, cut) in [1, 3, 20, 60, 130, 250, 400, 700, 1_000].into_iter().enumerate() {
        for restart in [cut, 0] {
            member.read(0, 90);
            member.flush_patiently();
            server.kill().expect("kills");
            server.truncate_log(restart).expect("cuts");
            server.restart().expect("starts");
        }
        assert!(round < 20);
    }
    member.drain_patiently();
    let report = run.verify();
    assert!(report.is_exact(), "{report:?}");
    assert!(
        member.engine.stats().report.rewinds >= 5,
        "the cuts reached into batches"
    );
}

#[test]
fn malformed_records_duplicates_and_gaps_of_offsets_do_not_disturb_the_totals() {
    let server = redis();
    let mut run = Run::new(&server.url(), PARTITIONS, EVENTS);
    for records in &mut run.log.partitions {
        let mut disturbed: Vec<Record> = Vec::new();
        for (index, record) in records.iter().enumerate() {
            let offset = disturbed.last().map_or(0, |last| last.offset + 1) + i64::from(index % 13 == 5) * 4;
            disturbed.push(Record {
                offset,
                ..record.clone()
            });
            if index % 97 == 3 {
                disturbed.push(Record::garbage(offset + 1));
            }
            if index % 101 == 7 {
                disturbed.extend((0..3).map(|i| Record {
                    offset: offset + 2 + i,
                    ..records[index - 2 + i as usize].clone()
                }));
            }
        }
        *records = disturbed;
    }
    let mut member = run.member("m-0", Mode::ExactlyOnce);
    member.assign(&run.all());
    member.drain();
    assert!(run.verify().is_exact());
    let report = member.engine.stats().report();
    let entries = run.ledger().read(&run.all()).expect("reads");
    let sum =
        |field: fn(&eoslab_core::report::PartitionCounted) -> u64| report.partitions.iter().map(field).sum::<u64>();
    assert!(sum(|p| p.malformed) > 20 && sum(|p| p.log_duplicates) > 60 && sum(|p| p.holes) == 0);
    assert_eq!(
        entries.iter().map(|e| e.malformed).sum::<u64>(),
        sum(|p| p.malformed),
        "the ledger keeps them too"
    );
    assert_eq!(
        entries.iter().map(|e| e.log_duplicates).sum::<u64>(),
        sum(|p| p.log_duplicates)
    );
    assert_eq!(
        report.malformed_samples.len(),
        eoslab_core::report::MALFORMED_SAMPLES_MAX
    );
}

#[test]
fn a_batch_of_nothing_but_garbage_moves_the_ledger() {
    let server = redis();
    let mut run = Run::new(&server.url(), PARTITIONS, EVENTS);
    let end = run.log.partitions[0].len() as i64;
    run.log.partitions[0].extend((end..end + 120).map(Record::garbage));
    let mut member = run.member("m-0", Mode::ExactlyOnce);
    member.assign(&run.all());
    member.drain();
    assert_eq!(run.ledger().read(&[0]).expect("reads")[0].offset, end + 119);
    assert!(run.verify().is_exact());
}

#[test]
fn an_event_that_is_missing_from_the_log_is_caught_as_loss() {
    let server = redis();
    let mut run = Run::new(&server.url(), PARTITIONS, EVENTS);
    run.log.partitions[1].remove(40);
    let mut member = run.member("m-0", Mode::ExactlyOnce);
    member.assign(&run.all());
    member.drain();
    let report = run.verify();
    assert_eq!((report.lost, report.duplicated, report.accounts_wrong), (1, 0, 1));
    assert_eq!(
        (report.partitions_wrong.as_slice(), report.wrong_accounts.len()),
        (&[1][..], 1)
    );
    assert_eq!(report.wrong_accounts[0].partition, 1);
    assert_eq!(run.ledger().read(&[1]).expect("reads")[0].holes, 1);
}

#[test]
fn the_last_event_missing_is_caught_as_loss() {
    let server = redis();
    let mut run = Run::new(&server.url(), PARTITIONS, EVENTS);
    run.log.partitions[2].pop();
    let mut member = run.member("m-0", Mode::ExactlyOnce);
    member.assign(&run.all());
    member.drain();
    let report = run.verify();
    assert_eq!((report.lost, report.partitions_wrong.as_slice()), (1, &[2][..]));
}

/// A loss and a duplicate of the same amount: count and sum are right.
fn swap_two_events(run: &Run, same_account: bool) {
    let stream = run.layout.stream(0).expect("accounts live there");
    let draws: Vec<_> = (0..run.counts[0]).map(|seq| (seq, stream.draw(seq))).collect();
    let pair = draws.iter().enumerate().find_map(|(index, (lost, a))| {
        let fits = |(_, b): &&(u64, eoslab_core::Draw)| a.amount == b.amount && (a.slot == b.slot) == same_account;
        draws[index + 1..]
            .iter()
            .find(fits)
            .map(|(doubled, b)| ((*lost, *a), (*doubled, *b)))
    });
    let ((lost, a), (doubled, b)) = pair.expect("3,000 events hold such a pair");
    let mut deltas = vec![(a.slot, -a.amount), (b.slot, b.amount)];
    deltas.sort_unstable();
    if same_account {
        deltas.clear();
    }
    let digest =
        digest_mix(0, doubled, b.account_id, b.amount).wrapping_sub(digest_mix(0, lost, a.account_id, a.amount));
    let mut ledger = run.ledger();
    let entry = ledger.read(&[0]).expect("reads").remove(0);
    let batch = Batch {
        partition: 0,
        expected_offset: entry.offset,
        offset: entry.offset,
        seq: entry.seq,
        ts_us: entry.ts_us,
        first_waiting_us: 0,
        slots: run.layout.slots(0),
        tally: Tally {
            count: 0,
            sum: 0,
            digest,
        },
        log_duplicates: 0,
        holes: 0,
        malformed: 0,
        deltas: &deltas,
    };
    let writer = Writer {
        mode: Mode::AtLeastOnce,
        member: "saboteur".into(),
        stall_us: 1,
    };
    assert!(ledger.apply(&writer, &[batch]).remove(0).expect("applies").applied);
}

#[test]
fn a_loss_and_a_duplicate_of_the_same_amount_do_not_cancel_out() {
    let server = redis();
    for same_account in [false, true] {
        let run = Run::new(&server.url(), PARTITIONS, EVENTS);
        let mut member = run.member("m-0", Mode::ExactlyOnce);
        member.assign(&run.all());
        member.drain();
        assert!(run.verify().is_exact());
        swap_two_events(&run, same_account);
        let report = run.verify();
        assert!(!report.is_exact());
        assert_eq!(
            (report.lost, report.duplicated, report.counted.sum),
            (0, 0, report.expected.sum)
        );
        assert_ne!(report.counted.digest, report.expected.digest, "the digest catches it");
        assert_eq!(
            report.accounts_wrong,
            if same_account { 0 } else { 2 },
            "and so do the accounts, if they can"
        );
        assert_eq!(report.partitions_wrong, [0]);
    }
}

#[test]
fn at_least_once_counts_twice_after_a_kill_between_apply_and_commit() {
    let server = redis();
    let run = Run::new(&server.url(), PARTITIONS, EVENTS);
    let mut killed = run.member("m-0", Mode::AtLeastOnce);
    killed.assign(&run.all());
    for partition in 0..PARTITIONS {
        killed.read(partition, 200);
    }
    killed.flush();
    let committed: Vec<_> = killed.engine.applied();
    for partition in 0..PARTITIONS {
        killed.read(partition, 150);
    }
    killed.flush();
    drop(killed);
    let mut heir = run.member("m-0", Mode::AtLeastOnce);
    heir.assign(&run.all());
    for (partition, position) in committed {
        heir.read_from(partition, position.offset + 1);
    }
    heir.drain();
    let report = run.verify();
    assert_eq!((report.duplicated, report.lost), (450, 0));
    assert!(report.accounts_wrong > 0 && !report.is_exact());
}

mod broken_twin {
    //! The script without its compare: what the tests above would not catch, were they blind.

    use super::*;

    const BROKEN: &str = include_str!("broken_apply.lua");

    #[test]
    fn it_differs_in_the_compare_alone() {
        let apply = include_str!("../src/ledger/apply.lua");
        let (before, rest) = apply.split_once("-- compare\n").expect("marked");
        let (compare, after) = rest.split_once("-- compare: end\n").expect("marked");
        assert_eq!(format!("{before}{after}"), BROKEN);
        assert_eq!(compare.lines().count(), 2);
    }

    #[test]
    fn a_zombie_counts_twice_and_the_oracle_tells() {
        let server = redis();
        let run = Run::new(&server.url(), PARTITIONS, EVENTS);
        let broken = || Ledger::with_apply_script(&[&run.url], &run.id, BROKEN).expect("a url");
        let mut zombie = run.member_on("m-0", Mode::ExactlyOnce, broken());
        let mut heir = run.member_on("m-1", Mode::ExactlyOnce, broken());
        zombie.assign(&[0]);
        zombie.read(0, 120);
        heir.assign(&run.all());
        heir.drain();
        zombie.flush();
        let report = run.verify();
        assert_eq!((report.duplicated, report.lost), (120, 0));
        assert!(report.accounts_wrong > 0);
    }

    #[test]
    fn a_batch_sent_again_counts_twice_and_the_oracle_tells() {
        let server = redis();
        let run = Run::new(&server.url(), PARTITIONS, EVENTS);
        let proxy = LossyProxy::start(&server.url()).expect("a free port");
        let ledger = Ledger::with_apply_script(&[proxy.url()], &run.id, BROKEN).expect("a url");
        let mut member = run.member_on("m-0", Mode::ExactlyOnce, ledger);
        member.assign(&run.all());
        member.read(0, 64);
        proxy.lose_next_answer();
        assert!(member.flush().failed.is_some());
        member.drain();
        let report = run.verify();
        assert_eq!((report.duplicated, report.lost), (64, 0));
    }
}

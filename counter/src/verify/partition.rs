//! One partition: its stream regenerated, and compared with its ledger account by account.

use eoslab_core::report::{WRONG_ACCOUNTS_MAX, WrongAccount};
use eoslab_core::{Draw, PartitionStream, Tally};

use super::progress::Progress;
use super::retry::Patient;
use super::{Stopped, VerifyError};
use crate::ledger::LedgerEntry;

/// Events regenerated between two looks at the stop signal.
const DRAWS: usize = 4_096;
/// Totals read from Redis in one call: 1 MiB.
const TOTALS: u64 = 131_072;

/// What the comparison of one partition found.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Findings {
    pub partition: u32,
    pub expected: Tally,
    pub counted: Tally,
    pub wrong: bool,
    pub accounts_compared: u64,
    pub accounts_wrong: u64,
    pub wrong_accounts: Vec<WrongAccount>,
}

/// Compares `count` events of a partition with the ledger. `stream` is `None` where no account lives.
pub(super) fn compare(
    partition: u32,
    stream: Option<&PartitionStream>,
    slots: u32,
    count: u64,
    ledger: &mut Patient,
    progress: &Progress,
) -> Result<Findings, VerifyError> {
    let (expected, totals) = regenerate(stream, slots, count, progress)?;
    let before = entry(partition, ledger)?;
    let mut findings = Findings {
        partition,
        expected,
        counted: before.tally,
        ..Findings::default()
    };
    compare_totals(&mut findings, stream, &totals, ledger, progress)?;
    if entry(partition, ledger)? != before {
        return Err(VerifyError::Moving { partition });
    }
    let last_seq = i64::try_from(count).unwrap_or(i64::MAX) - 1;
    findings.wrong |= before.tally != expected || before.seq != last_seq || findings.accounts_wrong > 0;
    progress.note_partition();
    Ok(findings)
}

fn entry(partition: u32, ledger: &mut Patient) -> Result<LedgerEntry, VerifyError> {
    let entry = ledger.call(|ledger| ledger.read(&[partition]))?.pop();
    Ok(entry.unwrap_or_else(|| LedgerEntry::empty(partition)))
}

/// The total of every slot and the tally, as the stream says.
fn regenerate(
    stream: Option<&PartitionStream>,
    slots: u32,
    count: u64,
    progress: &Progress,
) -> Result<(Tally, Vec<i64>), VerifyError> {
    let mut totals = vec![0i64; slots as usize];
    let mut tally = Tally::default();
    let Some(stream) = stream else {
        return Ok((tally, totals));
    };
    let mut draws = vec![Draw::default(); DRAWS];
    let mut seq = 0;
    while seq < count {
        let some = &mut draws[..usize::try_from(count - seq).unwrap_or(DRAWS).min(DRAWS)];
        stream.fill(seq, some);
        for (seq, draw) in (seq..).zip(some.iter()) {
            tally.add(stream.partition(), seq, draw.account_id, draw.amount);
            totals[draw.slot as usize] += draw.amount;
        }
        seq += some.len() as u64;
        progress.note_events(some.len() as u64)?;
    }
    Ok((tally, totals))
}

fn compare_totals(
    findings: &mut Findings,
    stream: Option<&PartitionStream>,
    totals: &[i64],
    ledger: &mut Patient,
    progress: &Progress,
) -> Result<(), VerifyError> {
    let partition = findings.partition;
    for (index, expected) in totals.chunks(TOTALS as usize).enumerate() {
        let first = index as u64 * TOTALS;
        let counted = ledger.call(|ledger| ledger.read_totals(partition, first, expected.len() as u64))?;
        // What the array does not reach was never counted.
        let counted = counted.into_iter().chain(std::iter::repeat(0));
        for ((slot, &expected), counted) in (first..).zip(expected).zip(counted) {
            if counted != expected {
                note_wrong(findings, stream, slot, expected, counted);
            }
        }
        findings.accounts_compared += expected.len() as u64;
        progress.note_accounts(expected.len() as u64)?;
    }
    // Behind the last account there must be nothing.
    let mut beyond = totals.len() as u64;
    loop {
        let found = ledger.call(|ledger| ledger.read_totals(partition, beyond, TOTALS))?;
        findings.wrong |= found.iter().any(|total| *total != 0);
        if found.is_empty() {
            return Ok(());
        }
        beyond += found.len() as u64;
    }
}

fn note_wrong(findings: &mut Findings, stream: Option<&PartitionStream>, slot: u64, expected: i64, counted: i64) {
    findings.accounts_wrong += 1;
    if findings.wrong_accounts.len() < WRONG_ACCOUNTS_MAX {
        let account = stream.and_then(|stream| stream.account(u32::try_from(slot).ok()?));
        let account_id = account.unwrap_or_default();
        findings.wrong_accounts.push(WrongAccount {
            account_id,
            partition: findings.partition,
            expected,
            counted,
        });
    }
}

impl From<Stopped> for VerifyError {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

//! The findings of all partitions as one report, and the report as text that fits.

use std::collections::BTreeMap;

use eoslab_core::report::{VerifyReport, WRONG_ACCOUNTS_MAX};

use super::partition::Findings;

/// Most bytes that Kubernetes takes from a container as its last message.
pub const RESULT_BYTES_MAX: usize = 4_096;

/// Adds the findings up, whatever their order.
pub(super) fn sum_up(mut findings: Vec<Findings>, mut report: VerifyReport) -> VerifyReport {
    findings.sort_unstable_by_key(|of| of.partition);
    for of in findings {
        report.expected += of.expected;
        report.counted += of.counted;
        report.lost += of.expected.count.saturating_sub(of.counted.count);
        report.duplicated += of.counted.count.saturating_sub(of.expected.count);
        report.accounts_compared += of.accounts_compared;
        report.accounts_wrong += of.accounts_wrong;
        if of.wrong {
            report.partitions_wrong.push(of.partition);
        }
        let room = WRONG_ACCOUNTS_MAX - report.wrong_accounts.len();
        report.wrong_accounts.extend(of.wrong_accounts.into_iter().take(room));
    }
    report
}

/// The report as JSON of less than [`RESULT_BYTES_MAX`] bytes: where partitions are too many to name, the first are.
pub fn fitting_json(report: &VerifyReport) -> Result<String, serde_json::Error> {
    let mut report = report.clone();
    loop {
        let text = serde_json::to_string(&report)?;
        if text.len() < RESULT_BYTES_MAX {
            return Ok(text);
        }
        match report.partitions_wrong.len() {
            0 | 1 => report.wrong_accounts.truncate(report.wrong_accounts.len() / 2),
            named => report.partitions_wrong.truncate(named * 3 / 4),
        }
        if report.partitions_wrong.len() <= 1 && report.wrong_accounts.is_empty() {
            report.run_id.truncate(64);
        }
    }
}

/// The last line that a person reads.
pub fn line(report: &VerifyReport) -> String {
    if report.is_exact() {
        return format!(
            "exact: {} events, {} accounts compared in {} ms",
            report.counted.count, report.accounts_compared, report.elapsed_ms
        );
    }
    format!(
        "NOT EXACT: {} events expected, {} counted; {} lost, {} duplicated; {} of {} accounts wrong, partitions {}",
        report.expected.count,
        report.counted.count,
        report.lost,
        report.duplicated,
        report.accounts_wrong,
        report.accounts_compared,
        named(&report.partitions_wrong),
    )
}

/// Partitions as ranges, the first few.
fn named(partitions: &[u32]) -> String {
    let mut ranges: BTreeMap<u32, u32> = BTreeMap::new();
    for &partition in partitions {
        match ranges.last_entry() {
            Some(mut last) if *last.get() + 1 == partition => *last.get_mut() = partition,
            _ => {
                ranges.insert(partition, partition);
            }
        }
    }
    let range = |(first, last): (&u32, &u32)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    };
    let text: Vec<String> = ranges.iter().take(20).map(range).collect();
    let more = if ranges.len() > 20 { " and more" } else { "" };
    if text.is_empty() {
        "none".to_owned()
    } else {
        text.join(", ") + more
    }
}

#[cfg(test)]
mod tests {
    use eoslab_core::Tally;
    use eoslab_core::report::WrongAccount;

    use super::*;

    fn findings(partition: u32, expected: u64, counted: u64) -> Findings {
        let tally = |count| Tally {
            count,
            sum: count as i64,
            digest: count,
        };
        Findings {
            partition,
            expected: tally(expected),
            counted: tally(counted),
            wrong: expected != counted,
            accounts_compared: 100,
            accounts_wrong: u64::from(expected != counted) * 20,
            wrong_accounts: vec![
                WrongAccount {
                    account_id: u64::MAX,
                    partition,
                    expected: i64::MIN,
                    counted: i64::MIN
                };
                9
            ],
        }
    }

    #[test]
    fn a_loss_in_one_partition_does_not_cancel_a_duplicate_in_another() {
        let report = sum_up(vec![findings(1, 10, 9), findings(0, 10, 11)], VerifyReport::default());
        assert_eq!((report.lost, report.duplicated), (1, 1));
        assert_eq!(
            (report.expected, report.counted),
            (
                Tally {
                    count: 20,
                    sum: 20,
                    digest: 20
                },
                report.expected
            )
        );
        assert_eq!(
            (report.partitions_wrong.clone(), report.wrong_accounts.len()),
            (vec![0, 1], WRONG_ACCOUNTS_MAX)
        );
        assert!(!report.is_exact());
        assert!(line(&report).contains("1 lost, 1 duplicated") && line(&report).contains("partitions 0-1"));
    }

    #[test]
    fn a_report_fits_whatever_is_wrong() {
        let all = (0..4096)
            .map(|partition| findings(partition, u64::MAX >> 13, 0))
            .collect();
        let report = sum_up(
            all,
            VerifyReport {
                run_id: "r".repeat(128),
                ..VerifyReport::default()
            },
        );
        let text = fitting_json(&report).expect("encodes");
        assert!(text.len() < RESULT_BYTES_MAX, "{}", text.len());
        let read: VerifyReport = serde_json::from_str(&text).expect("decodes");
        assert!(!read.is_exact() && !read.partitions_wrong.is_empty());
        assert_eq!((read.lost, read.accounts_wrong), (report.lost, report.accounts_wrong));
    }

    #[test]
    fn partitions_are_named_as_ranges() {
        assert_eq!(named(&[]), "none");
        assert_eq!(named(&[0, 1, 2, 5, 7, 8]), "0-2, 5, 7-8");
    }
}

//! Where a partition is taken up: behind the last event of its log, which is the producer's only checkpoint.

use eoslab_core::{Event, PartitionStream};
use thiserror::Error;
use tracing::{error, info};

use crate::progress::LaneProgress;

/// Why a log cannot be taken up. Both mean that the topic holds another run's events.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ResumeError {
    /// The log goes beyond the stream's end.
    #[error(
        "the log of partition {partition} ends with seq {seq}, but this run ends before seq {end}: the topic holds \
         another run's events, use an empty topic or the same --events and --rate"
    )]
    BeyondEnd {
        /// The partition.
        partition: u32,
        /// Last seq of the log.
        seq: u64,
        /// End of the partition's stream.
        end: u64,
    },
    /// The log's last event is not this stream's.
    #[error(
        "the log of partition {partition} ends with seq {seq}, account {account_id}, amount {amount}, which is not what \
         this stream has there: the topic holds another run's events, use an empty topic or the same --seed, \
         --accounts, --zipf-exponent and salting"
    )]
    OtherStream {
        /// The partition.
        partition: u32,
        /// Last seq of the log.
        seq: u64,
        /// Its account.
        account_id: u64,
        /// Its amount.
        amount: i64,
    },
}

/// The first seq to send of a partition, given the log's last event and the end (exclusive) of the partition's stream,
/// if it has one. A partition without accounts has no stream, and its log must be empty.
pub fn first_seq(
    partition: u32,
    stream: Option<&PartitionStream>,
    last: Option<Event>,
    end: Option<u64>,
) -> Result<u64, ResumeError> {
    let Some(last) = last else { return Ok(0) };
    let Some(stream) = stream else {
        return Err(ResumeError::BeyondEnd {
            partition,
            seq: last.seq,
            end: 0,
        });
    };
    if let Some(end) = end
        && last.seq >= end
    {
        return Err(ResumeError::BeyondEnd {
            partition,
            seq: last.seq,
            end,
        });
    }
    let draw = stream.draw(last.seq);
    if (draw.account_id, draw.amount) != (last.account_id, last.amount) {
        let (seq, account_id, amount) = (last.seq, last.account_id, last.amount);
        return Err(ResumeError::OtherStream {
            partition,
            seq,
            account_id,
            amount,
        });
    }
    Ok(last.seq + 1)
}

/// Takes a partition up again within the life of a process, behind the log's last event, which has to be this stream's.
/// An empty log says nothing: then what was acknowledged last decides. Returns the next seq to send.
pub fn take_up(booked: &mut LaneProgress, stream: &PartitionStream, last: Option<Event>) -> Result<u64, ResumeError> {
    let highest_acked = booked.highest_acked_seq();
    let next = match last {
        Some(_) => first_seq(booked.partition, Some(stream), last, booked.end_seq)?,
        None => highest_acked.map_or(booked.first_seq, |highest| highest + 1),
    };
    let (partition, sent) = (booked.partition, booked.next_seq);
    if let Some(acked) = highest_acked.filter(|highest| *highest >= next) {
        error!(
            partition,
            acked, next, "the log has lost acknowledged events, sending them again"
        );
    }
    if next > sent {
        error!(
            partition,
            sent, next, "the log has events that this producer did not send"
        );
    }
    info!(partition, from = sent, to = next, "took the partition up from its log");
    booked.rewind(next);
    Ok(next)
}

#[cfg(test)]
mod tests {
    use eoslab_core::{Layout, StreamError, StreamSpec};

    use super::*;
    use crate::client::Outcome;

    fn stream() -> Result<PartitionStream, StreamError> {
        let spec = StreamSpec {
            seed: 7,
            partitions: 2,
            accounts: 1000,
            zipf_exponent: 1.1,
            salting: None,
        };
        Ok(Layout::new(&spec)?.stream(1).expect("partition 1 exists"))
    }

    fn event(stream: &PartitionStream, seq: u64) -> Event {
        let draw = stream.draw(seq);
        Event {
            account_id: draw.account_id,
            amount: draw.amount,
            ts_us: 1,
            seq,
        }
    }

    fn resume(stream: &PartitionStream, last: Option<Event>, end: Option<u64>) -> Result<u64, ResumeError> {
        first_seq(1, Some(stream), last, end)
    }

    #[test]
    fn an_empty_log_starts_at_zero_and_another_one_behind_its_last_event() -> Result<(), StreamError> {
        let stream = stream()?;
        assert_eq!(resume(&stream, None, Some(10)), Ok(0));
        assert_eq!(resume(&stream, Some(event(&stream, 4)), Some(10)), Ok(5));
        assert_eq!(resume(&stream, Some(event(&stream, 9)), Some(10)), Ok(10));
        assert_eq!(resume(&stream, Some(event(&stream, 1_000_000)), None), Ok(1_000_001));
        Ok(())
    }

    #[test]
    fn a_partition_is_taken_up_behind_its_log_or_its_last_acknowledgement() -> Result<(), StreamError> {
        let stream = stream()?;
        let sent = |acked: u64| {
            let mut booked = LaneProgress::new(1, 0, Some(10), None);
            (0..acked).for_each(|seq| booked.book(&event(&stream, seq), Outcome::Acked));
            booked.next_seq = 6;
            booked
        };
        let up = |acked: u64, last: Option<Event>| take_up(&mut sent(acked), &stream, last);
        assert_eq!(up(3, Some(event(&stream, 4))), Ok(5), "written and not acknowledged");
        assert_eq!(up(3, Some(event(&stream, 1))), Ok(2), "the log has lost one");
        assert_eq!(up(3, None), Ok(3));
        assert_eq!(up(0, None), Ok(0));
        let mut other = event(&stream, 4);
        other.account_id += 1;
        assert!(matches!(up(3, Some(other)), Err(ResumeError::OtherStream { .. })));
        assert!(matches!(
            up(3, Some(event(&stream, 10))),
            Err(ResumeError::BeyondEnd { .. })
        ));
        Ok(())
    }

    #[test]
    fn a_log_of_another_run_is_refused() -> Result<(), StreamError> {
        let stream = stream()?;
        let beyond = resume(&stream, Some(event(&stream, 10)), Some(10));
        assert_eq!(
            beyond,
            Err(ResumeError::BeyondEnd {
                partition: 1,
                seq: 10,
                end: 10
            })
        );
        let mut other = event(&stream, 4);
        other.amount += 1;
        assert!(matches!(
            resume(&stream, Some(other), None),
            Err(ResumeError::OtherStream { seq: 4, .. })
        ));
        assert_eq!(first_seq(1, None, None, Some(0)), Ok(0));
        let no_stream = first_seq(1, None, Some(event(&stream, 0)), Some(0));
        assert_eq!(
            no_stream,
            Err(ResumeError::BeyondEnd {
                partition: 1,
                seq: 0,
                end: 0
            })
        );
        Ok(())
    }
}

//! From a record of the log to an event that belongs where it was found, or to the reason why it is none.

use eoslab_core::{AMOUNT_MAX, AMOUNT_MIN, DecodeError, Event, Key, Layout, SlotIndex};

/// A record as the Kafka client hands it over, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct RecordView<'a> {
    /// Partition of the topic.
    pub partition: u32,
    /// Offset in the partition.
    pub offset: i64,
    /// Key, if the record has one.
    pub key: Option<&'a [u8]>,
    /// Value, if the record has one.
    pub payload: Option<&'a [u8]>,
    /// Timestamp of the record, us since the Unix epoch.
    pub timestamp_us: Option<i64>,
}

/// An event that is what it says and is where it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedEvent {
    /// The account.
    pub account_id: u64,
    /// The account's place in the totals of the partition.
    pub slot: u32,
    /// What is added, from `AMOUNT_MIN` to `AMOUNT_MAX`.
    pub amount: u32,
    /// Intended send time, us since the Unix epoch.
    pub ts_us: i64,
    /// Position in the partition's stream.
    pub seq: i64,
}

/// Why a record is no event of this run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// No value.
    #[error("the record has no value")]
    NoValue,
    /// The value has another size than the run's messages.
    #[error("the value has {found} bytes and not {wanted}")]
    Size {
        /// Bytes found.
        found: usize,
        /// Bytes of the run's messages.
        wanted: usize,
    },
    /// No key.
    #[error("the record has no key")]
    NoKey,
    /// Header or key cannot be read.
    #[error("{0}")]
    Decode(#[from] DecodeError),
    /// Key and header name different accounts.
    #[error("the key names account {key} and the header account {header}")]
    KeyAccount {
        /// Account of the key.
        key: u64,
        /// Account of the header.
        header: u64,
    },
    /// A salted key of an account that is not salted, or the reverse.
    #[error("account {account} is sent under a key of the wrong kind")]
    Salt {
        /// The account.
        account: u64,
    },
    /// The account is not of this run, or at home in another partition.
    #[error("account {account} does not belong to partition {partition}")]
    Account {
        /// The account.
        account: u64,
        /// Where it was found.
        partition: u32,
    },
    /// The amount is not one that a producer sends.
    #[error("amount {amount} is outside {AMOUNT_MIN} to {AMOUNT_MAX}")]
    Amount {
        /// The amount.
        amount: i64,
    },
    /// The seq does not fit the ledger's numbers.
    #[error("seq {seq} is too large")]
    Seq {
        /// The seq.
        seq: u64,
    },
    /// The intended send time does not fit the ledger's numbers.
    #[error("ts {ts_us} is no time after 1970")]
    Ts {
        /// The time, us since the Unix epoch.
        ts_us: i64,
    },
}

/// Largest number of the ledger, seqs and times alike: what Redis's Lua can compare exactly.
pub const NUMBER_MAX: i64 = (1 << 53) - 1;

/// Knows what the events of a run look like.
#[derive(Debug)]
pub struct Checker {
    slots: SlotIndex,
    partition_slots: Vec<u32>,
    salted_accounts: u64,
    message_size: usize,
}

impl Checker {
    /// For the events of `layout` in messages of `message_size` bytes.
    pub fn new(layout: &Layout, message_size: usize) -> Self {
        let salting = layout.spec().salting.as_ref();
        Self {
            slots: SlotIndex::new(layout),
            partition_slots: (0..layout.spec().partitions)
                .map(|partition| layout.slots(partition))
                .collect(),
            salted_accounts: salting.map_or(0, |salting| u64::from(salting.accounts)),
            message_size,
        }
    }

    /// Where an account may have parts of its total: partition and slot.
    pub fn homes(&self, account_id: u64) -> Vec<(u32, u32)> {
        let homes = self.slots.homes(account_id).into_iter();
        homes
            .filter_map(|partition| Some((partition, self.slots.slot(account_id, partition)?)))
            .collect()
    }

    /// Size of the array of totals of a partition, in accounts; 0 for a partition that the run does not have.
    pub fn slots(&self, partition: u32) -> u32 {
        self.partition_slots.get(partition as usize).copied().unwrap_or(0)
    }

    /// The event in a record.
    pub fn check(&self, record: &RecordView<'_>) -> Result<CheckedEvent, Malformed> {
        let payload = record.payload.ok_or(Malformed::NoValue)?;
        if payload.len() != self.message_size {
            return Err(Malformed::Size {
                found: payload.len(),
                wanted: self.message_size,
            });
        }
        let Event {
            account_id,
            amount,
            ts_us,
            seq,
        } = Event::decode(payload)?;
        let (key_account, salt) = Key::decode(record.key.ok_or(Malformed::NoKey)?)?;
        if key_account != account_id {
            return Err(Malformed::KeyAccount {
                key: key_account,
                header: account_id,
            });
        }
        if salt.is_some() != (1..=self.salted_accounts).contains(&account_id) {
            return Err(Malformed::Salt { account: account_id });
        }
        let foreign = Malformed::Account {
            account: account_id,
            partition: record.partition,
        };
        let slot = self.slots.slot(account_id, record.partition).ok_or(foreign)?;
        if !(AMOUNT_MIN..=AMOUNT_MAX).contains(&amount) {
            return Err(Malformed::Amount { amount });
        }
        if seq > NUMBER_MAX as u64 {
            return Err(Malformed::Seq { seq });
        }
        if !(0..=NUMBER_MAX).contains(&ts_us) {
            return Err(Malformed::Ts { ts_us });
        }
        Ok(CheckedEvent {
            account_id,
            slot,
            amount: amount as u32,
            ts_us,
            seq: seq as i64,
        })
    }
}

#[cfg(test)]
mod tests {
    use eoslab_core::{Salting, StreamSpec};

    use super::*;

    const SIZE: usize = 64;

    fn checker(salting: Option<Salting>) -> Checker {
        let spec = StreamSpec {
            seed: 1,
            partitions: 4,
            accounts: 100,
            zipf_exponent: 1.0,
            salting,
        };
        Checker::new(&Layout::new(&spec).expect("a valid spec"), SIZE)
    }

    fn check(
        checker: &Checker,
        event: Event,
        change: impl Fn(&mut Vec<u8>, &mut Vec<u8>),
    ) -> Result<CheckedEvent, Malformed> {
        let mut payload = vec![0; SIZE];
        event.encode(&mut payload);
        let key = Key::new(event.account_id, None);
        let partition = key.partition(4);
        let mut key = key.as_bytes().to_vec();
        change(&mut key, &mut payload);
        let key = (!key.is_empty()).then_some(key.as_slice());
        let payload = (!payload.is_empty()).then_some(payload.as_slice());
        checker.check(&RecordView {
            partition,
            offset: 0,
            key,
            payload,
            timestamp_us: None,
        })
    }

    #[test]
    fn an_event_at_home_is_an_event() {
        let event = Event {
            account_id: 9,
            amount: 1000,
            ts_us: 5,
            seq: 7,
        };
        let checked = check(&checker(None), event, |_, _| ()).expect("well-formed");
        assert_eq!(
            (checked.account_id, checked.amount, checked.ts_us, checked.seq),
            (9, 1000, 5, 7)
        );
        assert_eq!(checker(None).homes(9).len(), 1);
        assert_eq!(checker(None).homes(9)[0].1, checked.slot);
    }

    #[test]
    fn every_way_to_be_no_event_has_its_reason() {
        let good = Event {
            account_id: 9,
            amount: 10,
            ts_us: 5,
            seq: 7,
        };
        let checker_of = checker(None);
        let judged = |event, change: &dyn Fn(&mut Vec<u8>, &mut Vec<u8>)| check(&checker_of, event, change);
        assert_eq!(judged(good, &|_, payload| payload.clear()), Err(Malformed::NoValue));
        assert_eq!(
            judged(good, &|_, payload| payload.push(0)),
            Err(Malformed::Size { found: 65, wanted: 64 })
        );
        assert_eq!(judged(good, &|key, _| key.clear()), Err(Malformed::NoKey));
        assert!(matches!(
            judged(good, &|key, _| key.truncate(3)),
            Err(Malformed::Decode(_))
        ));
        assert_eq!(
            judged(good, &|key, _| key[0] = 8),
            Err(Malformed::KeyAccount { key: 8, header: 9 })
        );
        assert_eq!(
            judged(good, &|key, _| key.extend([0, 0])),
            Err(Malformed::Salt { account: 9 })
        );
        for account_id in [0, 101, u64::MAX] {
            assert!(matches!(
                judged(Event { account_id, ..good }, &|_, _| ()),
                Err(Malformed::Account { .. })
            ));
        }
        for amount in [0, -1, 1001, i64::MIN] {
            assert_eq!(
                judged(Event { amount, ..good }, &|_, _| ()),
                Err(Malformed::Amount { amount })
            );
        }
        assert_eq!(
            judged(Event { seq: 1 << 53, ..good }, &|_, _| ()),
            Err(Malformed::Seq { seq: 1 << 53 })
        );
        for ts_us in [-1, 1 << 53] {
            assert_eq!(
                judged(Event { ts_us, ..good }, &|_, _| ()),
                Err(Malformed::Ts { ts_us })
            );
        }
    }

    #[test]
    fn an_account_in_another_partition_is_foreign_there() {
        let checker = checker(None);
        let event = Event {
            account_id: 9,
            amount: 10,
            ts_us: 5,
            seq: 7,
        };
        let mut payload = vec![0; SIZE];
        event.encode(&mut payload);
        let key = Key::new(9, None);
        let partition = (key.partition(4) + 1) % 4;
        let record = RecordView {
            partition,
            offset: 0,
            key: Some(key.as_bytes()),
            payload: Some(&payload),
            timestamp_us: None,
        };
        assert_eq!(
            checker.check(&record),
            Err(Malformed::Account { account: 9, partition })
        );
    }

    #[test]
    fn a_salted_account_needs_a_salted_key_and_is_at_home_everywhere() {
        let checker = checker(Some(Salting { accounts: 10, salts: 4 }));
        let event = Event {
            account_id: 9,
            amount: 10,
            ts_us: 5,
            seq: 7,
        };
        assert_eq!(check(&checker, event, |_, _| ()), Err(Malformed::Salt { account: 9 }));
        let salted = check(&checker, event, |key, _| key.extend([1, 0])).expect("salted");
        assert_eq!(salted.slot, 8);
    }
}

//! Everything that reads the ledger, or removes it.

use std::collections::{HashMap, HashSet};

use eoslab_core::report::Pause;
use redis::{FromRedisValue, Value, from_redis_value};

use super::client::Ledger;
use super::entry::LedgerEntry;
use super::error::LedgerError;
use super::eviction::judge_eviction;
use super::pause::{Names, Note};
use super::resp::Pipeline;
use super::shard::Shard;
use super::words::{LEDGER_BYTES, WORDS, Words};

impl Ledger {
    /// Checks that every Redis answers.
    pub fn ping(&mut self) -> Result<(), LedgerError> {
        let mut ping = Pipeline::default();
        ping.texts(&["PING"]);
        for shard in &mut self.shards {
            for answer in shard.call(&ping)? {
                shard.checked(answer)?;
            }
        }
        Ok(())
    }

    /// The state of each of `partitions`, in their order.
    pub fn read(&mut self, partitions: &[u32]) -> Result<Vec<LedgerEntry>, LedgerError> {
        let last = (LEDGER_BYTES - 1).to_string();
        let answers = self.for_each(partitions, 2, |keys, partition, pipeline| {
            pipeline.texts(&["GETRANGE", &keys.totals(partition), "0", &last]);
            pipeline.texts(&["HGETALL", &keys.members(partition)]);
        })?;
        let mut answers = answers.into_iter();
        let mut entries = Vec::with_capacity(partitions.len());
        for &partition in partitions {
            let bytes: Vec<u8> = self.taken(partition, answers.next())?;
            let names: HashMap<String, String> = self.taken(partition, answers.next())?;
            let words = Words::parse(&bytes).ok_or_else(|| self.unexpected(partition, "a key that holds no ledger"))?;
            entries.push(words.entry(partition, Names::new(names).of(words.member())));
        }
        Ok(entries)
    }

    /// The pauses noted in `partitions`, newest first within each, at most `most` of each.
    pub fn pauses(&mut self, partitions: &[u32], most: u32) -> Result<Vec<Pause>, LedgerError> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let last = (i64::from(most) - 1).to_string();
        let answers = self.for_each(partitions, 2, |keys, partition, pipeline| {
            pipeline.texts(&["LRANGE", &keys.pauses(partition), "0", &last]);
            pipeline.texts(&["HGETALL", &keys.members(partition)]);
        })?;
        let mut answers = answers.into_iter();
        let mut pauses = Vec::new();
        for &partition in partitions {
            let texts: Vec<String> = self.taken(partition, answers.next())?;
            let names = Names::new(self.taken(partition, answers.next())?);
            // One whose answer was lost may be there twice.
            let mut told = HashSet::new();
            for text in texts.into_iter().filter(|text| told.insert(text.clone())) {
                let note = Note::parse(&text).ok_or_else(|| self.unexpected(partition, "a pause of another form"))?;
                pauses.push(note.named(partition, &names));
            }
        }
        Ok(pauses)
    }

    /// Removes everything stored for `partitions`.
    pub fn delete(&mut self, partitions: &[u32]) -> Result<(), LedgerError> {
        let deleted = self.for_each(partitions, 1, |keys, partition, pipeline| {
            pipeline.texts(&[
                "UNLINK",
                &keys.totals(partition),
                &keys.members(partition),
                &keys.pauses(partition),
            ]);
        });
        deleted.map(|_| ())
    }

    /// The totals of the accounts in the given `(partition, slot)`, each with the offset up to which it is exact (0 and
    /// -1 before the first), each atomic for itself, in one round trip.
    pub fn totals(&mut self, homes: &[(u32, u32)]) -> Result<Vec<(i64, i64)>, LedgerError> {
        let partitions: Vec<u32> = homes.iter().map(|home| home.0).collect();
        let mut slots = homes.iter().map(|home| home.1);
        let answers = self.for_each(&partitions, 1, |keys, partition, pipeline| {
            let word = format!("#{}", u64::from(WORDS) + u64::from(slots.next().unwrap_or_default()));
            pipeline.texts(&[
                "BITFIELD_RO",
                &keys.totals(partition),
                "GET",
                "i64",
                "#0",
                "GET",
                "i64",
                &word,
            ]);
        })?;
        let mut totals = Vec::with_capacity(homes.len());
        for (&partition, answer) in partitions.iter().zip(answers) {
            let (next_offset, total): (i64, i64) = self.taken(partition, Some(answer))?;
            totals.push((total, next_offset - 1));
        }
        Ok(totals)
    }

    /// The totals of slots `first_slot..first_slot + most`; fewer where the array ends before.
    pub fn read_totals(&mut self, partition: u32, first_slot: u64, most: u64) -> Result<Vec<i64>, LedgerError> {
        let (first, last) = (
            LEDGER_BYTES as u64 + first_slot * 8,
            LEDGER_BYTES as u64 + (first_slot + most) * 8 - 1,
        );
        let key = self.keys.totals(partition);
        let answer = self.single(partition, &["GETRANGE", &key, &first.to_string(), &last.to_string()])?;
        let bytes: Vec<u8> = self.taken(partition, Some(answer))?;
        let (totals, rest) = bytes.as_chunks::<8>();
        let mut totals: Vec<i64> = totals.iter().map(|bytes| i64::from_be_bytes(*bytes)).collect();
        if !rest.is_empty() {
            // A piece of a total, as another hand than ours may leave; missing bytes are zeros.
            let mut bytes = [0; 8];
            bytes[..rest.len()].copy_from_slice(rest);
            totals.push(i64::from_be_bytes(bytes));
        }
        Ok(totals)
    }

    /// Checks that no Redis would evict totals. Returns what could not be checked or is doubtful, in words.
    pub fn check_eviction(&mut self) -> Result<Vec<String>, LedgerError> {
        let mut doubts = Vec::new();
        for shard in &mut self.shards {
            match info(shard, "memory") {
                Ok(text) => doubts.extend(judge_eviction(shard.address(), &text)?),
                Err(error @ LedgerError::Rejected { .. }) => {
                    doubts.push(format!("the eviction policy cannot be read: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(doubts)
    }

    /// CPU time of the main thread of each Redis, which alone runs commands, us since it was started. An older Redis
    /// than 7.0 tells only that of all threads.
    pub fn main_thread_us(&mut self) -> Result<Vec<u64>, LedgerError> {
        let shards = self.shards.iter_mut();
        shards.map(|shard| Ok(main_thread_us(&info(shard, "cpu")?))).collect()
    }

    fn taken<T: FromRedisValue>(&self, partition: u32, answer: Option<Value>) -> Result<T, LedgerError> {
        let value = answer.and_then(|answer| from_redis_value(answer).ok());
        value.ok_or_else(|| self.unexpected(partition, "a value of another form"))
    }
}

/// A section of what a Redis says of itself.
fn info(shard: &mut Shard, section: &str) -> Result<String, LedgerError> {
    let mut query = Pipeline::default();
    query.texts(&["INFO", section]);
    let answer = shard.call(&query)?.pop().unwrap_or_default();
    Ok(from_redis_value(shard.checked(answer)?).unwrap_or_default())
}

fn main_thread_us(info: &str) -> u64 {
    let seconds = |name: &str| -> Option<f64> {
        let value = info
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        value.trim().parse().ok()
    };
    let of =
        |kind: &str| seconds(&format!("used_cpu_{kind}_main_thread")).or_else(|| seconds(&format!("used_cpu_{kind}")));
    let used = of("user").unwrap_or(0.0) + of("sys").unwrap_or(0.0);
    (used * 1e6) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_thread_is_what_counts_where_redis_tells_it() {
        let old = "# CPU\r\nused_cpu_sys:1.5\r\nused_cpu_user:2.25\r\n";
        assert_eq!(main_thread_us(old), 3_750_000);
        let new = format!("{old}used_cpu_sys_main_thread:0.5\r\nused_cpu_user_main_thread:1.0\r\n");
        assert_eq!(main_thread_us(&new), 1_500_000);
        assert_eq!(main_thread_us(""), 0);
    }
}

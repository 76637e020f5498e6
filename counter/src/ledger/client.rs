//! The ledger of one run, spread over one or more Redis by partition: connections, and the one way to change it.

use std::collections::{BTreeSet, VecDeque};

use redis::Value;

use super::apply::{Answer, ApplyReply, Batch, Writer, read_answer};
use super::error::LedgerError;
use super::keys::Keys;
use super::pause::{Note, PAUSES_MAX};
use super::resp::Pipeline;
use super::shard::Shard;
use super::words::member_id;

const APPLY: &str = include_str!("apply.lua");
/// Most commands that are sent before the first answer is read.
const PIPELINE_MAX: usize = 512;
/// Most notes that wait for Redis; older ones are given up.
const NOTES_MAX: usize = 4_096;

/// The ledger of one run: one connection for each Redis, partition `p` in Redis `p mod n`. Calls block, for some
/// seconds at most; async callers use a blocking task. One `Ledger` serves one thread, [`Ledger::detached`] gives
/// another thread its own.
#[derive(Debug)]
pub struct Ledger {
    pub(super) keys: Keys,
    pub(super) shards: Vec<Shard>,
    apply_sha: String,
    packed: Vec<Pipeline>,
    /// What is to be noted beside the totals: a member's name, or a pause.
    notes: VecDeque<(u32, Beside)>,
}

#[derive(Clone, Debug)]
enum Beside {
    Member(String),
    Pause(Note),
    /// Keep the newest pauses only.
    Trim,
}

impl Ledger {
    /// The ledger of run `run_id` at `urls` (one URL for each Redis), connected to all of them.
    pub fn connect<S: AsRef<str>>(urls: &[S], run_id: &str) -> Result<Self, LedgerError> {
        let mut ledger = Self::new(urls, run_id)?;
        ledger.ping()?;
        Ok(ledger)
    }

    /// The same without connecting: each Redis is connected on first use, and again after a failure.
    pub fn new<S: AsRef<str>>(urls: &[S], run_id: &str) -> Result<Self, LedgerError> {
        Self::with_apply_script(urls, run_id, APPLY)
    }

    /// The same with another script in the place of `apply.lua`, for tests that show what a wrong one would do.
    #[doc(hidden)]
    pub fn with_apply_script<S: AsRef<str>>(urls: &[S], run_id: &str, apply: &str) -> Result<Self, LedgerError> {
        let keys = Keys::new(run_id).ok_or_else(|| LedgerError::RunId {
            run_id: run_id.to_owned(),
        })?;
        if urls.is_empty() {
            return Err(LedgerError::Url {
                index: 0,
                reason: "no url given".to_owned(),
            });
        }
        let shard = |(index, url): (usize, &S)| Shard::new(index, url.as_ref(), apply.to_owned());
        let shards = urls.iter().enumerate().map(shard).collect::<Result<Vec<_>, _>>()?;
        let packed = shards.iter().map(|_| Pipeline::default()).collect();
        let apply_sha = redis::Script::new(apply).get_hash().to_owned();
        Ok(Self {
            keys,
            shards,
            apply_sha,
            packed,
            notes: VecDeque::new(),
        })
    }

    /// The same ledger with connections of its own, not connected yet.
    pub fn detached(&self) -> Self {
        Self {
            keys: self.keys.clone(),
            shards: self.shards.iter().map(Shard::detached).collect(),
            apply_sha: self.apply_sha.clone(),
            packed: self.shards.iter().map(|_| Pipeline::default()).collect(),
            notes: VecDeque::new(),
        }
    }

    /// Adds batches, at most one of a partition, in one round trip. The results are in the order of the batches.
    /// Where a result [is ambiguous](LedgerError::is_ambiguous), the same batch may be given again: in exactly-once
    /// mode it is not added twice.
    pub fn apply(&mut self, writer: &Writer, batches: &[Batch<'_>]) -> Vec<Result<ApplyReply, LedgerError>> {
        if writer.member.is_empty() || writer.member.contains(char::is_whitespace) {
            let refused = LedgerError::Member {
                member: writer.member.clone(),
            };
            return batches.iter().map(|_| Err(refused.clone())).collect();
        }
        let mut results = self.apply_once(writer, batches.iter().collect());
        let forgotten = |result: &Result<_, _>| matches!(result, Err(LedgerError::NoScript { .. }));
        let again: Vec<usize> = (0..batches.len()).filter(|&i| forgotten(&results[i])).collect();
        if !again.is_empty() {
            let shards: BTreeSet<usize> = again.iter().map(|&i| self.shard_of(batches[i].partition)).collect();
            for shard in shards {
                // A failure shows in the second attempt.
                let _ = self.shards[shard].load_script();
            }
            let second = self.apply_once(writer, again.iter().map(|&i| &batches[i]).collect());
            for (i, result) in again.into_iter().zip(second) {
                results[i] = result;
            }
        }
        self.note_answers(writer, batches, &results);
        results
            .into_iter()
            .map(|result| result.map(|answer| answer.reply))
            .collect()
    }

    fn apply_once(&mut self, writer: &Writer, batches: Vec<&Batch<'_>>) -> Vec<Result<Answer, LedgerError>> {
        self.packed.iter_mut().for_each(Pipeline::clear);
        for batch in &batches {
            let shard = self.shard_of(batch.partition);
            batch.pack(
                &mut self.packed[shard],
                &self.apply_sha,
                &self.keys.totals(batch.partition),
                writer,
            );
        }
        let sent = self.send_packed();
        let mut results = Vec::with_capacity(batches.len());
        for batch in batches {
            let answer = self.receive(batch.partition, &sent);
            results.push(answer.and_then(|answer| {
                let read = read_answer(answer, batch, writer);
                read.ok_or_else(|| self.unexpected(batch.partition, "an apply of another form"))
            }));
        }
        results
    }

    /// Notes names and pauses; what cannot be noted now is tried again with the next batches.
    fn note_answers(&mut self, writer: &Writer, batches: &[Batch<'_>], answers: &[Result<Answer, LedgerError>]) {
        for (batch, answer) in batches.iter().zip(answers) {
            let Ok(answer) = answer else { continue };
            if answer.takes_over {
                self.notes
                    .push_back((batch.partition, Beside::Member(writer.member.clone())));
            }
            if let Some(pause) = answer.pause {
                self.notes
                    .extend([(batch.partition, Beside::Pause(pause)), (batch.partition, Beside::Trim)]);
            }
        }
        let most = self.notes.len().min(PIPELINE_MAX);
        let notes: Vec<_> = self.notes.drain(..most).collect();
        // Each for itself: another Redis may be out, and a pause is noted once.
        let answers = self.send_notes(&notes);
        for (note, answer) in notes.into_iter().zip(answers).rev() {
            if let Err(error) = answer {
                tracing::debug!(%error, "a name or pause is noted later");
                self.notes.push_front(note);
            }
        }
        let old = self.notes.len().saturating_sub(NOTES_MAX);
        self.notes.drain(..old);
    }

    /// In one round trip; the answers in the order of the notes.
    fn send_notes(&mut self, notes: &[(u32, Beside)]) -> Vec<Result<Value, LedgerError>> {
        self.packed.iter_mut().for_each(Pipeline::clear);
        for &(partition, ref note) in notes {
            let shard = self.shard_of(partition);
            let (keys, pipeline) = (&self.keys, &mut self.packed[shard]);
            match note {
                Beside::Member(name) => {
                    pipeline.texts(&["HSET", &keys.members(partition), &member_id(name).to_string(), name]);
                }
                Beside::Pause(pause) => pipeline.texts(&["LPUSH", &keys.pauses(partition), &pause.text()]),
                Beside::Trim => {
                    pipeline.texts(&["LTRIM", &keys.pauses(partition), "0", &(PAUSES_MAX - 1).to_string()]);
                }
            }
        }
        let sent = self.send_packed();
        notes.iter().map(|note| self.receive(note.0, &sent)).collect()
    }

    /// `commands` commands for each partition, in one round trip for each Redis and some hundred commands. The answers
    /// come in the order of the partitions.
    pub(super) fn for_each(
        &mut self,
        partitions: &[u32],
        commands: usize,
        mut pack: impl FnMut(&Keys, u32, &mut Pipeline),
    ) -> Result<Vec<Value>, LedgerError> {
        let mut answers = Vec::with_capacity(partitions.len() * commands);
        for some in partitions.chunks(PIPELINE_MAX / commands) {
            self.packed.iter_mut().for_each(Pipeline::clear);
            for &partition in some {
                let shard = self.shard_of(partition);
                pack(&self.keys, partition, &mut self.packed[shard]);
            }
            let sent = self.send_packed();
            // Every answer is read before the first error counts, or the next call would read this one's answers.
            let mut received = Vec::with_capacity(some.len() * commands);
            for &partition in some {
                received.extend((0..commands).map(|_| self.receive(partition, &sent)));
            }
            for answer in received {
                answers.push(answer?);
            }
        }
        Ok(answers)
    }

    /// One command for one partition.
    pub(super) fn single(&mut self, partition: u32, arguments: &[&str]) -> Result<Value, LedgerError> {
        let answers = self.for_each(&[partition], 1, |_, _, pipeline| pipeline.texts(arguments))?;
        answers
            .into_iter()
            .next()
            .ok_or_else(|| self.unexpected(partition, "nothing"))
    }

    pub(super) fn unexpected(&self, partition: u32, what: &str) -> LedgerError {
        LedgerError::answer(
            self.shards[self.shard_of(partition)].address(),
            format!("{what} (partition {partition})"),
        )
    }

    /// Sends what is packed to each Redis that has something to do.
    fn send_packed(&mut self) -> Vec<Result<(), LedgerError>> {
        let pairs = self.shards.iter_mut().zip(&self.packed);
        pairs
            .map(|(shard, pipeline)| {
                if pipeline.len() == 0 {
                    Ok(())
                } else {
                    shard.send(pipeline)
                }
            })
            .collect()
    }

    /// The next answer for a partition, where its pipeline was sent.
    fn receive(&mut self, partition: u32, sent: &[Result<(), LedgerError>]) -> Result<Value, LedgerError> {
        let index = self.shard_of(partition);
        sent[index].clone()?;
        let shard = &mut self.shards[index];
        let answer = shard.receive()?;
        shard.checked(answer)
    }

    fn shard_of(&self, partition: u32) -> usize {
        partition as usize % self.shards.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_or_run_that_cannot_be_used_is_named_without_its_password() {
        let wrong = Ledger::new(&["redis://ok:1/", "nonsense://user:secret@host"], "run");
        let message = wrong.expect_err("no redis url").to_string();
        assert!(message.contains("number 1") && !message.contains("secret"), "{message}");
        assert!(matches!(
            Ledger::new(&["redis://localhost/"], "a b"),
            Err(LedgerError::RunId { .. })
        ));
        assert!(matches!(Ledger::new::<&str>(&[], "run"), Err(LedgerError::Url { .. })));
    }

    #[test]
    fn an_unreachable_redis_is_transient_and_not_asked_again_at_once() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        drop(listener);
        let mut ledger = Ledger::new(&[format!("redis://127.0.0.1:{port}/")], "run").expect("a url");
        let first = ledger.read(&[0]).expect_err("nobody listens");
        assert!(
            first.is_transient() && matches!(first, LedgerError::Connect { .. }),
            "{first}"
        );
        assert!(matches!(ledger.read(&[0]), Err(LedgerError::BackingOff { .. })));
    }
}

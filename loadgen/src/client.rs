//! The one unsafe module: a producing client that hands records over and takes delivery reports in batches.
//!
//! Why not the safe `send` of rdkafka: per record it allocates a C string for the topic, looks the topic and the
//! partition up, takes three locks and then reports each delivery with a reference count and a call of its own.
//! `rd_kafka_produce_batch` does all that once for each batch of a partition (see the crate's README for what it saves).
//!
//! What makes it sound:
//! - The topic handle and the queue are made from the client and dropped before it: fields drop in their order.
//! - Records are copied by librdkafka (`MSG_F_COPY`) before `rd_kafka_produce_batch` returns, so the pointers into
//!   [`Records`] need to live no longer than the call.
//! - The messages of a delivery event live until the event is destroyed; [`Deliveries`] borrows the event.
//! - A client is used by one thread at a time: `&mut self` everywhere.

use std::ffi::{CStr, CString, NulError, c_int, c_void};
use std::ptr::{self, NonNull};
use std::slice;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::bindings as sys;
use rdkafka::client::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, DeliveryResult, Producer, ProducerContext, PurgeConfig};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use thiserror::Error;
use tracing::warn;

use crate::records::Records;

/// Why there is no client.
#[derive(Debug, Error)]
pub enum ClientError {
    /// A topic name that C cannot hold.
    #[error("--topic must not contain a NUL character")]
    Topic(#[source] NulError),
    /// A property that librdkafka refuses.
    #[error("cannot make the producing client (see --client-properties): {0}")]
    Create(#[source] KafkaError),
    /// librdkafka could not make its handle of the topic.
    #[error("cannot make the topic handle: {0}")]
    Handle(RDKafkaErrorCode),
    /// The topic's metadata could not be had.
    #[error("cannot read the topic's metadata: {0}")]
    Metadata(#[source] KafkaError),
}

/// What became of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Acknowledged as `--acks` asks.
    Acked,
    /// Certainly not written.
    Failed(RDKafkaErrorCode),
    /// Possibly written.
    Indeterminate(RDKafkaErrorCode),
}

/// The delivery report of one record.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// Partition of the record.
    pub partition: u32,
    /// The record's value.
    pub payload: &'a [u8],
    /// When it was sent, as given with the records.
    pub sent_at_us: u64,
    /// What became of it.
    pub outcome: Outcome,
}

/// What the client has to tell.
pub enum Event<'a> {
    /// Delivery reports.
    Deliveries(Deliveries<'a>),
    /// Statistics, as the JSON that librdkafka writes.
    Statistics(&'a [u8]),
    /// The client cannot go on and must be rebuilt.
    Fatal(String),
    /// A passing error, for the log.
    Error(String),
}

/// How much of a batch was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Produced {
    /// The first so many records were taken.
    pub accepted: usize,
    /// Why the others were not.
    pub error: Option<RDKafkaErrorCode>,
}

/// A producing client for one topic.
pub struct Client {
    topic: TopicHandle,
    queue: QueueHandle,
    messages: Vec<sys::rd_kafka_message_t>,
    reports: Vec<*const sys::rd_kafka_message_t>,
    in_flight: usize,
    producer: BaseProducer<SilentContext>,
}

// SAFETY: librdkafka's handles may be used from any thread; the raw pointers in the two vectors are scratch space that
// is written before it is read within one call.
unsafe impl Send for Client {}

/// rdkafka's own callbacks; deliveries come here only while a dropped client purges what is left.
struct SilentContext;

impl ClientContext for SilentContext {}

impl ProducerContext for SilentContext {
    type DeliveryOpaque = usize;

    fn delivery(&self, _: &DeliveryResult<'_>, _: usize) {}
}

impl Client {
    /// Makes a client and waits until it knows the topic's partitions.
    pub fn connect(config: &ClientConfig, topic: &str, timeout: Duration) -> Result<Self, ClientError> {
        let name = CString::new(topic).map_err(ClientError::Topic)?;
        let producer: BaseProducer<SilentContext> =
            config.create_with_context(SilentContext).map_err(ClientError::Create)?;
        let topic_handle = TopicHandle::new(&producer, &name)?;
        // Records that are produced before the metadata is known take a slow path.
        producer
            .client()
            .fetch_metadata(Some(topic), timeout)
            .map_err(ClientError::Metadata)?;
        let queue = QueueHandle::main(&producer);
        Ok(Self {
            topic: topic_handle,
            queue,
            messages: Vec::new(),
            reports: Vec::new(),
            in_flight: 0,
            producer,
        })
    }

    /// Records that were taken and whose delivery was not reported yet.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Hands records of one partition over, at the given time. Those that are taken are always the first ones: the
    /// records are of one size, and librdkafka refuses all that follow once its queue is full.
    pub fn produce(&mut self, partition: u32, records: &Records, sent_at_us: u64) -> Produced {
        self.messages.clear();
        for record in records.iter() {
            self.messages.push(sys::rd_kafka_message_t {
                err: RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
                rkt: ptr::null_mut(),
                partition: partition as i32,
                payload: record.payload.as_ptr() as *mut c_void,
                len: record.payload.len(),
                key: record.key.as_ptr() as *mut c_void,
                key_len: record.key.len(),
                offset: 0,
                _private: sent_at_us as usize as *mut c_void,
            });
        }
        let count = self.messages.len();
        // SAFETY: the topic handle is valid; `messages` holds `count` messages whose payloads and keys live in
        // `records` until the call has copied them, and which are not written through.
        let accepted = unsafe {
            sys::rd_kafka_produce_batch(
                self.topic.0.as_ptr(),
                partition as i32,
                sys::RD_KAFKA_MSG_F_COPY as c_int,
                self.messages.as_mut_ptr(),
                count as c_int,
            )
        };
        let accepted = accepted.max(0) as usize;
        self.in_flight += accepted;
        let error = self
            .messages
            .get(accepted)
            .filter(|_| accepted < count)
            .map(|refused| refused.err.into());
        Produced { accepted, error }
    }

    /// Waits at most `timeout` (in whole milliseconds) for an event and gives it to `handle`. `false` if none came.
    pub fn poll(&mut self, timeout: Duration, handle: &mut impl FnMut(Event<'_>)) -> bool {
        let timeout_ms = timeout.as_millis().min(1000) as c_int;
        // SAFETY: the queue is valid; the event, if any, is owned by us from here.
        let Some(event) = NonNull::new(unsafe { sys::rd_kafka_queue_poll(self.queue.0.as_ptr(), timeout_ms) }) else {
            return false;
        };
        let event = EventHandle(event);
        // SAFETY: the event is valid.
        match unsafe { sys::rd_kafka_event_type(event.0.as_ptr()) } {
            sys::RD_KAFKA_EVENT_DR => {
                handle(Event::Deliveries(event.deliveries(&mut self.reports)));
                let reported = self.reports.len();
                // Before the count goes down librdkafka has to have let the records go, or its own limit could be hit.
                drop(event);
                self.in_flight = self.in_flight.saturating_sub(reported);
            }
            sys::RD_KAFKA_EVENT_STATS => handle(Event::Statistics(event.statistics())),
            sys::RD_KAFKA_EVENT_ERROR => handle(self.error_event(&event)),
            _ => {}
        }
        true
    }

    /// Gives up everything that is queued or in flight; the delivery reports say so.
    pub fn purge(&mut self) {
        self.producer.purge(PurgeConfig::default().queue().inflight());
    }

    fn error_event(&self, event: &EventHandle) -> Event<'static> {
        // SAFETY: the event is valid and an error event; its text lives as long as the event.
        let (code, text) = unsafe {
            let code = sys::rd_kafka_event_error(event.0.as_ptr());
            let text = sys::rd_kafka_event_error_string(event.0.as_ptr());
            (
                code,
                if text.is_null() {
                    String::new()
                } else {
                    CStr::from_ptr(text).to_string_lossy().into_owned()
                },
            )
        };
        match (RDKafkaErrorCode::from(code), self.producer.client().fatal_error()) {
            (RDKafkaErrorCode::Fatal, Some((code, text))) => Event::Fatal(format!("{code}: {text}")),
            (RDKafkaErrorCode::Fatal, None) => Event::Fatal(text),
            (code, _) => Event::Error(format!("{code}: {text}")),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.in_flight > 0 {
            warn!(
                records = self.in_flight,
                "closing the client with records whose outcome stays unknown"
            );
        }
    }
}

/// The delivery reports of one event.
pub struct Deliveries<'a> {
    messages: slice::Iter<'a, *const sys::rd_kafka_message_t>,
}

impl<'a> Iterator for Deliveries<'a> {
    type Item = Delivery<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        // SAFETY: the pointers came with the event that `'a` borrows, and it keeps the messages alive.
        let message = unsafe { &**self.messages.next()? };
        let payload = if message.payload.is_null() {
            &[]
        } else {
            // SAFETY: payload and length describe librdkafka's copy of the record, which lives with the message.
            unsafe { slice::from_raw_parts(message.payload.cast::<u8>(), message.len) }
        };
        let sent_at_us = message._private as usize as u64;
        Some(Delivery {
            partition: message.partition as u32,
            payload,
            sent_at_us,
            outcome: outcome(message),
        })
    }
}

fn outcome(message: &sys::rd_kafka_message_t) -> Outcome {
    if message.err == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Outcome::Acked;
    }
    let code = RDKafkaErrorCode::from(message.err);
    // SAFETY: the message came from a delivery event and lives.
    match unsafe { sys::rd_kafka_message_status(message) } {
        sys::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED => Outcome::Failed(code),
        _ => Outcome::Indeterminate(code),
    }
}

struct TopicHandle(NonNull<sys::rd_kafka_topic_t>);

impl TopicHandle {
    fn new(producer: &BaseProducer<SilentContext>, name: &CStr) -> Result<Self, ClientError> {
        // SAFETY: the client is valid and outlives the handle; without a configuration the client's own is used.
        let handle = unsafe { sys::rd_kafka_topic_new(producer.client().native_ptr(), name.as_ptr(), ptr::null_mut()) };
        // SAFETY: reads the calling thread's last error.
        let error = || ClientError::Handle(unsafe { sys::rd_kafka_last_error() }.into());
        NonNull::new(handle).map(Self).ok_or_else(error)
    }
}

impl Drop for TopicHandle {
    fn drop(&mut self) {
        // SAFETY: ours, and not used after this.
        unsafe { sys::rd_kafka_topic_destroy(self.0.as_ptr()) }
    }
}

struct QueueHandle(NonNull<sys::rd_kafka_queue_t>);

impl QueueHandle {
    fn main(producer: &BaseProducer<SilentContext>) -> Self {
        // SAFETY: the client is valid and outlives the handle.
        let queue = unsafe { sys::rd_kafka_queue_get_main(producer.client().native_ptr()) };
        Self(NonNull::new(queue).expect("a client has a main queue"))
    }
}

impl Drop for QueueHandle {
    fn drop(&mut self) {
        // SAFETY: ours, and not used after this.
        unsafe { sys::rd_kafka_queue_destroy(self.0.as_ptr()) }
    }
}

struct EventHandle(NonNull<sys::rd_kafka_event_t>);

impl EventHandle {
    fn deliveries<'a>(&'a self, reports: &'a mut Vec<*const sys::rd_kafka_message_t>) -> Deliveries<'a> {
        // SAFETY: the event is a valid delivery event; the vector has room for what the event holds, and its length is
        // set to what was written.
        unsafe {
            let count = sys::rd_kafka_event_message_count(self.0.as_ptr());
            reports.clear();
            reports.reserve(count);
            let written = sys::rd_kafka_event_message_array(self.0.as_ptr(), reports.as_mut_ptr(), count);
            reports.set_len(written);
        }
        Deliveries {
            messages: reports.iter(),
        }
    }
}

impl EventHandle {
    fn statistics(&self) -> &[u8] {
        // SAFETY: the event is valid and one of statistics; its text lives as long as the event.
        unsafe {
            let text = sys::rd_kafka_event_stats(self.0.as_ptr());
            if text.is_null() {
                &[]
            } else {
                CStr::from_ptr(text).to_bytes()
            }
        }
    }
}

impl Drop for EventHandle {
    fn drop(&mut self) {
        // SAFETY: ours, and not used after this.
        unsafe { sys::rd_kafka_event_destroy(self.0.as_ptr()) }
    }
}

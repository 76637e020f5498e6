//! The counter of eoslab: consumes the events of a run, keeps an exact total for each account in Redis, and proves it.
//!
//! [`ledger`] is the state in Redis and the scripts that change it; the operator reads it too. [`count`] decides,
//! without I/O, what becomes of each record and of each answer of the ledger. [`run`] puts both between Kafka and
//! Redis. [`verify`] is the oracle: it knows neither Kafka nor what a counter did, only the streams and the ledger.

pub mod args;
pub mod count;
pub mod ledger;
pub mod run;
pub mod verify;

//! What eoslab-core promises, by subject. Most checks come with a broken twin: the mistake that the check is there for,
//! made on purpose, which the check must catch.

mod accounts;
mod common;
mod counts;
mod distribution;
mod events;
mod golden;
mod latencies;
mod paddings;
mod partitioner;
mod reports;
mod specs;
mod streams;
mod tallies;

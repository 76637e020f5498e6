//! The LoadTest controller.
//!
//! A reconciliation is five steps, each in a place of its own: [`dereference`] looks at everything (I/O), [`plan`]
//! validates, [`decide`] says what comes next (pure), [`build`] makes the objects (pure) and [`apply`] sends them, and
//! [`status`] writes what was seen (pure, then one patch). What was seen is plain data ([`seen`]); Kafka, Redis and the
//! pods are behind a trait ([`outside`]). Nothing is stored but in the cluster's API, so the operator may die at any
//! moment.

pub mod apply;
pub mod args;
pub mod build;
pub mod cleanup;
pub mod context;
pub mod decide;
pub mod dereference;
pub mod error;
pub mod events;
pub mod http;
pub mod memory;
pub mod metrics;
pub mod names;
pub mod outside;
pub mod plan;
pub mod reconcile;
pub mod redis_urls;
pub mod report;
pub mod rivals;
pub mod run;
pub mod search;
pub mod seen;
pub mod status;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod scenarios;

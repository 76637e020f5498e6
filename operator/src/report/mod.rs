//! The report of a run: recorded while the run goes on, kept in a ConfigMap, written with its page at the end.

mod compose;
mod keeper;
mod recorder;

pub use keeper::Keeper;

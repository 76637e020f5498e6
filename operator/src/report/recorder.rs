//! How a run goes over time: a point of the report's series each interval, made from what grew since the one before.

use eoslab_core::LatencyHistogram;
use eoslab_report::{Cpu, LatencyPoint, Point, Series};

use crate::plan::Plan;
use crate::seen::members::Members;
use crate::seen::usage::UsageWindow;
use crate::seen::{Seen, log};
use crate::status::micro_time;

/// A look may come this much early and is a point all the same, us.
const EARLY_US: i64 = 200_000;

/// Records the series of one run.
#[derive(Debug, Default)]
pub struct Recorder {
    series: Series,
    before: Option<Snapshot>,
}

/// What a look saw: cumulative.
#[derive(Debug)]
struct Snapshot {
    at_us: i64,
    sent: u64,
    counted: u64,
    end_to_end: LatencyHistogram,
    response: LatencyHistogram,
    usage: UsageWindow,
}

impl Recorder {
    /// Goes on with the points that an operator before this one recorded.
    pub fn resumed(series: Series) -> Self {
        Self { series, before: None }
    }

    /// Whether anything was recorded.
    pub fn has_points(&self) -> bool {
        !self.series.points.is_empty()
    }

    /// What was recorded.
    pub fn series(&self) -> &Series {
        &self.series
    }

    /// Takes in a look at a run whose events are due since `start_us`, where one is due.
    ///
    /// `has_all` says whether every member told what it did. What one has done before it was heard of would look as if it
    /// had been done just now, so the first look, also after a restart of the operator, needs all of them, log and ledger.
    pub fn push(&mut self, plan: &Plan, (start_us, now_us): (i64, i64), seen: &Seen, members: &Members, has_all: bool) {
        let started_at = Some(micro_time(start_us));
        // A start may be put off while nothing has happened.
        if self.series.points.is_empty() && self.series.started_at != started_at {
            self.series = Series::planned(planned_seconds(plan));
            self.series.started_at = started_at;
            self.before = None;
        }
        let interval_us = self.series.interval_ms as i64 * 1000;
        let is_early = |before: &Snapshot| now_us - before.at_us < interval_us - EARLY_US;
        let is_whole = has_all && seen.log.is_some() && seen.ledger.is_some();
        let is_of_use = self.before.as_ref().map_or(is_whole, |before| !is_early(before));
        if now_us < start_us || !is_of_use {
            return;
        }
        let before = self.before.take();
        let now = Snapshot::new(now_us, seen, members, before.as_ref());
        if let Some(mut before) = before {
            before.usage.push_members(now_us, members.usage());
            self.series.push(point(plan, start_us, &before, &now, seen));
        }
        self.before = Some(now);
    }
}

impl Snapshot {
    fn new(at_us: i64, seen: &Seen, members: &Members, before: Option<&Self>) -> Self {
        let mut usage = UsageWindow::default();
        usage.push_members(at_us, members.usage());
        let known = before.map_or((0, 0), |before| (before.sent, before.counted));
        Self {
            at_us,
            // No number goes back.
            sent: seen.sent_events().max(known.0),
            counted: seen.counted_events().unwrap_or(0).max(known.1),
            end_to_end: seen.counted.end_to_end.clone(),
            response: seen.produced.response.clone(),
            usage,
        }
    }
}

fn point(plan: &Plan, start_us: i64, before: &Snapshot, now: &Snapshot, seen: &Seen) -> Point {
    let us = (now.at_us - before.at_us).max(1) as u64;
    let a_second = |more: u64| more * 1_000_000 / us;
    let lag = seen.log.as_deref().zip(seen.ledger.as_deref());
    let lag = lag.map(|(log, ledger)| log::lag(log, ledger, now.at_us));
    let of = |now: &LatencyHistogram, before: &LatencyHistogram| LatencyPoint::new(&now.since(before)?);
    // In a closed loop the intended time is the actual one, and waits for whatever is slow.
    let end_to_end = of(&now.end_to_end, &before.end_to_end).filter(|_| plan.rate().is_some());
    Point {
        from_ms: (before.at_us - start_us) / 1000,
        at_ms: (now.at_us - start_us) / 1000,
        sent_per_second: a_second(now.sent - before.sent),
        counted_per_second: a_second(now.counted - before.counted),
        lag_records: lag.as_ref().map(|lag| lag.records),
        lag_ms: lag.as_ref().map(|lag| lag.millis),
        end_to_end,
        response: of(&now.response, &before.response),
        cpu: cpu(plan, &before.usage),
        ready: seen.producers.ready() + seen.counters.ready(),
    }
}

fn cpu(plan: &Plan, window: &UsageWindow) -> Cpu {
    let Some(used) = window.utilization(plan).filter(|_| window.has_members()) else {
        return Cpu::default();
    };
    Cpu {
        producers_millicores: Some(used.producers.cpu_millicores),
        counters_millicores: Some(used.counters.cpu_millicores),
        node_percent: used.node.map(|node| node.cpu_percent),
    }
}

/// How long events are to be sent; with `rate: max` nobody can tell.
fn planned_seconds(plan: &Plan) -> u64 {
    let by_events = plan
        .events()
        .zip(plan.rate())
        .map(|(events, rate)| events / rate.max(1));
    by_events.or(plan.seconds().map(u64::from)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use eoslab_counter::ledger::LedgerEntry;

    use super::*;
    use crate::fixtures::plan;
    use crate::seen::log::LogRange;
    use crate::seen::totals::{CounterTotals, ProducerTotals};

    fn seen(sent: u64, counted: u64, latencies_us: &[u64]) -> Seen {
        let mut end_to_end = LatencyHistogram::default();
        latencies_us.iter().for_each(|us| end_to_end.record(*us));
        let mut entry = LedgerEntry {
            offset: counted as i64 - 1,
            ts_us: 1,
            ..LedgerEntry::empty(0)
        };
        entry.tally.count = counted;
        Seen {
            produced: ProducerTotals {
                sent,
                ..ProducerTotals::default()
            },
            counted: CounterTotals {
                end_to_end,
                ..CounterTotals::default()
            },
            log: Some(vec![LogRange {
                begin: 0,
                end: sent as i64,
            }]),
            ledger: Some(vec![entry]),
            ..Seen::default()
        }
    }

    #[test]
    fn a_point_holds_what_came_since_the_last_one_and_nothing_else() {
        let (plan, members) = (plan(), Members::default());
        let mut recorder = Recorder::default();
        recorder.push(&plan, (1_000_000, 500_000), &seen(0, 0, &[]), &members, true);
        recorder.push(
            &plan,
            (1_000_000, 1_000_000),
            &seen(100, 100, &[9_000_000]),
            &members,
            true,
        );
        recorder.push(
            &plan,
            (1_000_000, 1_500_000),
            &seen(200, 150, &[9_000_000]),
            &members,
            true,
        );
        recorder.push(
            &plan,
            (1_000_000, 3_000_000),
            &seen(600, 300, &[9_000_000, 1_000, 3_000]),
            &members,
            true,
        );
        let points = &recorder.series().points;
        assert_eq!(
            points.len(),
            1,
            "before the start, the first look and an early one are no points"
        );
        let point = &points[0];
        assert_eq!(
            (point.at_ms, point.sent_per_second, point.counted_per_second),
            (2000, 250, 100)
        );
        assert_eq!(point.lag_records, Some(300));
        let latency = point.end_to_end.expect("two samples");
        assert_eq!((latency.samples, latency.max_us / 1000), (2, 3), "the 9 s were before");
    }

    #[test]
    fn numbers_that_went_back_with_a_dead_member_are_no_point_below_zero() {
        let (plan, members) = (plan(), Members::default());
        let mut recorder = Recorder::default();
        recorder.push(&plan, (0, 1_000_000), &seen(100, 100, &[5, 5]), &members, true);
        recorder.push(&plan, (0, 2_000_000), &seen(50, 40, &[5]), &members, true);
        recorder.push(&plan, (0, 3_000_000), &seen(110, 120, &[5, 7]), &members, true);
        let sent: Vec<u64> = recorder
            .series()
            .points
            .iter()
            .map(|point| point.sent_per_second)
            .collect();
        assert_eq!(sent, [0, 10]);
        assert_eq!(recorder.series().points[0].end_to_end, None);
    }

    #[test]
    fn what_was_done_before_a_member_was_heard_of_is_no_point() {
        let (plan, members) = (plan(), Members::default());
        let mut recorder = Recorder::default();
        recorder.push(&plan, (0, 1_000_000), &seen(100, 100, &[]), &members, false);
        let blind = Seen {
            ledger: None,
            ..seen(100, 100, &[])
        };
        recorder.push(&plan, (0, 2_000_000), &blind, &members, true);
        recorder.push(&plan, (0, 3_000_000), &seen(900, 900, &[9_000_000]), &members, true);
        recorder.push(
            &plan,
            (0, 4_000_000),
            &seen(1000, 1000, &[9_000_000, 5]),
            &members,
            true,
        );
        let points = &recorder.series().points;
        assert_eq!(points.len(), 1);
        assert_eq!((points[0].from_ms, points[0].sent_per_second), (3000, 100));
        assert_eq!(points[0].end_to_end.map(|latency| latency.samples), Some(1));
    }

    #[test]
    fn a_restarted_operator_goes_on_where_the_last_one_stood() {
        let (plan, members) = (plan(), Members::default());
        let mut first = Recorder::default();
        first.push(&plan, (0, 1_000_000), &seen(100, 100, &[]), &members, true);
        first.push(&plan, (0, 2_000_000), &seen(200, 200, &[]), &members, true);
        let mut second = Recorder::resumed(first.series().clone());
        second.push(&plan, (0, 9_000_000), &seen(900, 900, &[]), &members, true);
        assert_eq!(second.series().points.len(), 1, "nobody saw what was between");
        second.push(&plan, (0, 10_000_000), &seen(1000, 1000, &[]), &members, true);
        assert_eq!(second.series().points.last().map(|point| point.at_ms), Some(10_000));
    }
}

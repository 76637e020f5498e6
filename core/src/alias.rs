//! Alias tables (Walker, Vose): a weighted draw for the price of one look-up.

use crate::mix::mix64;

/// Columns of the head: 16 KiB, so that the heads of a dozen partitions stay in a core's second-level cache.
const HEAD: usize = 2048;

/// One column of an alias table, 8 bytes, so that none lies across two cache lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Column {
    /// The share of the column that is its own, in 2^-32.
    threshold: u32,
    /// Whose the rest is; the column itself if it is full.
    alias: u32,
}

/// The columns of one of the two tables.
#[derive(Clone, Copy, Debug)]
struct Span {
    first: u32,
    len: u32,
}

/// A point of the table: a column, and a height in it in 2^-32.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Point {
    column: u32,
    height: u32,
}

/// Draws indices of a list of weights.
///
/// Two alias tables: one over the first [`HEAD`] weights, one over the others. An alias table is read at random all
/// over, hot or not; where the first weights are the largest, most draws end in the small table, which stays cached.
#[derive(Clone, Debug)]
pub(crate) struct AliasTable {
    columns: Box<[Column]>,
    /// Share of the head among all weights, in 2^-64.
    head_share: u64,
    /// Head and tail; twice the head where there is no tail.
    spans: [Span; 2],
}

impl AliasTable {
    /// Builds the tables from at least one weight.
    ///
    /// The order of operations is fixed and they are IEEE additions, multiplications and divisions, hence the same
    /// bits on every machine.
    pub(crate) fn new(weights: &[f64]) -> Self {
        let (head, tail) = weights.split_at(weights.len().min(HEAD));
        let (head_weight, tail_weight) = (head.iter().sum::<f64>(), tail.iter().sum::<f64>());
        let head_span = Span {
            first: 0,
            len: head.len() as u32,
        };
        let tail_span = Span {
            first: head_span.len,
            len: tail.len() as u32,
        };
        let mut columns: Box<[Column]> = (0..weights.len() as u32).map(Column::full).collect();
        fill(&mut columns[..head.len()], 0, head, head_weight);
        fill(&mut columns[head.len()..], head_span.len, tail, tail_weight);
        Self {
            columns,
            head_share: (head_weight / (head_weight + tail_weight) * 18_446_744_073_709_551_616.0) as u64,
            spans: [head_span, if tail.is_empty() { head_span } else { tail_span }],
        }
    }

    /// Where a random word falls: first half of [`Self::draw`], which needs no look-up.
    #[inline(always)]
    pub(crate) fn locate(&self, word: u64) -> Point {
        let span = self.spans[usize::from(word >= self.head_share)];
        let product = u128::from(mix64(!word)) * u128::from(span.len);
        Point {
            column: span.first + (product >> 64) as u32,
            height: (product >> 32) as u32,
        }
    }

    /// The index drawn by a point: second half of [`Self::draw`], one look-up.
    #[inline(always)]
    pub(crate) fn choose(&self, point: Point) -> u32 {
        let column = self.columns[point.column as usize];
        // A select, not a branch: it cannot be predicted, and a wrong guess would end the overlap of cache misses.
        std::hint::select_unpredictable(point.height < column.threshold, point.column, column.alias)
    }

    /// The index that a random word draws.
    #[inline(always)]
    pub(crate) fn draw(&self, word: u64) -> u32 {
        self.choose(self.locate(word))
    }

    /// Number of weights.
    pub(crate) fn len(&self) -> usize {
        self.columns.len()
    }

    /// The probability of each index, added up from the columns.
    #[cfg(test)]
    fn probabilities(&self) -> Vec<f64> {
        let mut probabilities = vec![0.0; self.columns.len()];
        let head_share = self.head_share as f64 / 18_446_744_073_709_551_616.0;
        for (index, column) in self.columns.iter().enumerate() {
            let (span, share) = match index < self.spans[0].len as usize {
                true => (self.spans[0], head_share),
                false => (self.spans[1], 1.0 - head_share),
            };
            let own = f64::from(column.threshold) / 4_294_967_296.0;
            probabilities[index] += own * share / f64::from(span.len);
            probabilities[column.alias as usize] += (1.0 - own) * share / f64::from(span.len);
        }
        probabilities
    }
}

impl Column {
    fn full(own: u32) -> Self {
        Self {
            threshold: 0,
            alias: own,
        }
    }

    fn split(own: f64, alias: u32) -> Self {
        Self {
            threshold: (own * 4_294_967_296.0) as u32,
            alias,
        }
    }
}

/// Splits full columns, numbered from `first`, in one sweep of two cursors: what the columns below average lack is
/// taken from those above, one after the other. What rounding leaves over in the end keeps its full column.
fn fill(columns: &mut [Column], first: u32, weights: &[f64], weight: f64) {
    let scale = weights.len() as f64 / weight;
    let scaled = |column: usize| weights[column] * scale;
    let next = |from: usize, above: bool| (from..weights.len()).find(|column| (scaled(*column) >= 1.0) == above);
    let (mut small, Some(mut large)) = (next(0, false), next(0, true)) else {
        return;
    };
    let mut rest = scaled(large);
    loop {
        if rest < 1.0 {
            let Some(giver) = next(large + 1, true) else { return };
            columns[large] = Column::split(rest, first + giver as u32);
            rest = (rest + scaled(giver)) - 1.0;
            large = giver;
        } else {
            let Some(taker) = small else { return };
            columns[taker] = Column::split(scaled(taker), first + large as u32);
            rest = (rest + scaled(taker)) - 1.0;
            small = next(taker + 1, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The largest difference between the table's probabilities and the weights' shares.
    fn error(table: &AliasTable, weights: &[f64]) -> f64 {
        let total: f64 = weights.iter().sum();
        let differences = table
            .probabilities()
            .into_iter()
            .zip(weights)
            .map(|(p, weight)| (p - weight / total).abs());
        differences.fold(0.0, f64::max)
    }

    proptest! {
        #[test]
        fn probabilities_are_the_weights(weights in proptest::collection::vec(1e-6..1e6f64, 1..6000)) {
            prop_assert!(error(&AliasTable::new(&weights), &weights) < 2e-9);
        }

        #[test]
        fn any_word_draws_an_index(weights in proptest::collection::vec(1e-6..1e6f64, 1..50), word: u64) {
            let table = AliasTable::new(&weights);
            for word in [word, 0, u64::MAX, table.head_share, table.head_share.wrapping_sub(1)] {
                prop_assert!((table.draw(word) as usize) < weights.len());
            }
        }
    }

    #[test]
    fn zipf_probabilities_are_exact_at_any_size() {
        for exponent in [0.0, 0.7, 1.0, 1.1, 3.0] {
            for len in [1, 2, HEAD - 1, HEAD, HEAD + 1, HEAD + 2, 300_000] {
                let weights: Vec<f64> = (1..=len).map(|rank| libm::pow(rank as f64, -exponent)).collect();
                let error = error(&AliasTable::new(&weights), &weights);
                assert!(
                    error < 1e-9,
                    "off by {error:e} at exponent {exponent} and {len} weights"
                );
            }
        }
    }

    /// The twin: a table whose aliases all point to the first column.
    #[test]
    fn a_table_with_wrong_aliases_is_caught() {
        let weights: Vec<f64> = (1..=100).map(|rank| 1.0 / f64::from(rank)).collect();
        let mut table = AliasTable::new(&weights);
        table.columns.iter_mut().for_each(|column| column.alias = 0);
        assert!(error(&table, &weights) > 1e-3);
    }
}

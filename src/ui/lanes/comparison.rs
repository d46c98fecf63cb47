//! How lanes are set against each other: which viewports there are and what each shows.

use crate::ui::state::view::Comparison;

/// Two lanes by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Left of the wipe line, shown first, subtracted from.
    pub a: usize,
    /// The other.
    pub b: usize,
}

impl Default for Pair {
    fn default() -> Self {
        Self { a: 0, b: 1 }
    }
}

impl Pair {
    /// The pair if both lanes exist and differ, else the first two.
    pub fn within(self, lanes: usize) -> Self {
        if self.a < lanes && self.b < lanes && self.a != self.b { self } else { Self::default() }
    }
}

/// What one viewport shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellContent {
    /// A lane.
    Lane(usize),
    /// Two lanes, a line between them.
    Wipe(Pair),
    /// A lane, and which one is behind it.
    Flip {
        /// The lane in view.
        front: usize,
        /// The lane behind it.
        behind: usize,
    },
    /// Where two lanes differ.
    Difference(Pair),
}

impl CellContent {
    /// The lane under a point; `left` says whether it is left of the wipe line.
    pub fn lane_at(self, left: bool) -> usize {
        match self {
            Self::Lane(lane) | Self::Flip { front: lane, .. } => lane,
            Self::Wipe(pair) if left => pair.a,
            Self::Wipe(pair) => pair.b,
            Self::Difference(pair) => pair.a,
        }
    }
}

/// The viewports of a comparison of `lanes` lanes. With fewer than two there is nothing to compare.
pub fn cells(comparison: Comparison, pair: Pair, lanes: usize, flipped: bool) -> Vec<CellContent> {
    let pair = pair.within(lanes);
    match comparison {
        _ if lanes < 2 => (0..lanes).map(CellContent::Lane).collect(),
        Comparison::SideBySide => (0..lanes).map(CellContent::Lane).collect(),
        Comparison::Wipe => vec![CellContent::Wipe(pair)],
        Comparison::Flip if flipped => {
            vec![CellContent::Flip { front: pair.b, behind: pair.a }]
        }
        Comparison::Flip => vec![CellContent::Flip { front: pair.a, behind: pair.b }],
        Comparison::Difference => vec![CellContent::Difference(pair)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_lane_is_never_compared() {
        for comparison in [Comparison::Wipe, Comparison::Flip, Comparison::Difference] {
            assert_eq!(cells(comparison, Pair::default(), 1, false), [CellContent::Lane(0)]);
            assert!(cells(comparison, Pair::default(), 0, true).is_empty());
        }
    }

    #[test]
    fn alt_shows_the_other_lane_in_place() {
        let pair = Pair { a: 2, b: 0 };
        let front = |flipped| cells(Comparison::Flip, pair, 3, flipped)[0].lane_at(true);
        assert_eq!((front(false), front(true)), (2, 0));
    }

    #[test]
    fn a_pair_of_another_run_falls_back() {
        let pair = Pair { a: 3, b: 1 };
        assert_eq!(pair.within(4), pair);
        assert_eq!(pair.within(2), Pair::default());
        let wipe = cells(Comparison::Wipe, pair, 4, false)[0];
        assert_eq!((wipe.lane_at(true), wipe.lane_at(false)), (3, 1));
    }
}

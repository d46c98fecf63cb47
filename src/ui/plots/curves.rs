//! The curves of the plot in view, reduced to what its width can show and kept until something changes.

use crate::engine::quantities::quantity::{Axis, Plotted, Quantity};
use crate::engine::quantities::table;
use crate::engine::trace::{RunId, StepRecord};
use crate::ui::plots::data;
use crate::ui::state::run_view::RunView;
use egui_plot::PlotPoint;
use std::ops::Range;

/// Width of a bucket of a dashed curve that is averaged, in points.
const DASH_BUCKET: f32 = 4.0;

/// The cached curves.
#[derive(Default)]
pub struct Curves {
    /// Those of the tab in view, each lane's of one quantity together.
    pub list: Vec<Curve>,
    /// The filled area of the entropy tab.
    pub gap: Gap,
    /// The range of x in view.
    pub visible: Option<(f64, f64)>,
    /// Width of the plot, in points.
    pub width: f32,
    key: Option<CurvesKey>,
}

/// What the cached curves were made from.
#[derive(Debug, Clone, PartialEq)]
struct CurvesKey {
    run: RunId,
    tab: Axis,
    records: Vec<usize>,
    visible: Range<usize>,
    buckets: usize,
    gap_lane: usize,
}

/// One quantity of one lane.
pub struct Curve {
    /// Index of the lane.
    pub lane: usize,
    /// Index among the curves of its plot.
    pub series: usize,
    /// What it shows.
    pub quantity: &'static Quantity,
    /// Its points.
    pub points: Vec<PlotPoint>,
}

/// The area between conditional and unconditional entropy.
#[derive(Default)]
pub struct Gap {
    /// x.
    pub steps: Vec<f64>,
    /// One edge.
    pub conditional: Vec<f64>,
    /// The other.
    pub unconditional: Vec<f64>,
}

impl Curves {
    /// Forgets all curves.
    pub fn clear(&mut self) {
        (self.key, self.visible) = (None, None);
        self.list.clear();
        self.gap = Gap::default();
    }

    /// Makes the curves again if the run, the tab, the zoom or the width changed.
    pub fn update(&mut self, run: &RunView, tab: Axis, gap_lane: usize) {
        let steps = run.steps();
        let (from, to) = self.visible.unwrap_or((0.0, steps as f64));
        let start = (from.floor() - 1.0).max(0.0) as usize;
        let end = ((to.ceil() + 2.0).max(0.0) as usize).min(steps);
        let key = CurvesKey {
            run: run.record.id,
            tab,
            records: run.lanes.iter().map(|lane| lane.records.len()).collect(),
            visible: start.min(end)..end,
            buckets: (self.width.max(200.0)) as usize,
            gap_lane,
        };
        if self.key.as_ref() == Some(&key) {
            return;
        }
        self.list.clear();
        for (index, quantity) in table::curves(tab).into_iter().enumerate() {
            for (lane, view) in run.lanes.iter().enumerate() {
                let dashed = quantity.plotted == Plotted::Third;
                let bucket = if dashed { DASH_BUCKET } else { 1.0 };
                let buckets = (key.buckets as f32 / bucket) as usize;
                let (value, visible) = (|record: &_| quantity.value(record), key.visible.clone());
                let points = data::curve(&view.records, value, visible, buckets, dashed);
                self.list.push(Curve { lane, series: index, quantity, points });
            }
        }
        self.gap = match (tab, run.lanes.get(gap_lane)) {
            (Axis::Entropy, Some(lane)) => Gap::new(&lane.records, &key),
            _ => Gap::default(),
        };
        self.key = Some(key);
    }
}

impl Gap {
    fn new(records: &[StepRecord], key: &CurvesKey) -> Self {
        let end = key.visible.end.min(records.len());
        let records = records.get(key.visible.start.min(end)..end).unwrap_or_default();
        let size = records.len().div_ceil(key.buckets).max(1);
        let mut gap = Self::default();
        for (index, chunk) in records.chunks(size).enumerate() {
            let known = chunk.iter().filter_map(|record| {
                Some((record.entropy_conditional, record.entropy_unconditional?))
            });
            let (count, c, u) = known.fold((0.0, 0.0, 0.0), |(count, sum_c, sum_u), (c, u)| {
                (count + 1.0, sum_c + f64::from(c), sum_u + f64::from(u))
            });
            let (c, u): (f64, f64) = (c / count, u / count);
            if c.is_finite() && u.is_finite() {
                gap.steps.push((key.visible.start + index * size + (size - 1) / 2) as f64);
                gap.conditional.push(c);
                gap.unconditional.push(u);
            }
        }
        gap
    }
}

//! What the plots show, without a window: the curves reduced to what a plot of some width can show, the row
//! bands, the range of y, and the CSV of a plot.

use crate::compute::layout::{StepKind, TokenLayout};
use crate::engine::quantities::quantity::{Axis, Quantity};
use crate::engine::quantities::table::{curves, numbers};
use crate::engine::trace::StepRecord;
use crate::ui::kit::range::fitted_range;
use crate::ui::state::run_view::RunView;
use egui_plot::PlotPoint;
use std::ops::Range;

/// The steps of every second row of the image, as ranges of x.
pub fn row_bands(layout: &TokenLayout) -> Vec<Range<usize>> {
    let starts = layout.row_starts();
    let ends = starts.iter().skip(1).copied().chain([layout.len()]);
    starts.iter().copied().zip(ends).skip(1).step_by(2).map(|(start, end)| start..end).collect()
}

/// The points of a curve over `visible` steps. With more steps than `buckets`, each bucket keeps its
/// smallest and largest value in their order, so that no peak is lost; `average` keeps the mean
/// instead, for dashed curves, whose dashes would not survive.
pub fn curve(
    records: &[StepRecord],
    value: impl Fn(&StepRecord) -> Option<f32>,
    visible: Range<usize>,
    buckets: usize,
    average: bool,
) -> Vec<PlotPoint> {
    let end = visible.end.min(records.len());
    let start = visible.start.min(end);
    let records = records.get(start..end).unwrap_or_default();
    let point =
        |offset: usize, value: f32| PlotPoint::new((start + offset) as f64, f64::from(value));
    let finite = |record: &StepRecord| value(record).filter(|value| value.is_finite());
    if records.len() <= buckets.max(1) * 2 {
        let points = records.iter().enumerate();
        return points.filter_map(|(i, record)| Some(point(i, finite(record)?))).collect();
    }
    let size = records.len().div_ceil(buckets.max(1));
    let mut points = Vec::with_capacity(2 * buckets + 2);
    for (bucket, records) in records.chunks(size).enumerate() {
        let offset = bucket * size;
        let values =
            || records.iter().enumerate().filter_map(|(i, record)| Some((i, finite(record)?)));
        if average {
            let (count, sum) = values().fold((0, 0.0), |(n, sum), (_, value)| (n + 1, sum + value));
            if count > 0 {
                points.push(point(offset + records.len() / 2, sum / count as f32));
            }
            continue;
        }
        let low = values().min_by(|a, b| a.1.total_cmp(&b.1));
        let high = values().max_by(|a, b| a.1.total_cmp(&b.1));
        if let (Some(low), Some(high)) = (low, high) {
            let (first, second) = if low.0 <= high.0 { (low, high) } else { (high, low) };
            points.push(point(offset + first.0, first.1));
            if second.0 != first.0 {
                points.push(point(offset + second.0, second.1));
            }
        }
    }
    points
}

/// Range of y that shows all curves of an axis. What has a least or greatest value begins or ends there,
/// unless the axis is fitted to the curves.
pub fn y_range(axis: Axis, run: &RunView, fit: bool) -> (f64, f64) {
    let curves = curves(axis);
    let bounds = curves.last().map_or((None, None), |curve| curve.range);
    let (least, greatest) = if fit { (None, None) } else { bounds };
    if let (Some(least), Some(greatest)) = (least, greatest) {
        return (f64::from(least), f64::from(greatest));
    }
    let records = run.lanes.iter().flat_map(|lane| &lane.records);
    let values = records.flat_map(|record| curves.iter().filter_map(|curve| curve.value(record)));
    let finite = values.filter(|value| value.is_finite());
    let (low, high) = finite.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if low > high {
        return (0.0, 1.0);
    }
    let low = least.map_or(low, |least| low.min(least));
    let (low, high) = fitted_range([low, high].iter());
    (f64::from(low), f64::from(high))
}

/// The quantities of a plot's CSV and of the table under the pointer.
pub fn listed(axis: Axis) -> impl Iterator<Item = &'static Quantity> {
    curves(axis).into_iter().chain(numbers(axis))
}

/// The data of a plot as CSV: step, row and column, then each lane's quantities. A cell is empty where
/// there is no value; numbers have all their digits and a point whatever the locale.
pub fn csv(axis: Axis, run: &RunView) -> String {
    let lanes = run.record.lanes();
    let mut csv = String::from("step,row,column");
    for lane in lanes.iter().map(|lane| &lane.name) {
        for quantity in listed(axis) {
            csv.push_str(&format!(",{lane} {}", quantity.key));
        }
    }
    csv.push('\n');
    for step in 0..run.lanes.iter().map(|lane| lane.records.len()).max().unwrap_or(0) {
        csv.push_str(&step.to_string());
        match run.record.layout.steps().get(step) {
            Some(StepKind::Cell { row, column }) => csv.push_str(&format!(",{row},{column}")),
            Some(StepKind::RowEnd { row, .. }) => csv.push_str(&format!(",{row},")),
            _ => csv.push_str(",,"),
        }
        for lane in &run.lanes {
            for quantity in listed(axis) {
                let value = lane.records.get(step).and_then(|record| quantity.value(record));
                csv.push(',');
                csv.extend(value.map(|value| value.to_string()));
            }
        }
        csv.push('\n');
    }
    csv
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(step: usize, entropy: f32) -> StepRecord {
        StepRecord {
            step,
            token: 0,
            forced: false,
            confidence: 0.5,
            sampled_probability: 0.5,
            entropy_conditional: entropy,
            entropy_unconditional: None,
            entropy_guided: entropy,
            scale: 1.0,
            guiding_delta: None,
            delta: None,
            delta_context: None,
            delta_cosine: None,
            budget: 0.0,
            budget_normalized: 0.0,
            top_conditional: Default::default(),
            top_unconditional: Default::default(),
            top_guided: Default::default(),
        }
    }

    #[test]
    fn bands_are_every_second_row_and_end_with_the_run() {
        assert_eq!(row_bands(&TokenLayout::raster(4, 3)), [3..6, 9..12]);
        assert!(
            row_bands(&TokenLayout::with_prefix(2, 2, 3)).into_iter().eq(std::iter::once(5..8))
        );
        assert!(
            row_bands(&TokenLayout::with_row_ends(3, 2, 9)).into_iter().eq(std::iter::once(3..6))
        );
        assert!(row_bands(&TokenLayout::raster(0, 0)).is_empty());
    }

    #[test]
    fn few_steps_are_all_kept() {
        let records: Vec<_> = (0..40).map(|step| record(step, step as f32)).collect();
        let points = curve(&records, |r| Some(r.entropy_guided), 10..20, 100, false);
        let steps: Vec<f64> = points.iter().map(|point| point.x).collect();
        assert_eq!(steps, (10..20).map(f64::from).collect::<Vec<_>>());
        assert!(points.iter().all(|point| point.x == point.y));
        assert!(curve(&records, |r| r.delta, 0..40, 100, false).is_empty());
        assert!(curve(&records, |r| Some(r.scale), 50..60, 100, false).is_empty());
    }

    #[test]
    fn reduced_curves_keep_every_peak_and_the_order() {
        let mut records: Vec<_> = (0..4096).map(|step| record(step, 0.5)).collect();
        records[1777].entropy_guided = 0.9;
        records[3001].entropy_guided = 0.1;
        records[9].entropy_guided = f32::NAN;
        let points = curve(&records, |r| Some(r.entropy_guided), 0..4096, 300, false);
        assert!(points.len() <= 602, "{}", points.len());
        assert!(points.iter().any(|point| point.x == 1777.0 && (point.y - 0.9).abs() < 1e-6));
        assert!(points.iter().any(|point| point.x == 3001.0 && (point.y - 0.1).abs() < 1e-6));
        assert!(points.windows(2).all(|pair| pair[0].x < pair[1].x));
        assert!(points.iter().all(|point| point.y.is_finite()));
        let mean = curve(&records, |r| Some(r.entropy_guided), 0..4096, 300, true);
        assert!(mean.len() <= 300 && mean.iter().all(|point| (0.4..0.6).contains(&point.y)));
    }
}

//! What the plots show, without a window: the series of each tab, the curves reduced to what a
//! plot of some width can show, the row bands, the range of y, and the CSV of a tab.

use crate::compute::layout::{StepKind, TokenLayout};
use crate::engine::trace::StepRecord;
use crate::ui::kit::range::fitted_range;
use crate::ui::state::run_view::RunView;
use crate::ui::state::view::PlotTab;
use egui_plot::PlotPoint;
use std::ops::Range;

/// How a series is drawn; dash patterns tell series apart without colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeriesStyle {
    /// 2 px.
    Thick,
    /// 1 px.
    Thin,
    /// Dashed, 1 px.
    Dashed,
}

/// One quantity of a tab.
pub struct Series {
    /// Word in the legend and the table.
    pub name: &'static str,
    /// The paper's term, for the tooltip.
    pub explanation: &'static str,
    /// Column of the CSV.
    pub column: &'static str,
    /// How it is drawn.
    pub style: SeriesStyle,
    /// Its value at a step.
    pub value: fn(&StepRecord) -> Option<f32>,
}

/// Word on a tab.
pub fn label(tab: PlotTab) -> &'static str {
    match tab {
        PlotTab::Entropy => "Entropy",
        PlotTab::Scale => "Scale",
        PlotTab::Confidence => "Confidence",
        PlotTab::Delta => "‖Δ‖",
        PlotTab::Budget => "Budget",
    }
}

/// What a tab shows, in one sentence, then the paper's term.
pub fn explanation(tab: PlotTab) -> &'static str {
    match tab {
        PlotTab::Entropy => {
            "How undecided each branch is, 0 to 1. The gap between conditional and unconditional closes as guidance diminishes. Eq. 11-13."
        }
        PlotTab::Scale => {
            "How strongly the branches are set apart at each step. scale_s = 1 + γ_t, γ_t = (γ - 1)·½(1 - cos(π (s/T)^k)) of Eq. 6."
        }
        PlotTab::Confidence => {
            "How sure the model was of each token when it drew it. Eq. 3: largest conditional probability."
        }
        PlotTab::Delta => {
            "How far the branches are apart. L2 norms of Δ = z_c - z_u and Δctx = z_u - z_ũ (Eq. 7)."
        }
        PlotTab::Budget => {
            "How much of the drawn tokens is taken from the unconditional branch in total. Σ(1 - w_i) grows without step norm; Σ(1 - ŵ_i) stays at one token (Eq. 9)."
        }
    }
}

/// What stands along the y axis.
pub fn y_label(tab: PlotTab) -> &'static str {
    match tab {
        PlotTab::Entropy => "normalized entropy",
        PlotTab::Scale => "scale_s",
        PlotTab::Confidence => "probability",
        PlotTab::Delta => "L2 norm of logits",
        PlotTab::Budget => "tokens",
    }
}

/// The series of a tab, the most important last so that it is painted on top.
pub fn series(tab: PlotTab) -> &'static [Series] {
    use SeriesStyle::{Dashed, Thick, Thin};
    match tab {
        PlotTab::Entropy => &[
            Series {
                name: "unconditional",
                explanation: "Entropy of the branch that guides: z_u, in SoftCFG lanes the perturbed z_ũ.",
                column: "entropy_unconditional",
                style: Dashed,
                value: |record| record.entropy_unconditional,
            },
            Series {
                name: "conditional",
                explanation: "Entropy of z_c.",
                column: "entropy_conditional",
                style: Thin,
                value: |record| Some(record.entropy_conditional),
            },
            Series {
                name: "guided",
                explanation: "Entropy of the guided logits, from which the token is drawn.",
                column: "entropy_guided",
                style: Thick,
                value: |record| Some(record.entropy_guided),
            },
        ],
        PlotTab::Scale => &[Series {
            name: "scale",
            explanation: "scale_s; the paper's γ_t is this minus 1.",
            column: "scale",
            style: Thick,
            value: |record| Some(record.scale),
        }],
        PlotTab::Confidence => &[Series {
            name: "confidence",
            explanation: "Confidence of the token drawn at this step.",
            column: "confidence",
            style: Thick,
            value: |record| Some(record.confidence),
        }],
        PlotTab::Delta => &[
            Series {
                name: "‖Δctx‖",
                explanation: "‖z_u - z_ũ‖: what the perturbation changes. Needs the context option of the method.",
                column: "delta_context_norm",
                style: Dashed,
                value: |record| record.delta_context,
            },
            Series {
                name: "‖z_c - z_ũ‖",
                explanation: "Distance of the conditional from the branch that guides.",
                column: "guiding_delta_norm",
                style: Thin,
                value: |record| record.guiding_delta,
            },
            Series {
                name: "‖Δ‖",
                explanation: "‖z_c - z_u‖, where a clean unconditional branch runs.",
                column: "delta_norm",
                style: Thick,
                value: |record| record.delta,
            },
        ],
        PlotTab::Budget => &[
            Series {
                name: "Σ(1 - w)",
                explanation: "Without step normalization: grows with every confident token.",
                column: "budget",
                style: Dashed,
                value: |record| Some(record.budget),
            },
            Series {
                name: "Σ(1 - ŵ)",
                explanation: "With step normalization: one token's worth at every step (Eq. 9).",
                column: "budget_normalized",
                style: Thick,
                value: |record| Some(record.budget_normalized),
            },
        ],
    }
}

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
    value: fn(&StepRecord) -> Option<f32>,
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

/// Range of y that shows all of a tab. Entropy and confidence are 0 to 1 unless fitted; the others
/// start at 0, the scale at its smallest value.
pub fn y_range(tab: PlotTab, run: &RunView, fit: bool) -> (f64, f64) {
    if matches!(tab, PlotTab::Confidence) || (tab == PlotTab::Entropy && !fit) {
        return (0.0, 1.0);
    }
    let values = run.lanes.iter().flat_map(|lane| &lane.records).flat_map(|record| {
        series(tab).iter().filter_map(|series| (series.value)(record)).filter(|v| v.is_finite())
    });
    let (low, high) = values.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if low > high {
        return (0.0, 1.0);
    }
    let low = if tab == PlotTab::Entropy || tab == PlotTab::Scale { low } else { low.min(0.0) };
    let (low, high) = fitted_range([low, high].iter());
    (f64::from(low), f64::from(high))
}

/// The y values of one lane at one step, in the order of [`series`].
pub fn values_at(tab: PlotTab, run: &RunView, lane: usize, step: usize) -> Vec<Option<f32>> {
    let record = run.lanes.get(lane).and_then(|lane| lane.records.get(step));
    series(tab).iter().map(|series| (series.value)(record?)).collect()
}

/// The data of a tab as CSV: step, row and column, then each lane's series. A cell is empty where
/// there is no value; numbers have all their digits and a point whatever the locale.
pub fn csv(tab: PlotTab, run: &RunView) -> String {
    let lanes = run.record.lanes();
    let mut csv = String::from("step,row,column");
    for lane in lanes.iter().map(|lane| &lane.name) {
        for series in series(tab) {
            csv.push_str(&format!(",{lane} {}", series.column));
            if tab == PlotTab::Scale {
                csv.push_str(&format!(",{lane} gamma_t"));
            }
        }
    }
    csv.push('\n');
    let number = |value: Option<f32>| value.map_or(String::new(), |value| value.to_string());
    for step in 0..run.lanes.iter().map(|lane| lane.records.len()).max().unwrap_or(0) {
        csv.push_str(&step.to_string());
        match run.record.layout.steps().get(step) {
            Some(StepKind::Cell { row, column }) => csv.push_str(&format!(",{row},{column}")),
            Some(StepKind::RowEnd { row, .. }) => csv.push_str(&format!(",{row},")),
            _ => csv.push_str(",,"),
        }
        for lane in 0..lanes.len() {
            for value in values_at(tab, run, lane, step) {
                csv.push_str(&format!(",{}", number(value)));
                if tab == PlotTab::Scale {
                    csv.push_str(&format!(",{}", number(value.map(|scale| scale - 1.0))));
                }
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

    #[test]
    fn series_of_a_tab_have_different_patterns_and_columns() {
        use strum::VariantArray;
        for &tab in PlotTab::VARIANTS {
            let all = series(tab);
            for (index, one) in all.iter().enumerate() {
                for other in &all[..index] {
                    assert_ne!(one.style, other.style, "{tab:?}");
                    assert_ne!(one.column, other.column, "{tab:?}");
                }
            }
        }
    }
}

//! The table of quantities, in the order of the trace's columns. Plots, inspector, overlay, tooltips and
//! CSV files read it; a new quantity is a row here and a field of [`StepRecord`](super::super::trace::StepRecord).

use crate::engine::quantities::quantity::{Axis, Plotted, Quantity, Read};
use crate::engine::trace::StepRecord;

const UNIT: (Option<f32>, Option<f32>) = (Some(0.0), Some(1.0));
const FROM_ZERO: (Option<f32>, Option<f32>) = (Some(0.0), None);

/// Confidence of the token drawn at the step.
pub static CONFIDENCE: Quantity = Quantity {
    key: "confidence",
    name: "confidence",
    short: "confidence",
    symbol: "confidence_i",
    does: "How sure the model was of each token when it drew it.",
    equation: "Eq. 3: the largest conditional probability, unless the method options say otherwise.",
    unit: "probability",
    range: UNIT,
    decimals: 3,
    axis: Axis::Confidence,
    plotted: Plotted::Main,
    read: Read::Recorded(|record| Some(record.confidence)),
};

/// Probability of the token in the distribution it was drawn from.
pub static SAMPLED_PROBABILITY: Quantity = Quantity {
    key: "sampled_probability",
    name: "sampled p",
    short: "sampled p",
    symbol: "p(x_s)",
    does: "Probability of the token in the distribution it was drawn from.",
    equation: "Guided, after temperature and filters.",
    unit: "probability",
    range: UNIT,
    decimals: 3,
    axis: Axis::Confidence,
    plotted: Plotted::No,
    read: Read::Recorded(|record| Some(record.sampled_probability)),
};

/// Weight of a past token without step norm.
pub static WEIGHT: Quantity = Quantity {
    key: "weight",
    name: "w",
    short: "w",
    symbol: "w_i",
    does: "Factor on each token's value in the unconditional branch at the cursor's step, without step norm; of the newest token, at the next step.",
    equation: "Eq. 3: 1 - confidence_i.",
    unit: "factor on V",
    range: UNIT,
    decimals: 3,
    axis: Axis::Confidence,
    plotted: Plotted::No,
    read: Read::PastToken { step_norm: false },
};

/// Weight of a past token with step norm.
pub static WEIGHT_NORMALIZED: Quantity = Quantity {
    key: "weight_normalized",
    name: "ŵ",
    short: "ŵ",
    symbol: "ŵ_i",
    does: "The same with step norm, so that all tokens together lose one token's worth.",
    equation: "Eq. 9.",
    unit: "factor on V",
    range: UNIT,
    decimals: 3,
    axis: Axis::Confidence,
    plotted: Plotted::No,
    read: Read::PastToken { step_norm: true },
};

/// Entropy of the conditional branch.
pub static ENTROPY_CONDITIONAL: Quantity = Quantity {
    key: "entropy_conditional",
    name: "entropy c",
    short: "conditional",
    symbol: "H(z_c)",
    does: "How undecided the conditional branch was, 0 to 1.",
    equation: "Normalized entropy, Eq. 11.",
    unit: "of log V",
    range: UNIT,
    decimals: 3,
    axis: Axis::Entropy,
    plotted: Plotted::Second,
    read: Read::Recorded(|record| Some(record.entropy_conditional)),
};

/// Entropy of the branch that guides.
pub static ENTROPY_UNCONDITIONAL: Quantity = Quantity {
    key: "entropy_unconditional",
    name: "entropy u, ũ",
    short: "unconditional",
    symbol: "H(z_u), H(z_ũ)",
    does: "How undecided the branch that guides was, 0 to 1: in SoftCFG lanes the perturbed one.",
    equation: "Normalized entropy, Eq. 12.",
    unit: "of log V",
    range: UNIT,
    decimals: 3,
    axis: Axis::Entropy,
    plotted: Plotted::Third,
    read: Read::Recorded(|record| record.entropy_unconditional),
};

/// Entropy of the guided logits.
pub static ENTROPY_GUIDED: Quantity = Quantity {
    key: "entropy_guided",
    name: "entropy guided",
    short: "guided",
    symbol: "H(z)",
    does: "How undecided the guided distribution was when each token was drawn, 0 to 1.",
    equation: "Normalized entropy, Eq. 13.",
    unit: "of log V",
    range: UNIT,
    decimals: 3,
    axis: Axis::Entropy,
    plotted: Plotted::Main,
    read: Read::Recorded(|record| Some(record.entropy_guided)),
};

/// The guidance scale.
pub static SCALE: Quantity = Quantity {
    key: "scale",
    name: "scale_s",
    short: "scale",
    symbol: "scale_s",
    does: "How strongly the branches are set apart at this step.",
    equation: "z_u + scale_s (z_c - z_u), scale_s = 1 + γ_t.",
    unit: "",
    range: (None, None),
    decimals: 3,
    axis: Axis::Scale,
    plotted: Plotted::Main,
    read: Read::Recorded(|record| Some(record.scale)),
};

/// The guidance scale as the paper counts it.
pub static GAMMA: Quantity = Quantity {
    key: "gamma_t",
    name: "γ_t",
    short: "γ_t",
    symbol: "γ_t",
    does: "The paper's γ_t, which is scale_s minus 1.",
    equation: "Eq. 6.",
    unit: "",
    range: (None, None),
    decimals: 3,
    axis: Axis::Scale,
    plotted: Plotted::Number,
    read: Read::Derived(|record| Some(record.scale - 1.0)),
};

/// Distance of the conditional from the branch that guides.
pub static GUIDING_DELTA: Quantity = Quantity {
    key: "guiding_delta",
    name: "‖z_c - z_g‖",
    short: "‖z_c - z_g‖",
    symbol: "‖z_c - z_g‖",
    does: "How far the conditional branch is from the one that guides.",
    equation: "L2 norm; z_g is z_ũ in SoftCFG lanes, else z_u.",
    unit: "logits",
    range: FROM_ZERO,
    decimals: 2,
    axis: Axis::Delta,
    plotted: Plotted::Second,
    read: Read::Recorded(|record| record.guiding_delta),
};

/// Distance of conditional and clean unconditional branch.
pub static DELTA: Quantity = Quantity {
    key: "delta",
    name: "‖Δ‖",
    short: "‖Δ‖",
    symbol: "‖Δ‖",
    does: "How far conditional and clean unconditional branch are apart.",
    equation: "L2 norm of Δ = z_c - z_u, where a clean unconditional branch runs.",
    unit: "logits",
    range: FROM_ZERO,
    decimals: 2,
    axis: Axis::Delta,
    plotted: Plotted::Main,
    read: Read::Recorded(|record| record.delta),
};

/// What the perturbation changes.
pub static DELTA_CONTEXT: Quantity = Quantity {
    key: "delta_context",
    name: "‖Δctx‖",
    short: "‖Δctx‖",
    symbol: "‖Δctx‖",
    does: "What the perturbation changes. Needs the context option of the method.",
    equation: "L2 norm of Δctx = z_u - z_ũ, Eq. 7.",
    unit: "logits",
    range: FROM_ZERO,
    decimals: 2,
    axis: Axis::Delta,
    plotted: Plotted::Third,
    read: Read::Recorded(|record| record.delta_context),
};

/// Whether the perturbation strengthens the guidance.
pub static DELTA_COSINE: Quantity = Quantity {
    key: "delta_cosine",
    name: "cos(Δ, Δctx)",
    short: "cos(Δ, Δctx)",
    symbol: "cos(Δ, Δctx)",
    does: "Above 0 the perturbation strengthens the guidance, below 0 it weakens it.",
    equation: "Eq. 7.",
    unit: "",
    range: (Some(-1.0), Some(1.0)),
    decimals: 3,
    axis: Axis::Delta,
    plotted: Plotted::No,
    read: Read::Recorded(|record| record.delta_cosine),
};

/// Total weight taken without step norm.
pub static BUDGET: Quantity = Quantity {
    key: "budget",
    name: "Σ(1 - w)",
    short: "Σ(1 - w)",
    symbol: "Σ(1 - w_i)",
    does: "What is taken from all tokens together without step norm: grows with every confident token.",
    equation: "w_i of Eq. 3.",
    unit: "tokens",
    range: FROM_ZERO,
    decimals: 2,
    axis: Axis::Budget,
    plotted: Plotted::Third,
    read: Read::Recorded(|record| Some(record.budget)),
};

/// Total weight taken with step norm.
pub static BUDGET_NORMALIZED: Quantity = Quantity {
    key: "budget_normalized",
    name: "Σ(1 - ŵ)",
    short: "Σ(1 - ŵ)",
    symbol: "Σ(1 - ŵ_i)",
    does: "What is taken from all tokens together with step norm: one token's worth at every step.",
    equation: "ŵ_i of Eq. 9.",
    unit: "tokens",
    range: FROM_ZERO,
    decimals: 3,
    axis: Axis::Budget,
    plotted: Plotted::Main,
    read: Read::Recorded(|record| Some(record.budget_normalized)),
};

/// All of them.
pub static QUANTITIES: [&Quantity; 15] = [
    &CONFIDENCE,
    &SAMPLED_PROBABILITY,
    &WEIGHT,
    &WEIGHT_NORMALIZED,
    &ENTROPY_CONDITIONAL,
    &ENTROPY_UNCONDITIONAL,
    &ENTROPY_GUIDED,
    &SCALE,
    &GAMMA,
    &GUIDING_DELTA,
    &DELTA,
    &DELTA_CONTEXT,
    &DELTA_COSINE,
    &BUDGET,
    &BUDGET_NORMALIZED,
];

/// Those that the trace records, in the order of its columns.
pub fn recorded() -> impl Iterator<Item = &'static Quantity> {
    let recorded = |quantity: &&Quantity| matches!(quantity.read, Read::Recorded(_));
    QUANTITIES.into_iter().filter(recorded)
}

/// The curves of a plot, the one to look at last so that it is painted on top.
pub fn curves(axis: Axis) -> Vec<&'static Quantity> {
    let drawn = |as_what| {
        let fits = move |one: &&Quantity| one.axis == axis && one.plotted == as_what;
        QUANTITIES.into_iter().filter(fits)
    };
    drawn(Plotted::Third).chain(drawn(Plotted::Second)).chain(drawn(Plotted::Main)).collect()
}

/// The numbers beside the curves of a plot.
pub fn numbers(axis: Axis) -> impl Iterator<Item = &'static Quantity> {
    let fits = move |one: &&Quantity| one.axis == axis && one.plotted == Plotted::Number;
    QUANTITIES.into_iter().filter(fits)
}

/// ‖Δ‖ where a clean unconditional branch runs, else ‖z_c - z_ũ‖: how far apart the branches of any lane
/// are.
pub fn branch_distance(record: &StepRecord) -> Option<f32> {
    DELTA.value(record).or_else(|| GUIDING_DELTA.value(record))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::trace::TopTokens;
    use std::collections::HashSet;
    use strum::VariantArray;

    fn record() -> StepRecord {
        StepRecord {
            step: 3,
            token: 7,
            forced: false,
            confidence: 0.1,
            sampled_probability: 0.2,
            entropy_conditional: 0.3,
            entropy_unconditional: Some(0.4),
            entropy_guided: 0.5,
            scale: 1.5,
            guiding_delta: Some(2.0),
            delta: Some(3.0),
            delta_context: Some(4.0),
            delta_cosine: Some(-0.5),
            budget: 5.0,
            budget_normalized: 1.0,
            top_conditional: TopTokens::default(),
            top_unconditional: TopTokens::default(),
            top_guided: TopTokens::default(),
        }
    }

    #[test]
    fn what_is_recorded_has_the_same_name_and_value_in_json() {
        let record = record();
        let json = serde_json::to_value(record).unwrap();
        for quantity in recorded() {
            let field = json.get(quantity.key).unwrap_or_else(|| panic!("{}", quantity.key));
            let value = f64::from(quantity.value(&record).unwrap());
            assert!((field.as_f64().unwrap() - value).abs() < 1e-9, "{}", quantity.key);
        }
        // Step, token and forced tell which step it is; the top codes are no numbers.
        let fields = json.as_object().unwrap().len();
        assert_eq!(recorded().count(), fields - 3 - 3, "a measured field that no row describes");
    }

    #[test]
    fn rows_are_told_apart_and_curves_of_an_axis_by_their_pattern() {
        let keys: HashSet<_> = QUANTITIES.iter().map(|quantity| quantity.key).collect();
        assert_eq!(keys.len(), QUANTITIES.len());
        for &axis in Axis::VARIANTS {
            let curves = curves(axis);
            let patterns: HashSet<_> =
                curves.iter().map(|one| format!("{:?}", one.plotted)).collect();
            assert_eq!(patterns.len(), curves.len(), "{axis:?}");
            assert_eq!(curves.last().map(|one| one.plotted), Some(Plotted::Main), "{axis:?}");
        }
    }

    #[test]
    fn values_lie_in_their_ranges() {
        let record = record();
        for quantity in QUANTITIES {
            let (low, high) = quantity.range;
            let Some(value) = quantity.value(&record) else { continue };
            assert!(low.is_none_or(|low| value >= low) && high.is_none_or(|high| value <= high));
        }
    }
}

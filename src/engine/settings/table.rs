//! The table of settings: command line, panel, checks, files and experiments read it. Adding a setting
//! is a key, a place in [`super::LaneSettings`], and a row here.

use crate::engine::settings::key::SettingKey;
use crate::engine::settings::row::{ANY, ROW, at, choice_at};
use crate::engine::settings::setting::{Argument, Choice, DefaultFrom, Kind, NumberRange, Setting};
use crate::prompts::condition::Condition;

impl SettingKey {
    /// Its row.
    pub fn setting(self) -> &'static Setting {
        &SETTINGS[self as usize]
    }
}

/// All settings of a lane, in the order of their keys.
pub static SETTINGS: [Setting; 24] = [
    Setting {
        key: SettingKey::Prompt,
        argument: Argument::None,
        label: "Prompt",
        short: "Prompt",
        noun: "the prompt",
        does: "What to draw, in the model's words.",
        term: "The condition of z_c.",
        kind: Kind::Text {
            get: |lane| match &lane.condition {
                Condition::Prompt { text, .. } => Some(Some(text.clone())),
                Condition::Class(_) => None,
            },
            set: |lane, text| {
                let negative = match &mut lane.condition {
                    Condition::Prompt { negative, .. } => negative.take(),
                    Condition::Class(_) => None,
                };
                lane.condition = Condition::Prompt { text: text.unwrap_or_default(), negative };
            },
        },
        ..ROW
    },
    Setting {
        key: SettingKey::NegativePrompt,
        argument: Argument::None,
        label: "Unconditional prompt",
        short: "Unconditional",
        noun: "the unconditional prompt",
        does: "What the unconditional branch sees in place of the prompt.",
        term: "The condition of z_u; a text that describes what is not wanted is known as negative prompt.",
        kind: Kind::Text {
            get: |lane| match &lane.condition {
                Condition::Prompt { negative, .. } => Some(negative.clone()),
                Condition::Class(_) => None,
            },
            set: |lane, text| {
                if let Condition::Prompt { negative, .. } = &mut lane.condition {
                    *negative = text;
                }
            },
        },
        ..ROW
    },
    Setting {
        key: SettingKey::Class,
        argument: Argument::None,
        label: "Class",
        short: "Class",
        noun: "the class",
        does: "What to draw, for models that draw classes.",
        term: "The condition of z_c.",
        kind: Kind::Class {
            get: |lane| match lane.condition {
                Condition::Class(id) => Some(id),
                Condition::Prompt { .. } => None,
            },
            set: |lane, id| lane.condition = Condition::Class(id),
        },
        ..ROW
    },
    Setting {
        key: SettingKey::Seed,
        label: "Seed",
        short: "Seed",
        noun: "the seed",
        default: DefaultFrom::Authors,
        does: "Key of the noise; every lane draws the same noise at the same step.",
        term: "Gumbel noise from a counter-based generator keyed by seed and step.",
        kind: at!(Whole {} sampling.seed),
        ..ROW
    },
    Setting {
        key: SettingKey::WeakBranch,
        argument: Argument::None,
        label: "Weak branch",
        short: "Weak branch",
        noun: "the weak branch",
        does: "What the lane is pushed away from.",
        term: "z_u under CFG, the perturbed z_ũ under SoftCFG.",
        kind: choice_at!(guidance.weak_branch, [
            "none": "None",
            "unconditional": "Unconditional",
            "perturbed-unconditional": "Perturbed uncond.",
        ]),
        ..ROW
    },
    Setting {
        key: SettingKey::Combination,
        argument: Argument::None,
        label: "Combination",
        short: "Combination",
        noun: "the combination",
        does: "How strong and weak logits become guided ones.",
        term: "Linear: z_w + scale·(z_s − z_w), Eq. 2 and 6.",
        kind: choice_at!(guidance.combination, ["linear": "Linear"]),
        ..ROW
    },
    Setting {
        key: SettingKey::GuidanceScale,
        label: "Guidance scale γ",
        short: "Guidance γ",
        noun: "the guidance scale γ",
        default: DefaultFrom::Authors,
        does: "How hard the condition pulls. 1 is no guidance; too much breaks the image.",
        term: "γ, the guidance scale reached at the last step. Paper: γ_t = scale − 1, Eq. 6.",
        kind: at!(Number { range: NumberRange { decimals: 1, ..ANY }, } guidance.scale.guidance_scale),
        ..ROW
    },
    Setting {
        key: SettingKey::CosinePower,
        label: "Cosine power k",
        short: "Power k",
        noun: "the cosine power k",
        default: DefaultFrom::Authors,
        does: "How late the guidance sets in. 0 keeps it constant; larger waits longer.",
        term: "k, the power of the cosine schedule ½(1 − cos(π·(t/T)ᵏ)).",
        kind: at!(Number {
            range: NumberRange { slider: (0.0, 4.0), decimals: 1, ..ANY },
        } guidance.scale.cosine_power),
        ..ROW
    },
    Setting {
        key: SettingKey::Schedule,
        label: "Schedule",
        short: "Schedule",
        noun: "the schedule",
        does: "How the guidance scale goes over the steps.",
        term: "The cosine of Sec. 3.4, or the rule of the program that the model's authors sample with.",
        kind: choice_at!(guidance.scale.schedule, [
            "cosine": "Cosine (paper)",
            "authors": "Authors' code",
        ]),
        ..ROW
    },
    Setting {
        key: SettingKey::GuidanceInterval,
        label: "Interval",
        short: "Interval",
        noun: "the guidance interval",
        unit: "tokens",
        does: "Ends the guidance early: tokens after this one and the next are drawn without it.",
        term: "LlamaGen's cfg_interval counts decoding calls: tokens 0 to interval + 1 are guided.",
        kind: at!(Count {} guidance.scale.interval),
        ..ROW
    },
    Setting {
        key: SettingKey::StepNorm,
        argument: Argument::Flag("no-step-norm", false),
        label: "Step norm",
        short: "Step norm",
        noun: "step norm",
        does: "Keeps what SoftCFG takes away at one token's worth, however long the sequence.",
        term: "Step normalization, Eq. 9: ŵ_i = 1 − (1 − w_i) / Σ_j (1 − w_j).",
        kind: at!(Switch {} guidance.perturbation.step_norm),
        ..ROW
    },
    Setting {
        key: SettingKey::Variant,
        label: "Variant",
        short: "Variant",
        noun: "the variant",
        does: "Which reading of SoftCFG gives the weights.",
        term: "The paper's equations and the authors' AliTok program differ in what counts as confidence, in an offset of one token, and in a floor.",
        kind: choice_at!(guidance.perturbation.variant, [
            "paper": "Paper",
            "released-code": "Released code",
        ]),
        ..ROW
    },
    Setting {
        key: SettingKey::Strength,
        label: "Strength",
        short: "Strength",
        noun: "the strength",
        does: "Sharpens or softens the weights.",
        term: "Exponent on ŵ_i in the released code; without step norm it does nothing.",
        kind: at!(Number {
            range: NumberRange { slider: (0.0, 4.0), ..ANY },
        } guidance.perturbation.released_code.strength),
        ..ROW
    },
    Setting {
        key: SettingKey::Floor,
        argument: Argument::None,
        label: "Floor",
        short: "Floor",
        noun: "the weight floor",
        does: "No weight falls below this.",
        term: "softcfg floor of the released code, 0.05 there.",
        kind: at!(Number {
            range: NumberRange { high: 1.0, slider: (0.0, 1.0), ..ANY },
        } guidance.perturbation.released_code.floor),
        ..ROW
    },
    Setting {
        key: SettingKey::Shift,
        argument: Argument::None,
        label: "Shift by one",
        short: "Shift by one",
        noun: "the shift by one",
        does: "Gives each token the confidence of the one after it, as the program does.",
        term: "Token i gets the confidence of token i + 1; the newest keeps weight 1.",
        kind: at!(Switch {} guidance.perturbation.released_code.shift),
        ..ROW
    },
    Setting {
        key: SettingKey::Confidence,
        label: "Confidence",
        short: "Confidence",
        noun: "the confidence",
        does: "How sure the model is taken to be of each token it drew.",
        term: "Eq. 3 and Fig. 9c. Where none is chosen: the largest conditional probability, under the released code that of the sampled token.",
        kind: choice_at!(guidance.perturbation.confidence, [
            "conditional-max": "Cond. max",
            "unconditional-max": "Uncond. max",
            "guided-max": "Guided max",
            "sampled-probability": "Token drawn",
            "one-minus-entropy": "1 − entropy",
        ]),
        ..ROW
    },
    Setting {
        key: SettingKey::Perturb,
        label: "Perturbed",
        short: "Perturbed",
        noun: "the perturbed part",
        does: "What the weights multiply in the unconditional attention.",
        term: "Values, keys or both: Table 3.",
        kind: choice_at!(guidance.perturbation.perturb, [
            "value": "Values (V)",
            "key": "Keys (K)",
            "key-value": "Both (K+V)",
        ]),
        ..ROW
    },
    Setting {
        key: SettingKey::Cache,
        label: "Cache",
        short: "Cache",
        noun: "the cache rule",
        does: "Which pass fills the unconditional cache.",
        term: "Two-pass: the perturbed pass caches its own unscaled keys and values. Exact: a clean pass owns the cache (Alg. 1, line 10); one more row a lane.",
        kind: choice_at!(guidance.perturbation.cache_rule, [
            "two-pass": "Two-pass",
            "exact": "Exact",
        ]),
        ..ROW
    },
    Setting {
        key: SettingKey::RowEnds,
        argument: Argument::None,
        label: "Perturb row ends",
        short: "Perturb row ends",
        noun: "the perturbation of row ends",
        does: "Perturbs the tokens forced at row ends too.",
        term: "The literal reading of Eq. 3.",
        kind: at!(Switch {} guidance.perturbation.row_ends),
        ..ROW
    },
    Setting {
        key: SettingKey::Temperature,
        label: "Temperature",
        short: "Temperature",
        noun: "the temperature",
        default: DefaultFrom::Authors,
        does: "Flattens (above 1) or sharpens (below 1) what is sampled from.",
        term: "Divides the guided logits. Confidence is measured before it (Eq. 3).",
        kind: at!(Number {
            range: NumberRange {
                above: true,
                neutral: "1 leaves the distribution as it is",
                slider: (0.1, 2.0),
                ..ANY
            },
        } sampling.temperature),
        ..ROW
    },
    Setting {
        key: SettingKey::TopK,
        label: "Top-k",
        short: "Top-k",
        noun: "top-k",
        unit: "codes",
        default: DefaultFrom::Authors,
        does: "Samples only from the k most probable codes; off keeps all.",
        term: "Applied after guidance, to the guided logits.",
        kind: at!(Count {} sampling.top_k),
        ..ROW
    },
    Setting {
        key: SettingKey::TopP,
        label: "Top-p",
        short: "Top-p",
        noun: "top-p",
        default: DefaultFrom::Authors,
        does: "Samples only from the most probable codes that together reach p; 1 keeps all.",
        term: "Nucleus sampling, applied after guidance and top-k.",
        kind: at!(Number {
            range: NumberRange { above: true, high: 1.0, slider: (0.05, 1.0), ..ANY },
        } sampling.top_p),
        ..ROW
    },
    Setting {
        key: SettingKey::RepetitionPenalty,
        label: "Repetition",
        short: "Repetition",
        noun: "the repetition penalty",
        default: DefaultFrom::Authors,
        does: "Makes codes that were drawn before less probable; 1 leaves them.",
        term: "Divides their positive and multiplies their negative conditional logits, before guidance. Hugging Face's generate does so in SimpleAR's program; confidence and entropies are measured without it.",
        kind: at!(Number {
            range: NumberRange {
                above: true,
                neutral: "1 is none",
                slider: (1.0, 2.0),
                ..ANY
            },
        } repetition_penalty),
        ..ROW
    },
    Setting {
        key: SettingKey::DeltaContext,
        argument: Argument::Flag("delta-context", true),
        label: "Measure Δctx",
        short: "Measure Δctx",
        noun: "the measurement of Δctx",
        does: "Measures what the perturbation changes, with one more row per SoftCFG lane.",
        term: "Δctx = z_u − z_ũ, Eq. 7; its norm and its cosine with Δ.",
        kind: at!(Switch {} delta_context),
        ..ROW
    },
];

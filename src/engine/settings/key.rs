//! Keys of the settings: what a message points at, and what stands in files.

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// A setting of a lane; its key, in files and on the command line, is the name in kebab case.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum SettingKey {
    /// What is drawn, as text.
    Prompt,
    /// What the unconditional branch sees in place of the model's own text.
    NegativePrompt,
    /// What is drawn, as a class.
    Class,
    /// Key of the noise.
    Seed,
    /// What the lane is pushed away from.
    WeakBranch,
    /// How strong and weak logits become guided ones.
    Combination,
    /// γ.
    GuidanceScale,
    /// k.
    CosinePower,
    /// The paper's schedule or the authors'.
    Schedule,
    /// LlamaGen's `cfg_interval`.
    GuidanceInterval,
    /// Eq. 9.
    StepNorm,
    /// Paper or released code.
    Variant,
    /// Exponent of the released code.
    Strength,
    /// Smallest weight of the released code.
    Floor,
    /// The released code's offset of one token.
    Shift,
    /// Definition of the confidence.
    Confidence,
    /// V, K or K+V.
    Perturb,
    /// Which pass fills the cache.
    Cache,
    /// Perturb forced row ends too.
    RowEnds,
    /// Divides the guided logits.
    Temperature,
    /// Keeps the k most probable codes.
    TopK,
    /// Keeps the smallest set of codes with this probability.
    TopP,
    /// Penalty on codes drawn before.
    RepetitionPenalty,
    /// Measure Δctx.
    DeltaContext,
}

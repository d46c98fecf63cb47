//! Guidance arithmetic on plain slices: the schedule, confidences, perturbation weights, the
//! combination of branches, entropy and the differences between branches (SoftCFG, arXiv
//! 2510.00996). No tensors, no window: every function can be checked with a pencil. A lane's guidance
//! as data is [`method::Guidance`]; the usual ones have names in [`presets`].

pub mod combination;
pub mod confidence;
pub mod delta;
pub mod entropy;
pub mod method;
pub mod perturbation;
pub mod presets;
pub mod schedule;
pub mod weights;

pub use confidence::Confidence;
pub use method::{Guidance, WeakBranch};
pub use perturbation::{CacheRule, Perturb, PerturbationRule};
pub use presets::Preset;
pub use weights::Variant;

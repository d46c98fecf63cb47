//! Combinations of strong and weak logits into guided logits: one file a rule, and their list.

pub mod linear;
mod rule;

pub use rule::Combination;

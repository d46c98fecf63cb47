//! What a person asks a model to draw, and what that puts before the image tokens of each branch.

use crate::compute::rows::Prefix;
use serde::{Deserialize, Serialize};

/// What a person asks a model to draw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Text for the text-conditional families.
    Prompt {
        /// The prompt.
        text: String,
        /// Replaces the model's unconditional prompt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        negative: Option<String>,
    },
    /// Class index, from 0.
    Class(u32),
}

/// Prefixes of the two branches of a condition.
#[derive(Debug, Clone)]
pub struct Prefixes {
    /// Conditional branch.
    pub conditional: Prefix,
    /// Unconditional branch.
    pub unconditional: Prefix,
}

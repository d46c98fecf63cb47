//! What a person asks a model to draw, and what that puts before the image tokens of each branch.

use crate::compute::rows::Prefix;
use serde::{Deserialize, Serialize};

/// What a person asks a model to draw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Text for the text-conditional families; `negative` replaces the model's unconditional prompt.
    Prompt {
        text: String,
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

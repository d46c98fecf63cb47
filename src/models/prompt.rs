//! Prompts of the text-conditional families: encoding, the words a model knows, the grammar of the
//! built-in model for completion and random prompts.

use crate::models::error::ModelError;
use serde::Deserialize;
use tokenizers::Tokenizer;

/// The prompt grammar of the built-in model (`grammar.json`).
#[derive(Debug, Clone, Deserialize)]
pub struct Grammar {
    /// Words between two objects: "left of", …
    pub relations: Vec<String>,
    /// "two", "three", …
    pub counts: Vec<String>,
    /// Colours of an object.
    pub tints: Vec<String>,
    /// Colours of the ground.
    pub grounds: Vec<String>,
    /// What can be drawn.
    pub subjects: Vec<Subject>,
}

/// One thing the built-in model can draw.
#[derive(Debug, Clone, Deserialize)]
pub struct Subject {
    /// "cat"
    pub singular: String,
    /// "cats"
    pub plural: String,
    /// "a" or "an"
    pub article: String,
}

/// What a look at a prompt tells before a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PromptCheck {
    /// Words the model never saw, in order, each once.
    pub unknown_words: Vec<String>,
    /// Length of the conditional prefix in the model's tokens.
    pub tokens: usize,
    /// Longest prefix the model takes.
    pub limit: usize,
}

/// Encodes prompts and knows the model's words.
pub struct PromptBook {
    tokenizer: Tokenizer,
    template: PromptTemplate,
    /// Longest prefix in tokens.
    limit: usize,
    /// Words for completion, sorted; empty for open vocabularies.
    words: Vec<String>,
    /// Grammar of the built-in model.
    grammar: Option<Grammar>,
    /// Whether words outside `words` are unknown to the model.
    closed: bool,
}

/// What stands around a prompt in the two branches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptTemplate {
    /// Before the prompt, for example `<|t2i|>`.
    pub before: String,
    /// After it, for example `<|soi|>`.
    pub after: String,
    /// The whole text of the unconditional branch.
    pub unconditional: String,
    /// Another unconditional text that the authors know, offered as an option.
    pub alternative_unconditional: Option<String>,
}

// contract (models helper implements):
impl PromptBook {
    /// Words for completion, sorted; empty for open vocabularies.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Grammar of the built-in model.
    pub fn grammar(&self) -> Option<&Grammar> {
        self.grammar.as_ref()
    }

    /// Unknown words and length of a prompt.
    ///
    /// # Errors
    /// The tokenizer refuses the text.
    pub fn check(&self, _prompt: &str) -> Result<PromptCheck, ModelError> {
        let _ = (&self.tokenizer, &self.template, self.closed);
        Ok(PromptCheck { limit: self.limit, ..PromptCheck::default() })
    }
}

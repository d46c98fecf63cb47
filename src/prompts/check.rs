//! What a look at a prompt finds, and the looks that are remembered.

use std::sync::{Mutex, PoisonError};

/// Longest prompt that is looked at, in characters. Longer texts are refused before they are
/// tokenized: no family has room for them, and tokenizing a pasted book would hold up the window.
pub const MAX_PROMPT_CHARACTERS: usize = 10_000;

/// Looks that are remembered: the prompt and the unconditional prompt, each as it stands and as it stood.
const REMEMBERED: usize = 4;

/// What a look at a prompt tells before a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PromptCheck {
    /// Words the model never saw, in order, each once.
    pub unknown_words: Vec<String>,
    /// Length of the prefix in the model's tokens, before anything is cut.
    pub tokens: usize,
    /// Longest prefix the model takes.
    pub limit: usize,
    /// The end of the text that does not fit.
    pub beyond: Option<String>,
    /// Whether the model cuts that end off; else the prompt is refused.
    pub cuts: bool,
    /// The text as the model reads it, where cleaning changed more than letter case.
    pub cleaned: Option<String>,
}

impl PromptCheck {
    /// "37 of 120 tokens".
    pub fn count(&self) -> String {
        format!("{} of {} tokens", self.tokens, self.limit)
    }

    /// A warning on a text that the model draws all the same: what it cuts off, or that nothing is left
    /// of it.
    pub fn warning(&self) -> Option<String> {
        if self.cuts && self.beyond.is_some() {
            let over = self.tokens.saturating_sub(self.limit);
            let end = if over == 1 { "token does" } else { "tokens do" };
            return Some(format!("The last {over} {end} not fit and are cut off:"));
        }
        (self.cleaned.as_deref() == Some("")).then(|| {
            "The authors' cleaning leaves nothing of it; an empty caption is drawn.".into()
        })
    }
}

/// The branch a text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Branch {
    Conditional,
    Unconditional,
}

/// Looks that were taken, the newest last: the window asks for the same ones in every frame.
#[derive(Default)]
pub(super) struct Remembered(Mutex<Vec<(Branch, String, PromptCheck)>>);

impl Remembered {
    pub(super) fn find(&self, branch: Branch, text: &str) -> Option<PromptCheck> {
        let looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let look = looks.iter().find(|look| look.0 == branch && look.1 == text)?;
        Some(look.2.clone())
    }

    pub(super) fn keep(&self, branch: Branch, text: &str, check: &PromptCheck) {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.len() >= REMEMBERED {
            looks.remove(0);
        }
        looks.push((branch, text.to_owned(), check.clone()));
    }
}

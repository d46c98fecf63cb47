//! What a look at a prompt tells before a run: its length in the model's own tokens, what of it does
//! not fit, words the model never saw.

use crate::compute::error::ModelError;
use crate::prompts::book::PromptBook;
use crate::prompts::caption;
use crate::prompts::template::Reading;
use std::collections::HashSet;
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

    /// What is to be said of a text that the model draws all the same: what it cuts off, or that
    /// nothing is left of it.
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
enum Branch {
    Conditional,
    Unconditional,
}

/// Looks that were taken, the newest last: the window asks for the same ones in every frame.
#[derive(Default)]
pub(super) struct Remembered(Mutex<Vec<(Branch, String, PromptCheck)>>);

impl Remembered {
    fn find(&self, branch: Branch, text: &str) -> Option<PromptCheck> {
        let looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let look = looks.iter().find(|look| look.0 == branch && look.1 == text)?;
        Some(look.2.clone())
    }

    fn keep(&self, branch: Branch, text: &str, check: &PromptCheck) {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.len() >= REMEMBERED {
            looks.remove(0);
        }
        looks.push((branch, text.to_owned(), check.clone()));
    }
}

impl PromptBook {
    /// Unknown words and length of a prompt.
    ///
    /// # Errors
    /// Control characters, special tokens of the model, a text too long to look at, or one that the
    /// tokenizer refuses.
    pub fn check(&self, prompt: &str) -> Result<PromptCheck, ModelError> {
        self.look(Branch::Conditional, prompt)
    }

    /// The same for an unconditional prompt that a person typed.
    ///
    /// # Errors
    /// Those of [`PromptBook::check`].
    pub fn check_unconditional(&self, prompt: &str) -> Result<PromptCheck, ModelError> {
        self.look(Branch::Unconditional, prompt)
    }

    fn look(&self, branch: Branch, prompt: &str) -> Result<PromptCheck, ModelError> {
        if let Some(check) = self.remembered.find(branch, prompt) {
            return Ok(check);
        }
        self.check_text(prompt)?;
        let mut check = match self.template().reading {
            Reading::AsTyped => self.measure(branch, prompt)?,
            Reading::Caption => self.measure_caption(prompt)?,
        };
        check.unknown_words = self.unknown_words(prompt);
        self.remembered.keep(branch, prompt, &check);
        Ok(check)
    }

    fn measure(&self, branch: Branch, prompt: &str) -> Result<PromptCheck, ModelError> {
        let template = self.template();
        let before = match branch {
            Branch::Conditional => &template.before,
            Branch::Unconditional => &template.before_negative,
        };
        let whole = format!("{before}{prompt}{}", template.after);
        let end = before.len() + prompt.len();
        let starts = self.token_starts(&whole)?;
        let (tokens, limit) = (starts.len(), self.limit());
        let beyond = (tokens > limit).then(|| {
            // What follows the prompt has to stay, so room is short at the prompt's end.
            let after = starts.iter().filter(|&&start| start >= end).count();
            let first = starts.get(limit.saturating_sub(after)).copied().unwrap_or(before.len());
            part(&whole, first.clamp(before.len(), end), end)
        });
        Ok(PromptCheck { tokens, limit, beyond, ..PromptCheck::default() })
    }

    fn measure_caption(&self, prompt: &str) -> Result<PromptCheck, ModelError> {
        let text = caption::clean(prompt);
        let starts = self.token_starts(&text)?;
        // The end token takes one position.
        let limit = self.limit();
        let cut = starts.get(limit.saturating_sub(1)).map(|&start| part(&text, start, text.len()));
        let typed = prompt.split_whitespace().flat_map(|word| word.chars().chain([' ']));
        let same = typed.flat_map(char::to_lowercase).eq(text.chars().chain([' ']));
        Ok(PromptCheck {
            tokens: starts.len() + 1,
            limit,
            beyond: cut,
            cuts: true,
            cleaned: (!same).then_some(text),
            ..PromptCheck::default()
        })
    }

    /// Where each token begins, in bytes of the text.
    fn token_starts(&self, text: &str) -> Result<Vec<usize>, ModelError> {
        let encoding = self.tokenizer.encode(text, false).map_err(|error| {
            ModelError::Condition(format!("The tokenizer refuses the prompt: {error}."))
        })?;
        Ok(encoding.get_offsets().iter().map(|(start, _)| *start).collect())
    }

    fn unknown_words(&self, prompt: &str) -> Vec<String> {
        if !self.closed {
            return Vec::new();
        }
        let mut seen = HashSet::new();
        prompt
            .split_whitespace()
            .map(|word| (word, word.to_lowercase()))
            .filter(|(_, lower)| !self.known.contains(lower) && seen.insert(lower.clone()))
            .map(|(word, _)| word.to_owned())
            .collect()
    }

    pub(super) fn check_text(&self, text: &str) -> Result<(), ModelError> {
        // Bytes first: counting the characters of a pasted gigabyte takes a while too.
        let too_long = text.len() > 4 * MAX_PROMPT_CHARACTERS
            || text.chars().nth(MAX_PROMPT_CHARACTERS).is_some();
        if too_long {
            return Err(ModelError::Condition(format!(
                "The prompt is longer than {MAX_PROMPT_CHARACTERS} characters. Shorten it."
            )));
        }
        let unwanted = |c: &char| c.is_control() && !c.is_whitespace();
        if let Some((place, control)) = text.chars().enumerate().find(|(_, c)| unwanted(c)) {
            return Err(ModelError::Condition(format!(
                "The prompt contains the control character U+{:04X} as character {}. Remove it.",
                u32::from(control),
                place + 1
            )));
        }
        if let Some(special) = self.specials.iter().find(|special| text.contains(*special)) {
            return Err(ModelError::Condition(format!(
                "The prompt contains {special}, which marks a place in the model's sequence. Remove it."
            )));
        }
        Ok(())
    }
}

/// The text between two places in bytes, moved to the borders of characters.
fn part(text: &str, start: usize, end: usize) -> String {
    let (start, end) = (text.floor_char_boundary(start), text.floor_char_boundary(end));
    text.get(start..end).unwrap_or_default().trim().to_owned()
}

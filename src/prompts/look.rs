//! Looks at a prompt before a run: its length in the model's own tokens, what of it does not fit, words
//! that the model never saw.

use crate::compute::error::ModelError;
use crate::prompts::book::PromptBook;
use crate::prompts::caption;
use crate::prompts::check::{Branch, MAX_PROMPT_CHARACTERS, PromptCheck};
use crate::prompts::template::Reading;
use std::collections::HashSet;

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

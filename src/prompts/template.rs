//! What a family puts around a prompt in the two branches, and how it reads the prompt itself.

/// What stands around a prompt in the two branches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PromptTemplate {
    /// Before the prompt, for example `<|t2i|>`.
    pub before: String,
    /// After it, for example `<|soi|>`.
    pub after: String,
    /// The whole text of the unconditional branch.
    pub unconditional: String,
    /// What that says, for a person: the words without markers, or why there are none.
    pub unconditional_shown: String,
    /// Another unconditional prompt that the authors know, offered as an option.
    pub alternative_unconditional: Option<AlternativePrompt>,
    /// Before an unconditional prompt that a person typed; `after` follows it.
    pub before_negative: String,
    /// How the text between the markers becomes tokens.
    pub reading: Reading,
}

/// An unconditional prompt beside the usual one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlternativePrompt {
    /// The text between the markers.
    pub text: String,
    /// Name of the choice.
    pub name: String,
}

/// How a prompt becomes tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reading {
    /// As it is typed; one that is too long is refused.
    #[default]
    AsTyped,
    /// A caption of LlamaGen: cleaned as the authors do, an end token appended; what does not fit is
    /// cut off.
    Caption,
}

impl PromptTemplate {
    /// Only markers around the prompt, and nothing between them in the unconditional branch.
    pub fn markers(before: &str, after: &str) -> Self {
        Self {
            before: before.into(),
            after: after.into(),
            unconditional: format!("{before}{after}"),
            unconditional_shown: "No words, only the markers.".into(),
            before_negative: before.into(),
            ..Self::default()
        }
    }

    /// The words of the unconditional branch where a person could have typed them between the same
    /// markers; empty where it holds none.
    pub fn usual_text(&self) -> &str {
        let rest = self.unconditional.strip_prefix(&self.before_negative);
        rest.and_then(|rest| rest.strip_suffix(&self.after)).unwrap_or_default()
    }

    /// A caption without markers, and the null caption of the weights in the unconditional branch.
    pub fn caption() -> Self {
        Self {
            unconditional_shown: "The null caption stored in the weights.".into(),
            reading: Reading::Caption,
            ..Self::default()
        }
    }
}

/// The markers `<|…|>` in a template.
pub(super) fn markers_in(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("<|").filter_map(|(start, _)| {
        let rest = text.get(start..)?;
        rest.get(..rest.find("|>")? + 2)
    })
}

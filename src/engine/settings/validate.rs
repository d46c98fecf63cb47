//! [`RunSettings`] against a model: one message per wrong field, or the run that they make.

use super::{Field, FieldError, RunSettings, RunSpec};
use crate::compute::error::ModelError;
use crate::models::card::{Conditions, ModelCard};
use crate::prompts::check::PromptCheck;
use crate::prompts::condition::Condition;
use crate::sampling::Sampling;

impl RunSettings {
    /// Checks everything against a model.
    ///
    /// # Errors
    /// One message per wrong field.
    pub fn validate(&self, card: &ModelCard) -> Result<RunSpec, Vec<FieldError>> {
        let mut errors = Vec::new();
        self.check_condition(card, &mut errors);
        self.check_lanes(&mut errors);
        self.check_guidance(&mut errors);
        let scale_rule = self.scale_rule(&card.defaults);
        if scale_rule.is_none() {
            errors.push(FieldError {
                field: Field::Schedule,
                message: format!(
                    "{} has no schedule of its authors. Choose the cosine.",
                    card.identity.name
                ),
            });
        }
        self.check_sampling(card, &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(RunSpec {
            settings: self.clone(),
            model: card.identity.clone(),
            steps: card.layout.len(),
            scale_rule: scale_rule.unwrap_or_default(),
            unconditional_text: match (&self.condition, &card.conditions) {
                (Condition::Prompt { negative, .. }, Conditions::Prompts(book)) => {
                    Some(book.unconditional_text(negative.as_deref()))
                }
                _ => None,
            },
        })
    }

    fn check_condition(&self, card: &ModelCard, errors: &mut Vec<FieldError>) {
        let mut wrong = |field, message: String| errors.push(FieldError { field, message });
        match (&self.condition, &card.conditions) {
            (Condition::Prompt { text, negative }, Conditions::Prompts(book)) => {
                if text.trim().is_empty() {
                    wrong(
                        Field::Prompt,
                        "The prompt is empty. Type one, or press the dice.".into(),
                    );
                    return;
                }
                let mut look = |field, what, check: Result<PromptCheck, ModelError>| {
                    if let Some(message) = prompt_problem(&card.identity.name, what, check) {
                        wrong(field, message);
                    }
                };
                look(Field::Prompt, "prompt", book.check(text));
                if let Some(negative) = negative {
                    let check = book.check_unconditional(negative);
                    look(Field::Unconditional, "unconditional prompt", check);
                }
            }
            (Condition::Class(id), Conditions::Classes(classes)) => {
                if !classes.iter().any(|class| class.id == *id) {
                    wrong(
                        Field::Class,
                        format!(
                            "There is no class {id}. Choose one of the {} classes.",
                            classes.len()
                        ),
                    );
                }
            }
            (Condition::Prompt { .. }, Conditions::Classes(_)) => {
                wrong(Field::Class, "This model draws classes. Choose a class.".into());
            }
            (Condition::Class(_), Conditions::Prompts(_)) => {
                wrong(Field::Prompt, "This model draws prompts. Type a prompt.".into());
            }
        }
    }

    fn check_lanes(&self, errors: &mut Vec<FieldError>) {
        let mut seen = self.lanes.clone();
        seen.sort_unstable();
        seen.dedup();
        let message = if self.lanes.is_empty() {
            "No lane is on. Switch at least one on."
        } else if seen.len() != self.lanes.len() {
            "A lane is named twice. Name each lane once."
        } else {
            return;
        };
        errors.push(FieldError { field: Field::Lanes, message: message.into() });
    }

    fn check_guidance(&self, errors: &mut Vec<FieldError>) {
        let at_least_zero = [
            (Field::GuidanceScale, "guidance scale γ", self.guidance_scale),
            (Field::CosinePower, "cosine power k", self.cosine_power),
            (Field::ReleasedCode, "strength", self.released_code.strength),
            (Field::ReleasedCode, "weight floor", self.released_code.floor),
        ];
        for (field, name, value) in at_least_zero {
            if !value.is_finite() || value < 0.0 {
                let message = format!("The {name} is {value}. Use a number of 0 or more.");
                errors.push(FieldError { field, message });
            }
        }
        if self.released_code.floor > 1.0 {
            let message = format!(
                "The weight floor is {}. Use a number from 0 to 1.",
                self.released_code.floor
            );
            errors.push(FieldError { field: Field::ReleasedCode, message });
        }
    }

    fn check_sampling(&self, card: &ModelCard, errors: &mut Vec<FieldError>) {
        let Sampling { temperature, top_k, top_p, seed: _ } = self.sampling;
        let mut wrong = |field, message| errors.push(FieldError { field, message });
        if !temperature.is_finite() || temperature <= 0.0 {
            wrong(
                Field::Temperature,
                format!(
                    "The temperature is {temperature}. Use a number above 0; 1 leaves the distribution as it is."
                ),
            );
        }
        let penalty = self.repetition_penalty;
        if !penalty.is_finite() || penalty <= 0.0 {
            wrong(
                Field::RepetitionPenalty,
                format!("The repetition penalty is {penalty}. Use a number above 0; 1 is none."),
            );
        }
        let codes = card.decoder.codebook_size;
        if let Some(k) = top_k
            && !(1..=codes).contains(&k)
        {
            wrong(
                Field::TopK,
                format!("Top-k is {k}. Use 1 to {codes}, the number of codes, or switch it off."),
            );
        }
        if !(top_p > 0.0 && top_p <= 1.0) {
            wrong(Field::TopP, format!("Top-p is {top_p}. Use a number above 0 and up to 1."));
        }
    }
}

/// What is wrong with a prompt and what to do, if anything is.
fn prompt_problem(
    model: &str,
    what: &str,
    check: Result<PromptCheck, ModelError>,
) -> Option<String> {
    match check {
        Ok(check) if !check.unknown_words.is_empty() => Some(format!(
            "{model} does not know {}. Use words from the list of subjects.",
            quoted_list(&check.unknown_words)
        )),
        Ok(check) if check.tokens > check.limit && !check.cuts => Some(format!(
            "The {what} takes {} tokens and {model} has room for {}. Shorten it.",
            check.tokens, check.limit
        )),
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}

fn quoted_list(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("“{word}”")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

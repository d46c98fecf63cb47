//! Settings against a model: one message per wrong setting, or the run that they make.

use crate::compute::error::ModelError;
use crate::engine::settings::lane::LaneSettings;
use crate::engine::settings::run::RunSettings;
use crate::engine::settings::spec::{LaneSpec, RunSpec};
use crate::models::card::{Conditions, ModelCard};
use crate::prompts::check::PromptCheck;
use crate::prompts::condition::Condition;
use crate::sampling::Sampling;

/// A setting that a message can point at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    Prompt,
    Class,
    Lanes,
    GuidanceScale,
    CosinePower,
    Schedule,
    Unconditional,
    RepetitionPenalty,
    Temperature,
    TopK,
    TopP,
    ReleasedCode,
}

/// What is wrong with one field, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FieldError {
    /// Where.
    pub field: Field,
    /// What, and what to do.
    pub message: String,
}

impl RunSettings {
    /// Checks everything against a model.
    ///
    /// # Errors
    /// One message per wrong setting.
    pub fn validate(&self, card: &ModelCard) -> Result<RunSpec, Vec<FieldError>> {
        let mut errors = if self.lanes.is_empty() { self.shared.check(card) } else { Vec::new() };
        RunSpec::of_lanes(self.named_lanes(), card).map_err(|more| {
            errors.extend(more);
            errors
        })
    }
}

impl RunSpec {
    /// The run of these lanes, each with its name and settings of its own.
    ///
    /// # Errors
    /// One message per wrong setting of every lane; none twice.
    pub fn of_lanes(
        lanes: Vec<(String, LaneSettings)>,
        card: &ModelCard,
    ) -> Result<Self, Vec<FieldError>> {
        let mut errors: Vec<FieldError> = check_names(&lanes).into_iter().collect();
        for (_, settings) in &lanes {
            let new = settings.check(card).into_iter().filter(|error| !errors.contains(error));
            let new: Vec<FieldError> = new.collect();
            errors.extend(new);
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let lane = |(name, settings): (String, LaneSettings)| LaneSpec {
            name,
            scale_rule: settings.scale_rule(&card.defaults).unwrap_or_default(),
            unconditional_text: unconditional_text(&settings.condition, card),
            settings,
        };
        Ok(Self {
            lanes: lanes.into_iter().map(lane).collect(),
            model: card.identity.clone(),
            steps: card.layout.len(),
        })
    }
}

fn check_names(lanes: &[(String, LaneSettings)]) -> Option<FieldError> {
    let mut names: Vec<&str> = lanes.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let message = if lanes.is_empty() {
        "No lane is on. Switch at least one on."
    } else if names.len() != lanes.len() {
        "A lane is named twice. Name each lane once."
    } else {
        return None;
    };
    Some(FieldError { field: Field::Lanes, message: message.into() })
}

fn unconditional_text(condition: &Condition, card: &ModelCard) -> Option<String> {
    match (condition, &card.conditions) {
        (Condition::Prompt { negative, .. }, Conditions::Prompts(book)) => {
            Some(book.unconditional_text(negative.as_deref()))
        }
        _ => None,
    }
}

impl LaneSettings {
    /// What is wrong with the settings under a model.
    pub fn check(&self, card: &ModelCard) -> Vec<FieldError> {
        let mut errors = Vec::new();
        self.check_condition(card, &mut errors);
        self.check_guidance(&mut errors);
        if self.scale_rule(&card.defaults).is_none() {
            errors.push(FieldError {
                field: Field::Schedule,
                message: format!(
                    "{} has no schedule of its authors. Choose the cosine.",
                    card.identity.name
                ),
            });
        }
        self.check_sampling(card, &mut errors);
        errors
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

    fn check_guidance(&self, errors: &mut Vec<FieldError>) {
        let (scale, released_code) =
            (&self.guidance.scale, &self.guidance.perturbation.released_code);
        let at_least_zero = [
            (Field::GuidanceScale, "guidance scale γ", scale.guidance_scale),
            (Field::CosinePower, "cosine power k", scale.cosine_power),
            (Field::ReleasedCode, "strength", released_code.strength),
            (Field::ReleasedCode, "weight floor", released_code.floor),
        ];
        for (field, name, value) in at_least_zero {
            if !value.is_finite() || value < 0.0 {
                let message = format!("The {name} is {value}. Use a number of 0 or more.");
                errors.push(FieldError { field, message });
            }
        }
        if released_code.floor > 1.0 {
            let message =
                format!("The weight floor is {}. Use a number from 0 to 1.", released_code.floor);
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

//! Settings against a model: one message per wrong setting, or the run that they make.

use crate::compute::error::ModelError;
use crate::engine::settings::key::SettingKey;
use crate::engine::settings::lane::LaneSettings;
use crate::engine::settings::run::RunSettings;
use crate::engine::settings::spec::{LaneSpec, RunSpec};
use crate::engine::settings::table::SETTINGS;
use crate::models::card::{Conditions, ModelCard};
use crate::prompts::check::PromptCheck;
use crate::prompts::condition::Condition;

/// What is wrong with one setting, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SettingError {
    /// Which setting; `None` is the list of lanes.
    pub key: Option<SettingKey>,
    /// What, and what to do.
    pub message: String,
}

impl RunSettings {
    /// Checks everything against a model.
    ///
    /// # Errors
    /// One message per wrong setting.
    pub fn validate(&self, card: &ModelCard) -> Result<RunSpec, Vec<SettingError>> {
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
    ) -> Result<Self, Vec<SettingError>> {
        let mut errors: Vec<SettingError> = check_names(&lanes).into_iter().collect();
        for (_, settings) in &lanes {
            let new = settings.check(card).into_iter().filter(|error| !errors.contains(error));
            let new: Vec<SettingError> = new.collect();
            errors.extend(new);
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let lane = |(name, settings): (String, LaneSettings)| LaneSpec {
            name,
            scale_rule: settings
                .scale_rule(card.defaults.authors_schedule.as_ref())
                .unwrap_or_default(),
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

fn check_names(lanes: &[(String, LaneSettings)]) -> Option<SettingError> {
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
    Some(SettingError { key: None, message: message.into() })
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
    pub fn check(&self, card: &ModelCard) -> Vec<SettingError> {
        let mut errors = Vec::new();
        self.check_condition(card, &mut errors);
        let mut wrong = |key, message| errors.push(SettingError { key: Some(key), message });
        for setting in &SETTINGS {
            if let Some(message) = setting.problem(self) {
                wrong(setting.key, message);
            }
        }
        if self.scale_rule(card.defaults.authors_schedule.as_ref()).is_none() {
            let name = &card.identity.name;
            let message = format!("{name} has no schedule of its authors. Choose the cosine.");
            wrong(SettingKey::Schedule, message);
        }
        let codes = card.decoder.codebook_size;
        if let Some(k) = self.sampling.top_k
            && !(1..=codes).contains(&k)
        {
            let message =
                format!("Top-k is {k}. Use 1 to {codes}, the number of codes, or switch it off.");
            wrong(SettingKey::TopK, message);
        }
        errors
    }

    fn check_condition(&self, card: &ModelCard, errors: &mut Vec<SettingError>) {
        let mut wrong =
            |key, message: String| errors.push(SettingError { key: Some(key), message });
        match (&self.condition, &card.conditions) {
            (Condition::Prompt { text, negative }, Conditions::Prompts(book)) => {
                if text.trim().is_empty() {
                    wrong(
                        SettingKey::Prompt,
                        "The prompt is empty. Type one, or press the dice.".into(),
                    );
                    return;
                }
                let mut look = |key, what, check: Result<PromptCheck, ModelError>| {
                    if let Some(message) = prompt_problem(&card.identity.name, what, check) {
                        wrong(key, message);
                    }
                };
                look(SettingKey::Prompt, "prompt", book.check(text));
                if let Some(negative) = negative {
                    let check = book.check_unconditional(negative);
                    look(SettingKey::NegativePrompt, "unconditional prompt", check);
                }
            }
            (Condition::Class(id), Conditions::Classes(classes)) => {
                if !classes.iter().any(|class| class.id == *id) {
                    wrong(
                        SettingKey::Class,
                        format!(
                            "There is no class {id}. Choose one of the {} classes.",
                            classes.len()
                        ),
                    );
                }
            }
            (Condition::Prompt { .. }, Conditions::Classes(_)) => {
                wrong(SettingKey::Class, "This model draws classes. Choose a class.".into());
            }
            (Condition::Class(_), Conditions::Prompts(_)) => {
                wrong(SettingKey::Prompt, "This model draws prompts. Type a prompt.".into());
            }
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

//! The base of the rotary angles in a `config.json`, in the form of transformers 5 (`rope_parameters`) and
//! in the one of before (`rope_theta` beside `rope_scaling`). Only the default rotation is computed; every
//! other kind is refused in both forms.

use serde_json::{Map, Value};

/// Names of the default rotation.
const DEFAULT: &str = "default";
/// What to do about keys that contradict each other or are missing.
const CORRECT: &str = "take the config.json that belongs to the model";

/// The keys, as they stand in the file.
#[derive(Debug, Clone, Default)]
pub struct RopeKeys {
    /// `rope_theta`.
    pub rope_theta: Option<f64>,
    /// `rope_scaling`.
    pub rope_scaling: Option<Value>,
    /// `rope_parameters`.
    pub rope_parameters: Option<Value>,
}

impl RopeKeys {
    /// The base of the angles.
    ///
    /// # Errors
    /// Another kind of rotation than the default, two bases, or none.
    pub fn theta(&self) -> Result<f64, String> {
        let mut bases: Vec<f64> = self.rope_theta.into_iter().collect();
        for (key, value) in
            [("rope_scaling", &self.rope_scaling), ("rope_parameters", &self.rope_parameters)]
        {
            match value {
                None | Some(Value::Null) => {}
                Some(Value::Object(parameters)) => read(key, parameters, &mut bases)?,
                Some(other) => {
                    return Err(format!("{key} is {other}, no set of parameters; {CORRECT}"));
                }
            }
        }
        match bases.as_slice() {
            [] => Err(format!(
                "neither rope_theta nor rope_parameters tells the base of the rotary angles; {CORRECT}"
            )),
            [theta, others @ ..] if others.iter().all(|other| other == theta) => Ok(*theta),
            [theta, ..] => {
                let other = bases.iter().find(|other| *other != theta).unwrap_or(theta);
                Err(format!(
                    "it names two bases of the rotary angles, {theta} and {other}; {CORRECT}"
                ))
            }
        }
    }
}

/// One set of parameters, or one for every type of layers.
fn read(key: &str, parameters: &Map<String, Value>, bases: &mut Vec<f64>) -> Result<(), String> {
    // The kind first: what else stands there belongs to it.
    let is_kind = |name: &str| name == "type" || name == "rope_type";
    let (kinds, others): (Vec<_>, Vec<_>) = parameters.iter().partition(|(name, _)| is_kind(name));
    for (name, value) in kinds.into_iter().chain(others) {
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            (name, Value::String(kind)) if is_kind(name) && kind == DEFAULT => {}
            ("rope_theta", theta) if theta.as_f64().is_some() => bases.extend(theta.as_f64()),
            ("partial_rotary_factor", factor) if factor.as_f64() == Some(1.0) => {}
            // Types of layers; which of them a model has is `layer_types`.
            (_, Value::Object(inner)) => read(&format!("{key}.{name}"), inner, bases)?,
            _ => {
                return Err(format!(
                    "{key} sets {name} to {value}, and only the default rotation is computed here; choose a \
                     model with the default rotation"
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn theta(keys: Value) -> Result<f64, String> {
        let keys = RopeKeys {
            rope_theta: keys.get("rope_theta").and_then(Value::as_f64),
            rope_scaling: keys.get("rope_scaling").cloned(),
            rope_parameters: keys.get("rope_parameters").cloned(),
        };
        keys.theta()
    }

    #[test]
    fn both_forms_say_the_same() {
        for keys in [
            json!({ "rope_theta": 1e6 }),
            json!({ "rope_theta": 1e6, "rope_scaling": null }),
            json!({ "rope_theta": 1e6, "rope_scaling": { "type": "default" } }),
            json!({ "rope_parameters": { "rope_type": "default", "rope_theta": 1e6 } }),
            json!({ "rope_parameters": { "rope_theta": 1e6, "factor": null } }),
            json!({ "rope_theta": 1e6, "rope_parameters": { "rope_theta": 1_000_000 } }),
            json!({ "rope_parameters": { "full_attention": { "rope_type": "default", "rope_theta": 1e6 } } }),
        ] {
            assert_eq!(theta(keys.clone()), Ok(1e6), "{keys}");
        }
    }

    #[test]
    fn other_rotations_are_refused_by_name_in_both_forms() {
        for (keys, part) in [
            (
                json!({ "rope_theta": 1e6, "rope_scaling": { "type": "linear", "factor": 2.0 } }),
                "linear",
            ),
            (json!({ "rope_theta": 1e6, "rope_scaling": { "rope_type": "yarn" } }), "yarn"),
            (json!({ "rope_parameters": { "rope_type": "llama3", "rope_theta": 1e6 } }), "llama3"),
            (
                json!({ "rope_parameters": { "rope_theta": 1e6, "mrope_section": [16] } }),
                "mrope_section",
            ),
            (
                json!({ "rope_parameters": { "rope_theta": 1e6, "partial_rotary_factor": 0.5 } }),
                "0.5",
            ),
            (json!({ "rope_theta": 1e6, "rope_parameters": { "rope_theta": 1e4 } }), "two bases"),
            (
                json!({ "rope_parameters": { "a": { "rope_theta": 1e6 }, "b": { "rope_theta": 1e4 } } }),
                "two",
            ),
            (json!({ "rope_parameters": 3 }), "rope_parameters"),
            (json!({ "rope_scaling": null }), "neither"),
        ] {
            let message = theta(keys).unwrap_err();
            assert!(message.contains(part), "\"{part}\" is not in: {message}");
        }
    }
}

//! What the rest of the program knows of a loaded model without touching its weights, and the bundle
//! of decoder and image tokenizer itself.

use crate::compute::device_kind::DeviceKind;
use crate::compute::layout::TokenLayout;
use crate::compute::precision::Precision;
use crate::guidance::schedule::ScaleRule;
use crate::models::decoder::{Decoder, DecoderInfo};
use crate::prompts::book::PromptBook;
use crate::prompts::imagenet::{self, ClassName};
use crate::sampling::Sampling;
use crate::tokenizers::{ImageTokenizer, TokenizerInfo};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Which model made a run: enough to say whether a repeat must match bit for bit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelIdentity {
    /// Shown in the top bar, for example "Emoji scenes".
    pub name: String,
    /// Family, for example "SimpleAR".
    pub family: String,
    /// SHA-256 over the weight files, in hexadecimal.
    pub sha256: String,
    /// How the decoder's weights are stored in memory.
    pub precision: Precision,
    /// Where it decodes.
    #[serde(default)]
    pub device: DeviceKind,
}

impl ModelIdentity {
    /// Why a run of this model cannot be repeated bit for bit with the model in use, and what to
    /// do; `None` if it can.
    pub fn unlike(&self, in_use: &Self) -> Option<String> {
        let Self { name, precision, device, .. } = self;
        let same_weights = |other: &Self| (&other.name, &other.sha256) == (name, &self.sha256);
        if !same_weights(in_use) {
            return Some(format!("the run was made with {name}. Open it to repeat the run."));
        }
        ((precision, device) != (&in_use.precision, &in_use.device)).then(|| {
            format!(
                "the run was made with the weights of {name} held in {}, which are now held in {}. \
                 Open the model in {} to repeat the run exactly.",
                self.held(),
                in_use.held(),
                self.held()
            )
        })
    }

    /// How and where the weights are held: "bf16", "f32 on CUDA".
    pub fn held(&self) -> String {
        match self.device {
            DeviceKind::Cpu => self.precision.to_string(),
            device => format!("{} on {}", self.precision, device.label()),
        }
    }
}

/// The schedule of the authors' program, offered beside the cosine of the paper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuthorsSchedule {
    /// The rule; an interval that it may have is chosen with the run.
    pub rule: ScaleRule,
    /// What the program does, one sentence.
    pub description: String,
    /// Which program, by name.
    pub source: String,
}

impl AuthorsSchedule {
    /// The cosine as `program` computes it.
    pub fn program_cosine(program: &str) -> Self {
        Self {
            rule: ScaleRule::ProgramCosine,
            description:
                "The same cosine with the power k; γ 0 switches guidance off instead of reaching 0."
                    .into(),
            source: format!("{program}'s sampling program"),
        }
    }

    /// Whether a run may end its guidance early (LlamaGen's class programs).
    pub fn takes_interval(&self) -> bool {
        self.rule.with_interval(Some(0)) != self.rule
    }
}

/// Settings that the model's authors use, offered as the reset of every field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelDefaults {
    /// γ.
    pub guidance_scale: f32,
    /// k; 0 is a constant scale.
    pub cosine_power: f32,
    /// What the authors' program does in place of the cosine; `None` where the model has no program of
    /// its own.
    pub authors_schedule: Option<AuthorsSchedule>,
    /// Penalty on codes drawn before; 1 is none.
    pub repetition_penalty: f32,
    /// Temperature, top-k, top-p and seed.
    pub sampling: Sampling,
    /// Where these come from, one sentence.
    pub source: String,
}

impl ModelDefaults {
    /// Settings with a scale γ that decays with the power k (0: constant) and temperature 1, without
    /// filters. `source` says in a sentence where they are published.
    pub fn new(guidance_scale: f32, cosine_power: f32, seed: u64, source: &str) -> Self {
        Self {
            guidance_scale,
            cosine_power,
            authors_schedule: None,
            repetition_penalty: 1.0,
            sampling: Sampling { temperature: 1.0, top_k: None, top_p: 1.0, seed },
            source: source.to_string(),
        }
    }

    /// The same with a temperature.
    pub fn with_temperature(mut self, temperature: f32) -> Self {
        self.sampling.temperature = temperature;
        self
    }

    /// The same with a top-k filter.
    pub fn with_top_k(mut self, top_k: usize) -> Self {
        self.sampling.top_k = Some(top_k);
        self
    }

    /// The same with the schedule of the authors' program.
    pub fn with_schedule(self, schedule: AuthorsSchedule) -> Self {
        Self { authors_schedule: Some(schedule), ..self }
    }
}

/// What can be asked of a model.
#[derive(Clone)]
pub enum Conditions {
    /// Free text.
    Prompts(Arc<PromptBook>),
    /// One of a list of classes.
    Classes(Arc<Vec<ClassName>>),
}

impl Conditions {
    /// The first `count` classes of ImageNet.
    pub fn classes(count: usize) -> Self {
        Self::Classes(Arc::new(imagenet::classes_of(count)))
    }
}

/// Everything about a model but its weights; cheap to share with the window.
#[derive(Clone)]
pub struct ModelCard {
    /// Name, family, hash, precision.
    pub identity: ModelIdentity,
    /// Decoder sizes.
    pub decoder: DecoderInfo,
    /// Image tokenizer sizes.
    pub tokenizer: TokenizerInfo,
    /// Which step draws which cell.
    pub layout: TokenLayout,
    /// Prompts or classes.
    pub conditions: Conditions,
    /// The authors' settings.
    pub defaults: ModelDefaults,
    /// Whether a paired run is quick enough to follow every change of a slider.
    pub live: bool,
    /// What of its files is not understood and may matter.
    pub notes: Vec<String>,
}

/// A loaded model.
pub struct Model {
    /// What can be known without the weights.
    pub card: Arc<ModelCard>,
    /// The transformer.
    pub decoder: Box<dyn Decoder>,
    /// Codes to pixels.
    pub tokenizer: Box<dyn ImageTokenizer>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_says_what_it_needs_to_be_repeated() {
        let run = ModelIdentity {
            name: "RAR-B".into(),
            family: "RAR".into(),
            sha256: "a".into(),
            precision: Precision::Bf16,
            device: DeviceKind::Cpu,
        };
        assert_eq!(run.unlike(&run), None);
        let says = |in_use: ModelIdentity| run.unlike(&in_use).unwrap();
        let other = says(ModelIdentity { sha256: "b".into(), ..run.clone() });
        assert!(other.contains("RAR-B. Open it"), "{other}");
        let precision = says(ModelIdentity { precision: Precision::Int8, ..run.clone() });
        for part in ["held in bf16", "now held in int8", "Open the model in bf16"] {
            assert!(precision.contains(part), "{precision}");
        }
        let device = says(ModelIdentity { device: DeviceKind::Cuda, ..run.clone() });
        assert!(device.contains("bf16 on CUDA"), "{device}");
        // Runs of earlier versions say nothing of a device.
        let text = r#"{"name":"RAR-B","family":"RAR","sha256":"a","precision":"bf16"}"#;
        assert_eq!(serde_json::from_str::<ModelIdentity>(text).unwrap(), run);
    }
}

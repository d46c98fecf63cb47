//! Published sizes of the class-conditional families by name, and the settings and schedules that all
//! families' authors sample with. The tables of the authors' READMEs, configurations and programs; nothing here was tuned.

use crate::guidance::schedule::ScaleRule;
use crate::models::alitok::config::AlitokConfig;
use crate::models::card::{AuthorsSchedule, ModelDefaults};
use crate::models::generation_config::GenerationConfig;
use crate::models::llamagen::config::LlamagenConfig;
use crate::models::lumina::decoder::ImageSize;
use crate::models::rar::config::RarConfig;
use crate::sampling::Sampling;

/// Codes of RobusTok's RAR, whose files have the names of RAR's.
const ROBUSTOK_CODES: usize = 4096;

impl AlitokConfig {
    /// "AliTok-B" for a published size, else "AliTok".
    pub fn name(&self) -> &'static str {
        match (self.hidden_size, self.num_hidden_layers) {
            (768, 24) => "AliTok-B",
            (1024, 24) => "AliTok-L",
            (1280, 32) => "AliTok-XL",
            _ => "AliTok",
        }
    }

    /// Settings of the authors.
    pub fn defaults(&self) -> ModelDefaults {
        let (guidance_scale, cosine_power, seed, source) = match self.name() {
            "AliTok-B" => (16.0, 1.8, 42, "AliTok's sampling configuration for B (CFG)."),
            "AliTok-L" => (6.0, 0.7, 42, "AliTok's sampling configuration for L (CFG)."),
            "AliTok-XL" => (
                13.0,
                1.4,
                2,
                "AliTok's sampling configuration for XL (CFG); SoftCFG's README takes γ 9 and k 1.5 \
                 with step norm.",
            ),
            _ => (16.0, 1.8, 42, "AliTok's for B; nothing is published for this size."),
        };
        let schedule = program_cosine("AliTok");
        defaults(guidance_scale, cosine_power, 1.0, None, seed, source).with_schedule(schedule)
    }
}

impl RarConfig {
    /// Whether this is RobusTok's variant, which has the file names of RAR but other codes.
    pub fn is_robustok(&self) -> bool {
        self.codebook_size == ROBUSTOK_CODES
    }

    /// "RAR-B" for a published size, "RobusTok RAR-B" for that variant, else "RAR".
    pub fn name(&self) -> &'static str {
        match (self.is_robustok(), self.hidden_size, self.num_hidden_layers) {
            (false, 768, 24) => "RAR-B",
            (false, 1024, 24) => "RAR-L",
            (false, 1280, 32) => "RAR-XL",
            (false, 1408, 40) => "RAR-XXL",
            (true, 768, 24) => "RobusTok RAR-B",
            (true, 1024, 24) => "RobusTok RAR-L",
            (true, ..) => "RobusTok RAR",
            _ => "RAR",
        }
    }

    /// Settings of the authors.
    pub fn defaults(&self) -> ModelDefaults {
        let (guidance_scale, cosine_power, temperature, source) = match self.name() {
            "RAR-B" => (16.0, 2.75, 1.0, "RAR's README and configuration for B."),
            "RAR-L" => (15.5, 2.5, 1.02, "RAR's README for L."),
            "RAR-XL" => (6.9, 1.5, 1.02, "RAR's README for XL."),
            "RAR-XXL" => (8.0, 1.2, 1.02, "RAR's README for XXL."),
            "RobusTok RAR-L" => (6.75, 1.01, 1.0, "RobusTok's configuration for RAR-L."),
            _ => (
                4.0,
                0.0,
                1.0,
                "RAR's quick start (constant scale); nothing is published for this size.",
            ),
        };
        let schedule = program_cosine(if self.is_robustok() { "RobusTok" } else { "RAR" });
        defaults(guidance_scale, cosine_power, temperature, None, 0, source).with_schedule(schedule)
    }
}

impl LlamagenConfig {
    /// "LlamaGen GPT-B" for a known size, "LlamaGen t2i GPT-XL" for text, else without a size.
    pub fn name(&self) -> String {
        let size = match (self.dim, self.n_layer) {
            (768, 12) => " GPT-B",
            (1024, 24) => " GPT-L",
            (1280, 36) => " GPT-XL",
            (1536, 48) => " GPT-XXL",
            (3200, 24) => " GPT-3B",
            (2048, 22) => " GPT-1B",
            (4096, 32) => " GPT-7B",
            (2560, 48) => " GPT-XXXL",
            _ => "",
        };
        let kind = if self.caption_dim.is_some() { " t2i" } else { "" };
        format!("LlamaGen{kind}{size}")
    }

    /// Settings of the authors' demonstration programs, which draw single pictures; their evaluation
    /// guides less. The scale is constant in both.
    pub fn defaults(&self) -> ModelDefaults {
        if self.caption_dim.is_some() {
            let source = "LlamaGen's text demo (constant scale); its evaluation takes the same.";
            // The text programs have no interval option.
            let schedule = constant("LlamaGen's text programs", ScaleRule::ConstantAboveOne);
            return defaults(7.5, 0.0, 1.0, Some(1000), 0, source).with_schedule(schedule);
        }
        let evaluation = match (self.dim, self.n_layer) {
            (768, 12) | (1024, 24) => "2.0",
            (1280, 36) | (1536, 48) => "1.75",
            (3200, 24) => "1.65",
            _ => "1.5",
        };
        let source = format!(
            "LlamaGen's class demo (constant scale); its evaluation takes {evaluation} without top-k."
        );
        let rule = ScaleRule::ConstantUntil { interval: None };
        let schedule = constant("LlamaGen's class programs", rule);
        defaults(4.0, 0.0, 1.0, Some(2000), 0, &source).with_schedule(schedule)
    }
}

/// Settings of SimpleAR's generator, with the penalty of the folder's `generation_config.json`.
pub fn simple_ar(generation: &GenerationConfig) -> ModelDefaults {
    let mut source = String::from(
        "SimpleAR's generator (constant scale); its top-k of 64 000 keeps every code.",
    );
    if let Some(penalty) = generation.repetition_penalty {
        source += &format!(" Repetition penalty {penalty} from generation_config.json.");
    }
    source += &generation.ignored(false);
    let schedule = AuthorsSchedule {
        rule: ScaleRule::Constant,
        description: "The same scale γ at every step.".into(),
        source: "SimpleAR's generator".into(),
    };
    let repetition_penalty = generation.penalty();
    ModelDefaults {
        repetition_penalty,
        ..defaults(6.0, 0.0, 1.0, None, PROMPT_SEED, &source).with_schedule(schedule)
    }
}

/// Settings of Lumina-mGPT 2.0's README.
pub fn lumina(size: ImageSize, generation: &GenerationConfig) -> ModelDefaults {
    let source = "Lumina-mGPT 2.0's README (scale 4, which its own schedule keeps constant).";
    let source = source.to_owned() + &generation.ignored(true);
    let schedule = AuthorsSchedule {
        rule: size.scale_rule(),
        description:
            "Decays from γ to 4 within the first rows and stays there; any γ from 1 to 4 is 4 \
                      at once, and 1 itself is no guidance."
                .into(),
        source: "Lumina-mGPT 2.0's program".into(),
    };
    defaults(4.0, 0.0, 1.0, Some(4096), PROMPT_SEED, &source).with_schedule(schedule)
}

/// Seed of the first picture of a text model; their programs draw any.
const PROMPT_SEED: u64 = 7;

fn program_cosine(program: &str) -> AuthorsSchedule {
    AuthorsSchedule {
        rule: ScaleRule::ProgramCosine,
        description:
            "The same cosine with the power k; γ 0 switches guidance off instead of reaching 0."
                .into(),
        source: format!("{program}'s sampling program"),
    }
}

fn constant(programs: &str, rule: ScaleRule) -> AuthorsSchedule {
    let end = match rule {
        ScaleRule::ConstantUntil { .. } => " An interval ends the guidance early.",
        _ => "",
    };
    AuthorsSchedule {
        rule,
        description: format!("The same scale γ at every step; γ up to 1 is no guidance.{end}"),
        source: programs.into(),
    }
}

fn defaults(
    guidance_scale: f32,
    cosine_power: f32,
    temperature: f32,
    top_k: Option<usize>,
    seed: u64,
    source: &str,
) -> ModelDefaults {
    ModelDefaults {
        guidance_scale,
        cosine_power,
        authors_schedule: None,
        repetition_penalty: 1.0,
        sampling: Sampling { temperature, top_k, top_p: 1.0, seed },
        source: source.to_string(),
    }
}

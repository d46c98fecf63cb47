//! A small decoder over the real caches, attention and linear layers, with switches for trouble.

use candle_core::{DType, Device, Tensor};
use image::{Rgb, RgbImage};
use softcfg_studio::compute::attention::attend;
use softcfg_studio::compute::attention_shape::AttentionShape;
use softcfg_studio::compute::error::ModelError;
use softcfg_studio::compute::kv_cache::{BatchPlan, KvCache};
use softcfg_studio::compute::layout::TokenLayout;
use softcfg_studio::compute::linear::Linear;
use softcfg_studio::compute::precision::{ActivationNumber, Precision};
use softcfg_studio::compute::rows::{Logits, Prefix, Row, RowInput};
use softcfg_studio::engine::settings::{RunSettings, RunSpec};
use softcfg_studio::models::card::{Conditions, Model, ModelCard, ModelDefaults, ModelIdentity};
use softcfg_studio::models::decoder::{Decoder, DecoderInfo};
use softcfg_studio::prompts::condition::{Condition, Prefixes};
use softcfg_studio::prompts::imagenet::ClassName;
use softcfg_studio::sampling::Sampling;
use softcfg_studio::tokenizers::{ImageTokenizer, TokenizerInfo};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const CODES: usize = 48;
const WIDTH: usize = 32;
const SHAPE: AttentionShape = AttentionShape { heads: 4, kv_heads: 2, head_dim: 8 };

/// What the decoder does besides decoding.
#[derive(Clone)]
pub struct Behaviour {
    pub grid: (usize, usize),
    /// Sleeps this long in every pass.
    pub pause: Duration,
    /// Sleeps this long in every picture.
    pub preview_pause: Duration,
    /// Whether the model counts as quick: its previews keep to a larger share then.
    pub live: bool,
    /// Panics in this pass, counted from 0 over the decoder's life.
    pub panic_at_pass: Option<usize>,
    /// Returns NaN in this pass.
    pub nan_at_pass: Option<usize>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            grid: (6, 8),
            pause: Duration::ZERO,
            preview_pause: Duration::ZERO,
            live: true,
            panic_at_pass: None,
            nan_at_pass: None,
        }
    }
}

struct TestDecoder {
    behaviour: Behaviour,
    passes: AtomicUsize,
    info: DecoderInfo,
    embedding: Vec<f32>,
    query: Linear,
    key: Linear,
    value: Linear,
    head: Linear,
}

/// A cheap repeatable stream of numbers in [-1, 1).
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 40) as f32 / (1u64 << 23) as f32) - 1.0
        })
        .collect()
}

fn linear(seed: u64, outputs: usize, inputs: usize, scale: f32) -> Linear {
    let data: Vec<f32> = numbers(seed, outputs * inputs).iter().map(|x| x * scale).collect();
    let weight = Tensor::from_vec(data, (outputs, inputs), &Device::Cpu).expect("a matrix");
    Linear::new(&weight, None, Precision::F32, ActivationNumber::F32).expect("a linear layer")
}

impl Decoder for TestDecoder {
    fn info(&self) -> &DecoderInfo {
        &self.info
    }

    fn prefixes(&self, condition: &Condition) -> Result<Prefixes, ModelError> {
        match condition {
            Condition::Class(id) => Ok(Prefixes {
                conditional: Prefix::Tokens(vec![*id, 1]),
                unconditional: Prefix::Tokens(vec![0]),
            }),
            Condition::Prompt { .. } => Err(ModelError::Condition("draws classes only".into())),
        }
    }

    fn new_cache(&self, prefix: Prefix, image_tokens: usize) -> Result<KvCache, ModelError> {
        let Prefix::Tokens(tokens) = &prefix else {
            return Err(ModelError::Internal("tokens only"));
        };
        let length = tokens.len();
        KvCache::new(SHAPE.cache(1, ActivationNumber::F32), prefix, length, image_tokens)
    }

    fn forward(&self, rows: &[Row<'_>], caches: &mut [KvCache]) -> Result<Logits, ModelError> {
        let pass = self.passes.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(self.behaviour.pause);
        if self.behaviour.panic_at_pass == Some(pass) {
            panic!("the decoder panicked as asked");
        }
        let plan = BatchPlan::new(rows, caches)?;
        let mut x = Vec::new();
        for (row, place) in rows.iter().zip(&plan.rows) {
            let id = match (row.input, caches[row.cache].prefix()) {
                (RowInput::Prefix(index), Prefix::Tokens(tokens)) => tokens[index],
                (RowInput::Image { token, .. }, _) => token,
                _ => return Err(ModelError::Internal("tokens only")),
            } as usize;
            let place = place.position as f32 * 0.1;
            x.extend(self.embedding[id * WIDTH..][..WIDTH].iter().map(|e| e + place.sin()));
        }
        let x = Tensor::from_vec(x, (rows.len(), WIDTH), &Device::Cpu)?;
        let (q, k, v) = (self.query.forward(&x)?, self.key.forward(&x)?, self.value.forward(&x)?);
        let mixed = attend(SHAPE, 0, &q, &k, &v, &plan, caches)?;
        plan.commit(caches);
        let logits = self.head.forward(&(x + mixed)?)?.to_dtype(DType::F32)?;
        let mut values = Vec::new();
        for (row, logits) in rows.iter().zip(logits.to_vec2::<f32>()?) {
            if row.logits {
                values.extend(logits);
            }
        }
        if self.behaviour.nan_at_pass == Some(pass) {
            values[3] = f32::NAN;
        }
        Ok(Logits { values, width: CODES })
    }
}

struct TestTokenizer {
    info: TokenizerInfo,
    pause: Duration,
}

impl ImageTokenizer for TestTokenizer {
    fn info(&self) -> &TokenizerInfo {
        &self.info
    }

    fn decode(&self, tokens: &[Option<u32>], layout: &TokenLayout) -> Result<RgbImage, ModelError> {
        std::thread::sleep(self.pause);
        let mut image = RgbImage::new(layout.columns() as u32, layout.rows() as u32);
        for (step, token) in tokens.iter().enumerate() {
            if let (Some(token), Some((row, column))) = (token, layout.cell_of_step(step)) {
                image.put_pixel(column as u32, row as u32, Rgb([*token as u8 * 5; 3]));
            }
        }
        Ok(image)
    }

    fn swatches(&self, codes: &[u32]) -> Result<Vec<RgbImage>, ModelError> {
        Ok(codes.iter().map(|&c| RgbImage::from_pixel(1, 1, Rgb([c as u8 * 5; 3]))).collect())
    }
}

/// A model of random weights that is the same every time.
pub fn test_model(behaviour: Behaviour) -> Model {
    let info = DecoderInfo { codebook_size: CODES, parameters: 0, step_weight_bytes: 0 };
    let tokenizer = TokenizerInfo {
        name: "test".into(),
        codebook_size: CODES,
        pixels_per_token: 1,
        partial_preview: "exact",
        parameters: 0,
    };
    let pause = behaviour.preview_pause;
    let layout = TokenLayout::raster(behaviour.grid.0, behaviour.grid.1);
    let class = ClassName { id: 3, name: "three".into(), synonyms: Vec::new() };
    let sampling = Sampling { temperature: 1.0, top_k: None, top_p: 1.0, seed: 1 };
    let card = ModelCard {
        notes: Vec::new(),
        identity: ModelIdentity {
            name: "test".into(),
            family: "test".into(),
            sha256: "0".into(),
            precision: Precision::F32,
            device: Default::default(),
        },
        decoder: info.clone(),
        tokenizer: tokenizer.clone(),
        layout,
        conditions: Conditions::Classes(Arc::new(vec![class])),
        defaults: ModelDefaults {
            guidance_scale: 3.0,
            cosine_power: 1.0,
            authors_schedule: None,
            repetition_penalty: 1.0,
            sampling,
            source: "this test".into(),
        },
        live: behaviour.live,
    };
    let decoder = TestDecoder {
        behaviour,
        passes: AtomicUsize::new(0),
        info,
        embedding: numbers(1, CODES * WIDTH),
        query: linear(2, WIDTH, WIDTH, 0.5),
        key: linear(3, SHAPE.kv_heads * SHAPE.head_dim, WIDTH, 0.5),
        value: linear(4, SHAPE.kv_heads * SHAPE.head_dim, WIDTH, 4.0),
        head: linear(5, CODES, WIDTH, 0.3),
    };
    Model {
        card: Arc::new(card),
        decoder: Box::new(decoder),
        tokenizer: Box::new(TestTokenizer { info: tokenizer, pause }),
    }
}

/// Settings that fit the test model.
pub fn settings() -> RunSettings {
    let mut settings = RunSettings::default();
    settings.shared.condition = Condition::Class(3);
    settings.shared.guidance.scale.guidance_scale = 3.0;
    settings
}

/// The run that `settings` make with the model of `card`.
pub fn spec(card: &ModelCard, settings: &RunSettings) -> RunSpec {
    settings.validate(card).expect("valid settings")
}

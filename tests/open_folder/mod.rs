//! Prompt models from their folders as decoders alone, without the image tokenizer that the program
//! opens beside them; and the same transformer with the output head of the whole vocabulary, whose
//! logits golden data records.
#![allow(dead_code, reason = "each test binary uses its own part")]

use super::test_device::device;
use softcfg_studio::checkpoint::folder::ModelFolder;
use softcfg_studio::checkpoint::folder_config::FolderConfig;
use softcfg_studio::checkpoint::text_tokenizer;
use softcfg_studio::checkpoint::{Container, LoadProgress};
use softcfg_studio::compute::error::ModelError;
use softcfg_studio::compute::kv_cache::KvCache;
use softcfg_studio::compute::precision::Precision;
use softcfg_studio::compute::rows::{Logits, Prefix, Row};
use softcfg_studio::compute::transformer::{CodeRange, Transformer, TransformerOptions};
use softcfg_studio::compute::weights::Weights;
use softcfg_studio::models::decoder::{Decoder, DecoderInfo};
use softcfg_studio::models::lumina::config::LuminaConfig;
use softcfg_studio::models::lumina::decoder::Lumina;
use softcfg_studio::models::lumina::description::begin_token;
use softcfg_studio::models::lumina::image_size::ImageSize;
use softcfg_studio::models::simple_ar::config::Qwen2Config;
use softcfg_studio::models::simple_ar::decoder::Qwen2;
use softcfg_studio::prompts::book::PromptBook;
use softcfg_studio::prompts::condition::{Condition, Prefixes};
use softcfg_studio::prompts::template::PromptTemplate;
use softcfg_studio::tokenizers::conv_fsq::{self, ConvFsq, ConvFsqConfig};
use softcfg_studio::tokenizers::layers::network::Network;
use std::path::Path;
use std::sync::Arc;

/// The files of the built-in model.
pub const BUILT_IN: &str = "assets/emoji-scenes";

fn weights_at(path: &Path, precision: Precision) -> Result<Weights<'static>, ModelError> {
    let builder = Container::open(path)?.into_var_builder(Arc::new(LoadProgress::default()));
    Ok(Weights::new(builder, precision))
}

fn weights(folder: &Path, precision: Precision) -> Result<Weights<'static>, ModelError> {
    Ok(weights_at(folder, precision)?.on(&device()))
}

/// How a Qwen2 folder is opened.
#[derive(Clone)]
pub struct Qwen2Folder<'a> {
    pub folder: &'a Path,
    /// Number of image codes, of which the tokenizer file knows.
    pub codes: usize,
    /// Tokens of an image: what the prompt must leave room for.
    pub image_tokens: usize,
    pub template: PromptTemplate,
}

impl Qwen2Folder<'static> {
    /// The built-in model.
    pub fn built_in() -> Self {
        let image = built_in_tokenizer_config();
        Self {
            folder: Path::new(BUILT_IN),
            codes: image.codebook_size as usize,
            image_tokens: image.grid_side().pow(2),
            template: PromptTemplate::markers("<|t2i|>", "<|soi|>"),
        }
    }
}

impl Qwen2Folder<'_> {
    fn parts(&self) -> Result<(Qwen2Config, Arc<PromptBook>), ModelError> {
        let folder = ModelFolder::Disk(self.folder.into());
        let config: Qwen2Config = FolderConfig::of(&folder)?.required()?;
        let limit = config.max_position_embeddings.saturating_sub(self.image_tokens);
        let tokenizer = text_tokenizer::required(&folder)?;
        let prompts = PromptBook::new(&tokenizer, self.template.clone(), limit, None)?;
        Ok((config, Arc::new(prompts)))
    }

    /// The decoder.
    pub fn load(&self, precision: Precision) -> Result<Qwen2, ModelError> {
        let (config, prompts) = self.parts()?;
        Qwen2::load(&config, self.codes, &weights(self.folder, precision)?, prompts)
    }

    /// The decoder with the head of the whole vocabulary.
    pub fn load_whole(&self, precision: Precision) -> WholeHead {
        let (config, prompts) = self.parts().unwrap();
        let weights = weights(self.folder, precision).unwrap();
        let options = config.options(weights.contains("lm_head.weight")).unwrap();
        WholeHead::load(options, config.codes(self.codes).unwrap(), None, &weights, prompts)
    }
}

/// How a Lumina folder is opened.
pub struct LuminaFolder<'a> {
    pub folder: &'a Path,
    pub codes: CodeRange,
    pub size: ImageSize,
}

impl LuminaFolder<'_> {
    fn parts(&self) -> Result<(LuminaConfig, Arc<PromptBook>), ModelError> {
        self.size.validate()?;
        let folder = ModelFolder::Disk(self.folder.into());
        let config: LuminaConfig = FolderConfig::of(&folder)?.required()?;
        let limit = config.max_position_embeddings.saturating_sub(self.size.tokens());
        let template = self.size.template(&begin_token(&folder)?);
        let prompts = PromptBook::new(&text_tokenizer::required(&folder)?, template, limit, None)?;
        Ok((config, Arc::new(prompts)))
    }

    /// The decoder.
    pub fn load(&self, precision: Precision) -> Result<Lumina, ModelError> {
        let (config, prompts) = self.parts()?;
        let weights = weights(self.folder, precision)?;
        Lumina::load(&config, self.codes, self.size, &weights, prompts)
    }

    /// The decoder with the head of the whole vocabulary.
    pub fn load_whole(&self, precision: Precision) -> WholeHead {
        let (config, prompts) = self.parts().unwrap();
        let weights = weights(self.folder, precision).unwrap();
        let options = config.options(weights.contains("lm_head.weight")).unwrap();
        let per_row = self.size.grid().1 + 1;
        WholeHead::load(options, self.codes, Some(per_row), &weights, prompts)
    }
}

/// A prompt model's transformer with all rows of its output head.
pub struct WholeHead {
    transformer: Transformer,
    info: DecoderInfo,
    /// Where the codes lie in the vocabulary.
    pub codes: CodeRange,
    pub prompts: Arc<PromptBook>,
    /// Tokens of a row of the image, if each ends with a forced one, which is fed by its id.
    per_row: Option<usize>,
}

impl WholeHead {
    fn load(
        options: TransformerOptions,
        codes: CodeRange,
        per_row: Option<usize>,
        weights: &Weights<'static>,
        prompts: Arc<PromptBook>,
    ) -> Self {
        let whole = CodeRange { offset: 0, count: options.vocab_size };
        let transformer = Transformer::load(options, whole, weights).unwrap();
        let info = DecoderInfo {
            codebook_size: codes.count,
            parameters: transformer.parameters(),
            step_weight_bytes: transformer.step_weight_bytes(),
        };
        Self { transformer, info, codes, prompts, per_row }
    }
}

impl Decoder for WholeHead {
    fn info(&self) -> &DecoderInfo {
        &self.info
    }

    fn prefixes(&self, condition: &Condition) -> Result<Prefixes, ModelError> {
        self.prompts.prefixes(condition)
    }

    fn new_cache(&self, prefix: Prefix, image_tokens: usize) -> Result<KvCache, ModelError> {
        self.transformer.new_cache(prefix, image_tokens)
    }

    fn forward(&self, rows: &[Row<'_>], caches: &mut [KvCache]) -> Result<Logits, ModelError> {
        self.transformer.forward(rows, caches, |index, token| {
            let forced = self.per_row.is_some_and(|per_row| (index + 1) % per_row == 0);
            if forced { Some(token) } else { self.codes.id(token) }
        })
    }
}

fn built_in_tokenizer_config() -> ConvFsqConfig {
    let json = std::fs::read(Path::new(BUILT_IN).join("image_tokenizer.json")).unwrap();
    serde_json::from_slice(&json).unwrap()
}

fn built_in_tokenizer_weights() -> Weights<'static> {
    let path = Path::new(BUILT_IN).join("image_tokenizer.safetensors");
    weights_at(&path, Precision::F32).unwrap()
}

/// The image tokenizer of the built-in model.
pub fn built_in_tokenizer() -> ConvFsq {
    conv_fsq::load_decoder(&built_in_tokenizer_config(), &built_in_tokenizer_weights()).unwrap()
}

/// Its encoder.
pub fn built_in_encoder() -> Network {
    conv_fsq::load_encoder(&built_in_tokenizer_config(), &built_in_tokenizer_weights()).unwrap()
}

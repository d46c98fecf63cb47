//! The table of families: how each is recognised, inferred and called.

use super::geometry::{Config, DecoderGeometry, Geometry};
use super::{class_models, text_models, tokenizers};
use crate::checkpoint::manifest::Manifest;
use crate::checkpoint::shapes::TensorShapes;
use serde::{Deserialize, Serialize};

/// What a checkpoint is of.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::VariantArray,
)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// AliTok's decoder.
    #[strum(serialize = "AliTok")]
    AliTok,
    /// RAR's decoder, and RobusTok's of the same layout.
    #[strum(serialize = "RAR")]
    Rar,
    /// LlamaGen's GPT, class- or caption-conditional.
    #[strum(serialize = "LlamaGen")]
    LlamaGen,
    /// SimpleAR's decoder and the built-in model's.
    #[strum(serialize = "SimpleAR")]
    SimpleAr,
    /// Lumina-mGPT 2.0.
    #[strum(serialize = "Lumina-mGPT")]
    Lumina,
    /// AliTok's image tokenizer.
    #[strum(serialize = "AliTok tokenizer")]
    AliTokTokenizer,
    /// MaskGIT-VQGAN, RAR's image tokenizer.
    #[strum(serialize = "MaskGIT-VQGAN")]
    MaskGitVqgan,
    /// LlamaGen's VQ-16 and VQ-8.
    #[strum(serialize = "LlamaGen VQ")]
    LlamaGenVq,
    /// Cosmos DV, SimpleAR's image tokenizer.
    #[strum(serialize = "Cosmos DV")]
    Cosmos,
    /// MoVQGAN, Lumina's image tokenizer.
    #[strum(serialize = "MoVQGAN")]
    MoVqgan,
    /// The built-in model's image tokenizer.
    #[strum(serialize = "FSQ autoencoder")]
    FsqConv,
    /// T5's encoder, for LlamaGen's captions.
    #[strum(serialize = "T5 encoder")]
    T5Encoder,
}

/// What a checkpoint is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display)]
pub enum Role {
    /// Draws codes.
    #[strum(serialize = "decoder")]
    Decoder,
    /// Turns codes to pixels.
    #[strum(serialize = "image tokenizer")]
    ImageTokenizer,
    /// Turns text to rows.
    #[strum(serialize = "text encoder")]
    TextEncoder,
}

impl Family {
    /// What its checkpoints are for.
    pub fn role(self) -> Role {
        match self {
            Self::AliTok | Self::Rar | Self::LlamaGen | Self::SimpleAr | Self::Lumina => {
                Role::Decoder
            }
            Self::T5Encoder => Role::TextEncoder,
            _ => Role::ImageTokenizer,
        }
    }

    /// A tensor that only this family has; what stands before it in the file is the prefix.
    pub(crate) fn signature(self) -> &'static str {
        match self {
            Self::AliTok => class_models::alitok::SIGNATURE,
            Self::Rar => class_models::rar::SIGNATURE,
            Self::LlamaGen => class_models::llamagen::SIGNATURE,
            Self::SimpleAr => text_models::qwen2::SIGNATURE,
            Self::Lumina => text_models::lumina::SIGNATURE,
            Self::AliTokTokenizer => tokenizers::alitok::SIGNATURE,
            Self::MaskGitVqgan => tokenizers::maskgit::SIGNATURE,
            Self::LlamaGenVq => tokenizers::llamagen::SIGNATURE,
            Self::Cosmos => tokenizers::cosmos::SIGNATURE,
            Self::MoVqgan => tokenizers::movq::SIGNATURE,
            Self::FsqConv => tokenizers::fsq::SIGNATURE,
            Self::T5Encoder => text_models::t5::SIGNATURE,
        }
    }

    /// Names that every file of the family has, numbers as `#`: how a stranger's likeness is judged.
    pub(crate) fn typical(self) -> &'static [&'static str] {
        match self {
            Self::AliTok => &[
                "embeddings.weight",
                "blocks.#.attn.qkv.weight",
                "blocks.#.attn.q_norm.weight",
                "blocks.#.mlp.w1.weight",
                "blocks.#.mlp.w2.weight",
                "blocks.#.mlp.w3.weight",
                "norm.weight",
                "output.weight",
            ],
            Self::Rar => &[
                "embeddings.weight",
                "pos_embed",
                "target_aware_pos_embed",
                "timesteps_embeddings",
                "blocks.#.attn.qkv.weight",
                "blocks.#.adaLN_modulation.#.weight",
                "blocks.#.mlp.fc1.weight",
                "lm_head.weight",
            ],
            Self::LlamaGen => &[
                "tok_embeddings.weight",
                "layers.#.attention.wqkv.weight",
                "layers.#.attention.wo.weight",
                "layers.#.attention_norm.weight",
                "layers.#.feed_forward.w1.weight",
                "norm.weight",
                "output.weight",
            ],
            Self::SimpleAr => &[
                "model.embed_tokens.weight",
                "model.layers.#.self_attn.q_proj.weight",
                "model.layers.#.self_attn.q_proj.bias",
                "model.layers.#.mlp.gate_proj.weight",
                "model.layers.#.input_layernorm.weight",
                "model.norm.weight",
            ],
            Self::Lumina => &[
                "model.embed_tokens.weight",
                "model.layers.#.self_attn.q_proj.weight",
                "model.layers.#.self_attn.q_norm.weight",
                "model.layers.#.self_attn.q_norm.bias",
                "model.layers.#.mlp.gate_proj.weight",
                "model.layers.#.input_layernorm.weight",
                "model.norm.weight",
                "lm_head.weight",
            ],
            Self::AliTokTokenizer => &[
                "quantize.embedding.weight",
                "decoder.class_embedding",
                "decoder.latent_token_positional_embedding",
                "decoder.decoder_embed.weight",
                "decoder.transformer.#.attn.in_proj.weight",
                "decoder.ffn.#.weight",
            ],
            Self::MaskGitVqgan => &[
                "quantize.embedding.weight",
                "decoder.conv_in.weight",
                "decoder.mid.#.conv1.weight",
                "decoder.up.#.block.#.conv1.weight",
                "decoder.up.#.upsample_conv.weight",
                "decoder.norm_out.weight",
                "decoder.conv_out.weight",
            ],
            Self::LlamaGenVq => &[
                "quantize.embedding.weight",
                "post_quant_conv.weight",
                "decoder.conv_in.weight",
                "decoder.conv_blocks.#.res.#.conv1.weight",
                "decoder.conv_blocks.#.upsample.conv.weight",
                "decoder.mid.#.conv1.weight",
                "decoder.conv_out.weight",
            ],
            Self::Cosmos => &[
                "post_quant_conv.conv3d.weight",
                "decoder.conv_in.#.conv3d.weight",
                "decoder.mid.block_1.norm1.norm.weight",
                "decoder.up.#.block.#.conv1.#.conv3d.weight",
                "decoder.conv_out.#.conv3d.weight",
            ],
            Self::MoVqgan => &[
                "quantize.embedding.weight",
                "post_quant_conv.weight",
                "decoder.conv_in.weight",
                "decoder.up.#.block.#.norm1.conv_y.weight",
                "decoder.norm_out.conv_y.weight",
                "decoder.norm_out.norm_layer.weight",
            ],
            Self::FsqConv => &[
                "decoder.conv_in.weight",
                "decoder.level0.block0.conv1.weight",
                "decoder.level1.up.weight",
                "decoder.norm_out.weight",
            ],
            Self::T5Encoder => &[
                "shared.weight",
                "encoder.block.#.layer.#.SelfAttention.q.weight",
                "encoder.block.#.layer.#.SelfAttention.relative_attention_bias.weight",
                "encoder.block.#.layer.#.DenseReluDense.wi_0.weight",
                "encoder.final_layer_norm.weight",
            ],
        }
    }

    /// Sizes and wanted tensors, as far as the shapes tell; `None` if a tensor they are read off is
    /// missing.
    pub(crate) fn infer(
        self,
        shapes: &TensorShapes,
        config: &Config,
    ) -> Option<(Geometry, Manifest)> {
        let decoder = |geometry: DecoderGeometry, manifest: fn(&DecoderGeometry) -> Manifest| {
            let manifest = manifest(&geometry);
            (Geometry::Decoder(geometry), manifest)
        };
        let listed = |(geometry, manifest)| (Geometry::Decoder(geometry), manifest);
        let tokenizer = |(geometry, manifest)| (Geometry::ImageTokenizer(geometry), manifest);
        match self {
            Self::AliTok => class_models::alitok::infer(shapes).ok().map(listed),
            Self::Rar => class_models::rar::infer(shapes).ok().map(listed),
            Self::LlamaGen => Some(decoder(
                class_models::llamagen::infer(shapes, config)?,
                class_models::llamagen::manifest,
            )),
            Self::SimpleAr => Some(decoder(
                text_models::qwen2::infer(shapes, config)?,
                text_models::qwen2::manifest,
            )),
            Self::Lumina => {
                let geometry = text_models::lumina::infer(shapes, config)?;
                let shards = text_models::lumina::shards(shapes);
                let manifest = text_models::lumina::manifest(&geometry, shards);
                Some((Geometry::Decoder(geometry), manifest))
            }
            Self::AliTokTokenizer => tokenizers::alitok::infer(shapes).map(tokenizer),
            Self::MaskGitVqgan => tokenizers::maskgit::infer(shapes).map(tokenizer),
            Self::LlamaGenVq => tokenizers::llamagen::infer(shapes).map(tokenizer),
            Self::Cosmos => tokenizers::cosmos::infer(shapes).map(tokenizer),
            Self::MoVqgan => tokenizers::movq::infer(shapes).map(tokenizer),
            Self::FsqConv => tokenizers::fsq::infer(shapes, config).map(tokenizer),
            Self::T5Encoder => {
                let geometry = text_models::t5::infer(shapes)?;
                let manifest = text_models::t5::manifest(&geometry);
                Some((Geometry::TextEncoder(geometry), manifest))
            }
        }
    }

    /// Why nothing could be inferred although the family's own tensor is there.
    pub(crate) fn missing_hint(self, config: &Config) -> &'static str {
        match self {
            Self::LlamaGen if config.size("n_head").is_none() => {
                "the number of heads of this size is not known; put a config.json with n_head beside it"
            }
            Self::SimpleAr if config.size("num_attention_heads").is_none() => {
                "the number of heads is not known; put the model's config.json beside it"
            }
            _ => "a tensor that tells its size is missing",
        }
    }
}

//! AliTok's image tokenizer: a transformer that attends in both directions over 32 class embeddings,
//! 17 prefix latents and 256 grid latents; each grid latent becomes a patch of 16×16 pixels.
//!
//! The prefix tokens belong to the whole image and have no pixels of their own.
//!
//! Verified on a miniature with random weights (`tests/golden_class_tokenizers`): decoder rows and
//! pixels, encoder latents and codes. The authors' own file was not available.

use crate::checkpoint::shapes::TensorShapes;
use crate::compute::error::ModelError;
use crate::compute::layout::TokenLayout;
use crate::tokenizers::alitok::config::{AlitokTokenizerConfig, TransformerConfig};
use crate::tokenizers::blocks::weights_error;
use crate::tokenizers::codebook::Codebook;
use crate::tokenizers::pixels::{rgb_image, token_square, unit_byte};
use crate::tokenizers::{ImageTokenizer, TokenizerInfo};
use candle_core::{D, Tensor};
use candle_nn::{LayerNorm, Linear, Module, VarBuilder, layer_norm, linear, ops};
use image::RgbImage;

/// Pre-norm block with unmasked attention and exact GELU.
struct Block {
    ln_1: LayerNorm,
    in_proj: Linear,
    out_proj: Linear,
    ln_2: LayerNorm,
    c_fc: Linear,
    c_proj: Linear,
    heads: usize,
}

impl Block {
    fn load(config: &TransformerConfig, eps: f64, vb: &VarBuilder<'_>) -> Result<Self, ModelError> {
        let (width, hidden) = (config.width, config.width * config.mlp_ratio);
        let projection = |inputs: usize, outputs: usize, name: &str| {
            linear(inputs, outputs, vb.pp(name)).map_err(weights_error)
        };
        Ok(Self {
            ln_1: layer_norm(width, eps, vb.pp("ln_1")).map_err(weights_error)?,
            in_proj: projection(width, 3 * width, "attn.in_proj")?,
            out_proj: projection(width, width, "attn.out_proj")?,
            ln_2: layer_norm(width, eps, vb.pp("ln_2")).map_err(weights_error)?,
            c_fc: projection(width, hidden, "mlp.c_fc")?,
            c_proj: projection(hidden, width, "mlp.c_proj")?,
            heads: config.heads,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let x = (x + self.attention(&self.ln_1.forward(x)?)?)?;
        let hidden = self.c_fc.forward(&self.ln_2.forward(&x)?)?.gelu_erf()?;
        Ok((&x + self.c_proj.forward(&hidden)?)?)
    }

    fn attention(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let (rows, width) = x.dims2()?;
        let head_dim = width / self.heads;
        let packed = self.in_proj.forward(x)?.reshape((rows, 3, self.heads, head_dim))?;
        let part = |index: usize| -> Result<Tensor, ModelError> {
            Ok(packed.narrow(1, index, 1)?.squeeze(1)?.transpose(0, 1)?.contiguous()?)
        };
        let keys = part(1)?.transpose(1, 2)?.contiguous()?;
        let scores = (part(0)?.matmul(&keys)? / (head_dim as f64).sqrt())?;
        let mixed = ops::softmax(&scores, D::Minus1)?.matmul(&part(2)?)?;
        let joined = mixed.transpose(0, 1)?.contiguous()?.reshape((rows, width))?;
        Ok(self.out_proj.forward(&joined)?)
    }
}

/// The blocks between `ln_pre` and `ln_post`.
struct Transformer {
    ln_pre: LayerNorm,
    blocks: Vec<Block>,
    ln_post: LayerNorm,
}

impl Transformer {
    fn load(config: &TransformerConfig, eps: f64, vb: &VarBuilder<'_>) -> Result<Self, ModelError> {
        let blocks = (0..config.layers)
            .map(|index| Block::load(config, eps, &vb.pp("transformer").pp(index)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            ln_pre: layer_norm(config.width, eps, vb.pp("ln_pre")).map_err(weights_error)?,
            blocks,
            ln_post: layer_norm(config.width, eps, vb.pp("ln_post")).map_err(weights_error)?,
        })
    }

    /// The last `keep` rows after the final norm. `observe` sees the input of the first block, the
    /// output of every block, then the result.
    fn forward(
        &self,
        x: &Tensor,
        keep: usize,
        observe: &mut dyn FnMut(&Tensor),
    ) -> Result<Tensor, ModelError> {
        let mut x = self.ln_pre.forward(x)?;
        observe(&x);
        for block in &self.blocks {
            x = block.forward(&x)?;
            observe(&x);
        }
        let rows = x.dim(0)?;
        let x = self.ln_post.forward(&x.narrow(0, rows - keep, keep)?.contiguous()?)?;
        observe(&x);
        Ok(x)
    }
}

/// A 1×1 convolution as a matrix product.
fn pointwise(inputs: usize, outputs: usize, vb: &VarBuilder<'_>) -> Result<Linear, ModelError> {
    let weight = vb.get((outputs, inputs, 1, 1), "weight").map_err(weights_error)?;
    let bias = vb.get(outputs, "bias").map_err(weights_error)?;
    Ok(Linear::new(weight.reshape((outputs, inputs))?, Some(bias)))
}

/// The decoder with its codebook.
pub struct AlitokTokenizer {
    config: AlitokTokenizerConfig,
    info: TokenizerInfo,
    codebook: Codebook,
    stand_ins: Vec<u32>,
    class_embedding: Tensor,
    positions: Tensor,
    decoder_embed: Linear,
    transformer: Transformer,
    ffn: Linear,
    conv_out: Linear,
}

impl AlitokTokenizer {
    /// Loads decoder and codebook of a checkpoint whose keys have no prefix. The encoder is loaded as
    /// well, encodes a grey picture for [`AlitokTokenizer::stand_ins`], and is dropped.
    ///
    /// # Errors
    /// Weights that do not fit the configuration.
    pub fn load(
        vb: &VarBuilder<'_>,
        config: AlitokTokenizerConfig,
        shapes: &TensorShapes,
    ) -> Result<Self, ModelError> {
        config.check()?;
        let decoder = vb.pp("decoder");
        let (width, classes) = (config.decoder.width, config.num_class_embeddings);
        let get = |rows: usize, columns: usize, name: &str| {
            vb.get((rows, columns), name).map_err(weights_error)
        };
        let patch = 3 * config.patch_size * config.patch_size;
        let table = get(config.codebook_size, config.token_size, "quantize.embedding.weight")?;
        let codebook = Codebook::new(&table, false)?;
        let side = config.grid * config.patch_size;
        let grey = Tensor::full(0.5f32, (3, side, side), vb.device())?;
        let encoded = AlitokEncoder::load(vb, &config)?.encode_vectors(&grey)?;
        Ok(Self {
            info: TokenizerInfo {
                name: "AliTok tokenizer".to_string(),
                codebook_size: config.codebook_size,
                pixels_per_token: config.patch_size,
                partial_preview: PARTIAL_PREVIEW,
                parameters: shapes.elements(|_| true),
            },
            stand_ins: codebook.nearest(&encoded, false)?,
            codebook,
            class_embedding: get(classes, width, "decoder.class_embedding")?,
            positions: get(
                classes + config.latents(),
                width,
                "decoder.latent_token_positional_embedding",
            )?,
            decoder_embed: linear(config.token_size, width, decoder.pp("decoder_embed"))
                .map_err(weights_error)?,
            transformer: Transformer::load(&config.decoder, config.layer_norm_eps, &decoder)?,
            ffn: pointwise(width, patch, &decoder.pp("ffn.0"))?,
            conv_out: pointwise(3, 3, &decoder.pp("conv_out"))?,
            config,
        })
    }

    /// The codebook.
    pub fn codebook(&self) -> &Codebook {
        &self.codebook
    }

    /// Sizes.
    pub fn config(&self) -> &AlitokTokenizerConfig {
        &self.config
    }

    /// Pixels `[3, height, width]` in 0..1 of all latents `[tokens, token_size]`. `observe` sees the
    /// rows after the first norm, after each block and after the last norm.
    ///
    /// # Errors
    /// Latents of another width or number.
    pub fn decode_vectors(
        &self,
        latents: &Tensor,
        observe: &mut dyn FnMut(&Tensor),
    ) -> Result<Tensor, ModelError> {
        let (grid, patch) = (self.config.grid, self.config.patch_size);
        let embedded = self.decoder_embed.forward(latents)?;
        let rows = (Tensor::cat(&[&self.class_embedding, &embedded], 0)? + &self.positions)?;
        let rows = self.transformer.forward(&rows, grid * grid, observe)?;
        // One row a patch, ordered (pixel row, pixel column, channel); colours are mixed last.
        let pixels = self.ffn.forward(&rows)?.reshape((grid * grid * patch * patch, 3))?;
        Ok(ops::sigmoid(&self.conv_out.forward(&pixels)?)?
            .reshape(&[grid, grid, patch, patch, 3][..])?
            .permute(vec![4, 0, 2, 1, 3])?
            .contiguous()?
            .reshape((3, grid * patch, grid * patch))?)
    }

    /// The codes of a mid-grey picture, position by position: what stands for tokens not drawn yet.
    pub fn stand_ins(&self) -> &[u32] {
        &self.stand_ins
    }
}

/// [`TokenizerInfo::partial_preview`] of this tokenizer. Of seven stand-ins, this one changed finished
/// patches least (`tests/preview_stand_ins.rs`): by 0.032 of the display range, the codebook's mean by
/// 0.052, leaving the missing rows out of the attention by 0.046.
const PARTIAL_PREVIEW: &str = "Tokens not drawn yet are shown as those of a grey picture; finished \
     patches still change until the last token, because the decoder looks at the whole picture.";

/// Side in tokens of the square of one code that a swatch is cut from.
const SWATCH_SIDE: usize = 4;

impl ImageTokenizer for AlitokTokenizer {
    fn info(&self) -> &TokenizerInfo {
        &self.info
    }

    fn decode(&self, tokens: &[Option<u32>], layout: &TokenLayout) -> Result<RgbImage, ModelError> {
        if tokens.len() != self.config.latents() || layout.len() != tokens.len() {
            return Err(ModelError::Internal(
                "a grid has another number of tokens than its layout",
            ));
        }
        let codes = tokens.iter().zip(&self.stand_ins);
        let codes: Vec<u32> = codes.map(|(token, &stand_in)| token.unwrap_or(stand_in)).collect();
        let latents = self.codebook.vectors(&codes)?;
        rgb_image(&self.decode_vectors(&latents, &mut |_| ())?, unit_byte)
    }

    /// Squares of 4×4 equal codes share a picture, because a picture costs a pass over 273 tokens; the
    /// prefix tokens are the picture's first code.
    fn swatches(&self, codes: &[u32]) -> Result<Vec<RgbImage>, ModelError> {
        let (grid, prefix) = (self.config.grid, self.config.num_prefix_tokens);
        let side = SWATCH_SIDE.min(grid);
        let per_row = grid / side;
        let mut swatches = Vec::with_capacity(codes.len());
        for chunk in codes.chunks(per_row * per_row) {
            let code_at = |row: usize, column: usize| {
                let square =
                    (row / side).min(per_row - 1) * per_row + (column / side).min(per_row - 1);
                chunk.get(square).or(chunk.first()).copied().unwrap_or_default()
            };
            let mut tokens = vec![code_at(0, 0); prefix];
            tokens.extend((0..grid * grid).map(|cell| code_at(cell / grid, cell % grid)));
            let latents = self.codebook.vectors(&tokens)?;
            let image = rgb_image(&self.decode_vectors(&latents, &mut |_| ())?, unit_byte)?;
            swatches.extend((0..chunk.len()).map(|square| {
                let middle = |index: usize| index * side + side / 2;
                let (row, column) = (middle(square / per_row), middle(square % per_row));
                token_square(&image, self.config.patch_size, row, column)
            }));
        }
        Ok(swatches)
    }
}

/// The encoder: pictures to latents.
pub struct AlitokEncoder {
    patch_embed: candle_nn::Conv2d,
    positions: Tensor,
    latents: Tensor,
    transformer: Transformer,
    conv_out: Linear,
}

impl AlitokEncoder {
    /// Loads the encoder of the same checkpoint.
    ///
    /// # Errors
    /// Weights that do not fit the configuration.
    pub fn load(vb: &VarBuilder<'_>, config: &AlitokTokenizerConfig) -> Result<Self, ModelError> {
        config.check()?;
        let encoder = vb.pp("encoder");
        let (width, patch) = (config.encoder.width, config.patch_size);
        let (cells, latents) = (config.grid * config.grid, config.latents());
        let get = |rows: usize, name: &str| vb.get((rows, width), name).map_err(weights_error);
        let patches = candle_nn::Conv2dConfig { stride: patch, ..Default::default() };
        let queries = (get(latents, "latent_tokens")?
            + get(latents, "encoder.latent_token_positional_embedding")?)?;
        Ok(Self {
            patch_embed: candle_nn::conv2d(3, width, patch, patches, encoder.pp("patch_embed"))
                .map_err(weights_error)?,
            positions: get(cells, "encoder.positional_embedding")?,
            latents: queries,
            transformer: Transformer::load(&config.encoder, config.layer_norm_eps, &encoder)?,
            conv_out: pointwise(width, config.token_size, &encoder.pp("conv_out"))?,
        })
    }

    /// Latents `[tokens, token_size]` of a picture `[3, height, width]` in 0..1.
    ///
    /// # Errors
    /// A picture of another size.
    pub fn encode_vectors(&self, picture: &Tensor) -> Result<Tensor, ModelError> {
        let patches = self.patch_embed.forward(&picture.unsqueeze(0)?)?.squeeze(0)?;
        let patches = (patches.flatten_from(1)?.t()?.contiguous()? + &self.positions)?;
        let rows = Tensor::cat(&[&patches, &self.latents], 0)?;
        let rows = self.transformer.forward(&rows, self.latents.dim(0)?, &mut |_| ())?;
        Ok(self.conv_out.forward(&rows)?)
    }
}

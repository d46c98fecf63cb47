//! The transformer of both halves of AliTok's image tokenizer: pre-norm blocks that attend in both
//! directions, with exact GELU.

use crate::compute::activation::gelu;
use crate::compute::error::ModelError;
use crate::compute::layer_source::LayerSource;
use crate::compute::weights::Weights;
use crate::tokenizers::alitok::config::TransformerConfig;
use crate::tokenizers::layers::attention::attend;
use candle_core::Tensor;

struct Block<S: LayerSource> {
    ln_1: S::Norm,
    in_proj: S::Linear,
    out_proj: S::Linear,
    ln_2: S::Norm,
    c_fc: S::Linear,
    c_proj: S::Linear,
    heads: usize,
}

impl<S: LayerSource> Block<S> {
    fn load(source: &S, config: &TransformerConfig, eps: f64) -> Result<Self, ModelError> {
        let (width, hidden) = (config.width, config.width * config.mlp_ratio);
        let projection = |inputs: usize, outputs: usize, name: &str| {
            source.pp(name).linear_with_bias(inputs, outputs)
        };
        Ok(Self {
            ln_1: source.pp("ln_1").layer_norm(width, eps)?,
            in_proj: projection(width, 3 * width, "attn.in_proj")?,
            out_proj: projection(width, width, "attn.out_proj")?,
            ln_2: source.pp("ln_2").layer_norm(width, eps)?,
            c_fc: projection(width, hidden, "mlp.c_fc")?,
            c_proj: projection(hidden, width, "mlp.c_proj")?,
            heads: config.heads,
        })
    }
}

impl Block<Weights<'static>> {
    fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let x = (x + self.attention(&self.ln_1.forward(x)?)?)?;
        let hidden = gelu(&self.c_fc.forward(&self.ln_2.forward(&x)?)?)?;
        Ok((&x + self.c_proj.forward(&hidden)?)?)
    }

    fn attention(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let width = x.dim(1)?;
        let packed = self.in_proj.forward(x)?;
        let part = |index: usize| packed.narrow(1, index * width, width);
        let mixed = attend(&part(0)?, &part(1)?, &part(2)?, self.heads)?;
        self.out_proj.forward(&mixed)
    }
}

/// The blocks between `ln_pre` and `ln_post`.
pub(super) struct Transformer<S: LayerSource> {
    ln_pre: S::Norm,
    blocks: Vec<Block<S>>,
    ln_post: S::Norm,
}

impl<S: LayerSource> Transformer<S> {
    pub(super) fn load(
        source: &S,
        config: &TransformerConfig,
        eps: f64,
    ) -> Result<Self, ModelError> {
        let blocks = (0..config.layers)
            .map(|index| Block::load(&source.pp("transformer").pp(index), config, eps))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            ln_pre: source.pp("ln_pre").layer_norm(config.width, eps)?,
            blocks,
            ln_post: source.pp("ln_post").layer_norm(config.width, eps)?,
        })
    }
}

impl Transformer<Weights<'static>> {
    /// The last `keep` rows of `x` `[rows, width]` after the final norm. `observe` sees the input of the
    /// first block, the output of every block, then the result.
    pub(super) fn forward(
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
        let x = self.ln_post.forward(&x.narrow(0, rows - keep, keep)?)?;
        observe(&x);
        Ok(x)
    }
}

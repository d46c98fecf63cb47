//! The transformer of both halves of AliTok's image tokenizer: pre-norm blocks that attend in both
//! directions, with exact GELU.

use crate::compute::activation::gelu;
use crate::compute::error::ModelError;
use crate::compute::linear::Linear;
use crate::compute::norm::Norm;
use crate::compute::weights::Weights;
use crate::tokenizers::alitok::config::TransformerConfig;
use crate::tokenizers::layers::attention::attend;
use candle_core::Tensor;

struct Block {
    ln_1: Norm,
    in_proj: Linear,
    out_proj: Linear,
    ln_2: Norm,
    c_fc: Linear,
    c_proj: Linear,
    heads: usize,
}

impl Block {
    fn load(
        config: &TransformerConfig,
        eps: f64,
        weights: &Weights<'_>,
    ) -> Result<Self, ModelError> {
        let (width, hidden) = (config.width, config.width * config.mlp_ratio);
        let projection = |inputs: usize, outputs: usize, name: &str| {
            weights.pp(name).linear_with_bias(inputs, outputs)
        };
        Ok(Self {
            ln_1: weights.pp("ln_1").layer_norm(width, eps)?,
            in_proj: projection(width, 3 * width, "attn.in_proj")?,
            out_proj: projection(width, width, "attn.out_proj")?,
            ln_2: weights.pp("ln_2").layer_norm(width, eps)?,
            c_fc: projection(width, hidden, "mlp.c_fc")?,
            c_proj: projection(hidden, width, "mlp.c_proj")?,
            heads: config.heads,
        })
    }

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
pub(super) struct Transformer {
    ln_pre: Norm,
    blocks: Vec<Block>,
    ln_post: Norm,
}

impl Transformer {
    pub(super) fn load(
        config: &TransformerConfig,
        eps: f64,
        weights: &Weights<'_>,
    ) -> Result<Self, ModelError> {
        let blocks = (0..config.layers)
            .map(|index| Block::load(config, eps, &weights.pp("transformer").pp(index)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            ln_pre: weights.pp("ln_pre").layer_norm(config.width, eps)?,
            blocks,
            ln_post: weights.pp("ln_post").layer_norm(config.width, eps)?,
        })
    }

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

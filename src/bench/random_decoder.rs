//! A decoder with random weights of any size, made of the same layers as the real ones: what the
//! bench measures without a download. Its numbers mean nothing; its time does.

use crate::compute::activation::silu_mul;
use crate::compute::attention::attend;
use crate::compute::attention_shape::AttentionShape;
use crate::compute::error::ModelError;
use crate::compute::kv_cache::{BatchPlan, KvCache};
use crate::compute::linear::Linear;
use crate::compute::norm::Norm;
use crate::compute::precision::{ActivationNumber, Precision};
use crate::compute::rotary::RotaryTable;
use crate::compute::row_ops::NormKind;
use crate::compute::row_ops::Pairing;
use crate::compute::rows::PlannedRow;
use crate::compute::rows::{Perturbation, Prefix};
use crate::tokenizers::cosmos;
use candle_core::{Device, Module, Tensor};

/// Sizes of a pre-norm decoder with SwiGLU.
#[derive(Debug, Clone, Copy)]
pub struct DecoderSize {
    /// Blocks.
    pub layers: usize,
    /// Width of a row.
    pub width: usize,
    /// Width inside of the feed-forward layer.
    pub feed_forward: usize,
    /// Heads.
    pub heads: AttentionShape,
    /// Entries of the output head.
    pub vocabulary: usize,
}

/// The size of AliTok-B.
pub const ALITOK_B: DecoderSize = DecoderSize {
    layers: 24,
    width: 768,
    feed_forward: 2048,
    heads: AttentionShape { heads: 16, kv_heads: 16, head_dim: 48 },
    vocabulary: 4096,
};

/// The size of SimpleAR-0.5B, with the output head's rows of the image codes.
pub const SIMPLEAR_HALF_B: DecoderSize = DecoderSize {
    layers: 24,
    width: 896,
    feed_forward: 4864,
    heads: AttentionShape { heads: 14, kv_heads: 2, head_dim: 64 },
    vocabulary: cosmos::CODES,
};

/// Who multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Products {
    /// [`Linear`], packed to a precision.
    Packed(Precision),
    /// candle's linear layer in f32: the baseline.
    Candle,
}

enum Product {
    Packed(Linear),
    Candle(candle_nn::Linear),
}

impl Product {
    fn new(
        weight: &Tensor,
        products: Products,
        activations: ActivationNumber,
    ) -> Result<Self, ModelError> {
        Ok(match products {
            Products::Packed(precision) => {
                Self::Packed(Linear::new(weight, None, precision, activations)?)
            }
            // A copy of its own: all layers would read the same memory otherwise.
            Products::Candle => Self::Candle(candle_nn::Linear::new(weight.copy()?, None)),
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        match self {
            Self::Packed(layer) => layer.forward(x),
            Self::Candle(layer) => Ok(layer.forward(x)?),
        }
    }

    fn weight_bytes(&self) -> u64 {
        match self {
            Self::Packed(layer) => layer.weight_bytes(),
            Self::Candle(layer) => layer.weight().elem_count() as u64 * 4,
        }
    }
}

struct Block {
    attention_norm: Norm,
    query_key_value: Product,
    attention_out: Product,
    feed_forward_norm: Norm,
    gate: Product,
    up: Product,
    down: Product,
}

/// A decoder with random weights.
pub struct RandomDecoder {
    size: DecoderSize,
    blocks: Vec<Block>,
    norm: Norm,
    head: Product,
    rotary: RotaryTable,
    positions: usize,
    activations: ActivationNumber,
    device: Device,
}

impl RandomDecoder {
    /// A decoder on `device` with room for `positions`, which stores `activations`.
    ///
    /// # Errors
    /// No memory.
    pub fn new(
        size: DecoderSize,
        positions: usize,
        products: Products,
        activations: ActivationNumber,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let DecoderSize { width, feed_forward, heads, .. } = size;
        let attention_width = heads.heads * heads.head_dim;
        let matrix = |outputs, inputs| random_matrix(outputs, inputs);
        let query_key_value = matrix(attention_width + 2 * heads.kv_heads * heads.head_dim, width)?;
        let attention_out = matrix(width, attention_width)?;
        let (wide, down) = (matrix(feed_forward, width)?, matrix(width, feed_forward)?);
        // A matrix is sent to the device once for every layer: each has to read memory of its own.
        let product =
            |weight: &Tensor| Product::new(&weight.to_device(device)?, products, activations);
        let norm = || Norm::new(NormKind::Rms, width, Some(vec![1.0; width]), None, 1e-6);
        let blocks = (0..size.layers).map(|_| {
            Ok(Block {
                attention_norm: norm(),
                query_key_value: product(&query_key_value)?,
                attention_out: product(&attention_out)?,
                feed_forward_norm: norm(),
                gate: product(&wide)?,
                up: product(&wide)?,
                down: product(&down)?,
            })
        });
        Ok(Self {
            size,
            blocks: blocks.collect::<Result<_, ModelError>>()?,
            norm: norm(),
            head: product(&matrix(size.vocabulary, width)?)?,
            rotary: RotaryTable::one_dimensional(
                positions,
                heads.head_dim,
                1e4,
                Pairing::HalfSplit,
            ),
            positions,
            activations,
            device: device.clone(),
        })
    }

    /// Bytes of weights that a step reads.
    pub fn weight_bytes(&self) -> u64 {
        let block = |block: &Block| {
            [&block.query_key_value, &block.attention_out, &block.gate, &block.up, &block.down]
                .map(Product::weight_bytes)
                .iter()
                .sum::<u64>()
        };
        self.blocks.iter().map(block).sum::<u64>() + self.head.weight_bytes()
    }

    /// Bytes of keys and values that one row at `position` reads.
    pub fn cache_bytes(&self, position: usize) -> u64 {
        let DecoderSize { layers, heads, .. } = self.size;
        (layers * 2 * heads.kv_heads * heads.head_dim * (position + 1) * self.activations.bytes())
            as u64
    }

    /// An empty cache.
    ///
    /// # Errors
    /// No memory.
    pub fn cache(&self) -> Result<KvCache, ModelError> {
        let shape = self.size.heads.cache(self.size.layers, self.activations);
        KvCache::new(shape, Prefix::Class(0), 0, self.positions)
    }

    /// The logits of one row for every cache, all of them at `position`. With `weights`, every
    /// second row is perturbed by them, one for each position up to this one.
    ///
    /// # Errors
    /// A position beyond the caches or the weights.
    pub fn step(
        &self,
        position: usize,
        weights: Option<&[f32]>,
        caches: &mut [KvCache],
    ) -> Result<Tensor, ModelError> {
        let heads = self.size.heads;
        let rows = (0..caches.len()).map(|cache| PlannedRow {
            cache,
            position,
            append: true,
            first_image: 0,
            perturbation: weights
                .filter(|_| cache % 2 == 1)
                .map(|weights| Perturbation { weights, on: Default::default() }),
        });
        let plan = BatchPlan::of(rows.collect());
        let positions = plan.positions();
        let (query_width, key_width) =
            (heads.heads * heads.head_dim, heads.kv_heads * heads.head_dim);
        let mut x = random_matrix(caches.len(), self.size.width)?.to_device(&self.device)?;
        for (layer, block) in self.blocks.iter().enumerate() {
            let rows = block.query_key_value.forward(&block.attention_norm.forward(&x)?)?;
            let queries = self.rotary.rotate(&rows.narrow(1, 0, query_width)?, &positions)?;
            let keys = rows.narrow(1, query_width, key_width)?;
            let keys = self.rotary.rotate(&keys, &positions)?;
            let values = rows.narrow(1, query_width + key_width, key_width)?;
            let attended = attend(heads, layer, &queries, &keys, &values, &plan, caches)?;
            x = (x + block.attention_out.forward(&attended)?)?;
            let normed = block.feed_forward_norm.forward(&x)?;
            let inner = silu_mul(&block.gate.forward(&normed)?, &block.up.forward(&normed)?)?;
            x = (x + block.down.forward(&inner)?)?;
        }
        let logits = self.head.forward(&self.norm.forward(&x)?)?;
        Ok(logits.to_device(&Device::Cpu)?)
    }
}

/// `[outputs, inputs]` of numbers around 0 with deviation `1 / sqrt(inputs)`, so that rows neither
/// grow nor vanish.
fn random_matrix(outputs: usize, inputs: usize) -> Result<Tensor, ModelError> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let scale = (12.0 / inputs as f32).sqrt() / (1u64 << 24) as f32;
    let numbers = (0..outputs * inputs).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 40) as f32 - (1u64 << 23) as f32) * scale
    });
    Ok(Tensor::from_vec(numbers.collect(), (outputs, inputs), &Device::Cpu)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: DecoderSize = DecoderSize {
        layers: 2,
        width: 48,
        feed_forward: 80,
        heads: AttentionShape { heads: 4, kv_heads: 2, head_dim: 16 },
        vocabulary: 50,
    };

    fn logits(products: Products, weights: Option<&[f32]>) -> Vec<f32> {
        let decoder = RandomDecoder::new(SMALL, 8, products, ActivationNumber::F32, &Device::Cpu);
        let decoder = decoder.unwrap();
        let mut caches = [decoder.cache().unwrap(), decoder.cache().unwrap()];
        let mut last = Vec::new();
        for position in 0..8 {
            let weights = weights.map(|weights| &weights[..=position]);
            let logits = decoder.step(position, weights, &mut caches).unwrap();
            last = logits.flatten_all().unwrap().to_vec1().unwrap();
        }
        last
    }

    #[test]
    fn packed_and_candles_layers_give_the_same_decoder() {
        let ours = logits(Products::Packed(Precision::F32), None);
        let candles = logits(Products::Candle, None);
        assert!(ours.iter().zip(&candles).all(|(a, b)| (a - b).abs() < 1e-4));
        assert!(ours.iter().any(|logit| logit.abs() > 1e-2), "the logits are not all zero");
    }

    #[test]
    fn weights_change_the_perturbed_row_only() {
        let products = Products::Packed(Precision::Bf16);
        let clean = logits(products, None);
        let perturbed = logits(products, Some(&[0.5; 8]));
        let rows = SMALL.vocabulary;
        assert_eq!(clean[..rows], perturbed[..rows]);
        assert_ne!(clean[rows..], perturbed[rows..]);
    }
}

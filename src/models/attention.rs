//! Attention of single rows over their own caches, with the perturbation of SoftCFG.
//!
//! Value perturbation multiplies the attention probabilities after the softmax, which equals scaling
//! the cached values: Σ a_i (w_i v_i) = Σ (a_i w_i) v_i. Key perturbation multiplies the scores
//! before the softmax. Nothing is copied and the cost is linear in the length.

use crate::guidance::Perturb;
use crate::models::error::ModelError;
use crate::models::kv_cache::{BatchPlan, KvCache, PlannedRow};
use candle_core::{Device, Tensor};

/// Head layout of an attention layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionShape {
    /// Query heads.
    pub heads: usize,
    /// Key/value heads; query head h reads kv head `h / (heads / kv_heads)`.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
}

impl AttentionShape {
    fn scale(&self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }
}

/// Appends the rows' keys and values to their caches and attends.
///
/// `queries` is `[rows, heads * head_dim]`, `keys` and `values` `[rows, kv_heads * head_dim]`, all
/// after norm and rotation; the result has the shape of `queries`.
///
/// # Errors
/// Shapes that do not fit, or a cache without this layer.
pub fn attend(
    shape: AttentionShape,
    layer: usize,
    queries: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    plan: &BatchPlan<'_>,
    caches: &mut [KvCache],
) -> Result<Tensor, ModelError> {
    let rows = plan.rows.len();
    let width = shape.heads * shape.head_dim;
    let (queries, keys, values) = (host(queries)?, host(keys)?, host(values)?);
    for (index, row) in plan.rows.iter().enumerate().filter(|(_, row)| row.append) {
        append(shape, layer, &keys, &values, index, row, caches)?;
    }
    let mut output = vec![0f32; rows * width];
    for ((query, out), row) in queries.chunks(width).zip(output.chunks_mut(width)).zip(&plan.rows) {
        let cache = caches.get(row.cache).ok_or(ModelError::Internal("no such cache"))?;
        attend_row(shape, layer, query, row, cache, out)?;
    }
    Ok(Tensor::from_vec(output, (rows, width), &Device::Cpu)?)
}

fn host(tensor: &Tensor) -> Result<Vec<f32>, ModelError> {
    Ok(tensor.flatten_all()?.to_vec1::<f32>()?)
}

fn append(
    shape: AttentionShape,
    layer: usize,
    keys: &[f32],
    values: &[f32],
    index: usize,
    row: &PlannedRow<'_>,
    caches: &mut [KvCache],
) -> Result<(), ModelError> {
    let cache = caches.get_mut(row.cache).ok_or(ModelError::Internal("no such cache"))?;
    let capacity = cache.capacity();
    let layer = cache.layers.get_mut(layer).ok_or(ModelError::Internal("no such layer"))?;
    let dim = shape.head_dim;
    for head in 0..shape.kv_heads {
        let from = (index * shape.kv_heads + head) * dim;
        let to = (head * capacity + row.position) * dim;
        layer.keys[to..to + dim].copy_from_slice(&keys[from..from + dim]);
        layer.values[to..to + dim].copy_from_slice(&values[from..from + dim]);
    }
    Ok(())
}

fn attend_row(
    shape: AttentionShape,
    layer: usize,
    query: &[f32],
    row: &PlannedRow<'_>,
    cache: &KvCache,
    out: &mut [f32],
) -> Result<(), ModelError> {
    let visible = row.visible();
    let capacity = cache.capacity();
    let layer = cache.layers.get(layer).ok_or(ModelError::Internal("no such layer"))?;
    let dim = shape.head_dim;
    let group = shape.heads / shape.kv_heads;
    let mut scores = vec![0f32; visible];
    for head in 0..shape.heads {
        let start = (head / group) * capacity * dim;
        let query = &query[head * dim..(head + 1) * dim];
        let keys = &layer.keys[start..start + visible * dim];
        let values = &layer.values[start..start + visible * dim];
        for (score, key) in scores.iter_mut().zip(keys.chunks_exact(dim)) {
            *score = query.iter().zip(key).map(|(q, k)| q * k).sum::<f32>() * shape.scale();
        }
        if let Some(p) = row.perturbation
            && matches!(p.on, Perturb::Key | Perturb::KeyValue)
        {
            scores[row.first_image..].iter_mut().zip(p.weights).for_each(|(s, w)| *s *= w);
        }
        softmax_in_place(&mut scores);
        if let Some(p) = row.perturbation
            && matches!(p.on, Perturb::Value | Perturb::KeyValue)
        {
            scores[row.first_image..].iter_mut().zip(p.weights).for_each(|(s, w)| *s *= w);
        }
        let out = &mut out[head * dim..(head + 1) * dim];
        for (probability, value) in scores.iter().zip(values.chunks_exact(dim)) {
            out.iter_mut().zip(value).for_each(|(o, v)| *o += probability * v);
        }
    }
    Ok(())
}

fn softmax_in_place(scores: &mut [f32]) {
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - max).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

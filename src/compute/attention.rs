//! Attention of single rows over their own caches, with the perturbation of SoftCFG.
//!
//! Value perturbation multiplies the attention probabilities after the softmax, which equals scaling
//! the cached values: Σ a_i (w_i v_i) = Σ (a_i w_i) v_i. Key perturbation multiplies the scores
//! before the softmax. Nothing is copied and the cost is linear in the length.

use crate::compute::attention_shape::AttentionShape;
use crate::compute::cpu::attention::{RowJob, attend_row};
use crate::compute::cpu::isa::Isa;
use crate::compute::device_kind::on_device;
use crate::compute::error::ModelError;
use crate::compute::gpu as device;
use crate::compute::host::{matrix, with_numbers};
use crate::compute::kv_cache::{BatchPlan, KvCache};
use crate::compute::rows::PlannedRow;
use candle_core::Tensor;
use rayon::prelude::*;
use std::cell::RefCell;

/// Bytes of keys and values below which other threads are not worth waking.
const PARALLEL_BYTES: usize = 256 << 10;

thread_local! {
    /// Scores of one row; kept between steps, so that a step allocates nothing for them.
    static SCORES: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Appends the rows' keys and values to their caches and attends.
///
/// `queries` is `[rows, heads * head_dim]`, `keys` and `values` `[rows, kv_heads * head_dim]`, all
/// after norm and rotation; the result has the shape of `queries`.
///
/// # Errors
/// Shapes that do not fit, a plan that does not fit the caches, or a cache without this layer.
pub fn attend(
    shape: AttentionShape,
    layer: usize,
    queries: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    plan: &BatchPlan<'_>,
    caches: &mut [KvCache],
) -> Result<Tensor, ModelError> {
    check_plan(shape, layer, plan, caches)?;
    let rows = plan.rows.len();
    let width = shape.heads * shape.head_dim;
    let key_width = shape.kv_heads * shape.head_dim;
    if queries.dims() != [rows, width]
        || keys.dims() != [rows, key_width]
        || values.dims() != [rows, key_width]
    {
        return Err(ModelError::Internal("attention got rows of another width or number"));
    }
    if on_device(queries) {
        return device::attend(shape, layer, queries, keys, values, plan, caches);
    }
    with_numbers(keys, |keys| {
        with_numbers(values, |values| append(shape, layer, keys, values, plan, caches))
    })?;
    let mut out = vec![0f32; rows * width];
    with_numbers(queries, |queries| attend_rows(shape, layer, queries, plan, caches, &mut out))?;
    matrix(out, rows, width)
}

/// Everything that the arithmetic below relies on.
fn check_plan(
    shape: AttentionShape,
    layer: usize,
    plan: &BatchPlan<'_>,
    caches: &[KvCache],
) -> Result<(), ModelError> {
    if shape.head_dim == 0 || shape.kv_heads == 0 || !shape.heads.is_multiple_of(shape.kv_heads) {
        return Err(ModelError::Internal("the heads of an attention layer do not form groups"));
    }
    for row in &plan.rows {
        let cache = caches.get(row.cache).ok_or(ModelError::Internal("no such cache"))?;
        if cache.layers() <= layer {
            return Err(ModelError::Internal("no such layer in a cache"));
        }
        if cache.kv_heads() != shape.kv_heads || cache.head_dim() != shape.head_dim {
            return Err(ModelError::Internal("a cache was made for other heads"));
        }
        if row.position >= cache.capacity() {
            return Err(ModelError::Internal("a row lies beyond its cache"));
        }
        let image_tokens = row.visible().saturating_sub(row.first_image);
        if row.perturbation.is_some_and(|p| p.weights.len() != image_tokens) {
            return Err(ModelError::Internal("one weight per visible image token is needed"));
        }
    }
    Ok(())
}

fn append(
    shape: AttentionShape,
    layer: usize,
    keys: &[f32],
    values: &[f32],
    plan: &BatchPlan<'_>,
    caches: &mut [KvCache],
) -> Result<(), ModelError> {
    let width = shape.kv_heads * shape.head_dim;
    let rows = plan.rows.iter().zip(keys.chunks_exact(width).zip(values.chunks_exact(width)));
    for (row, (keys, values)) in rows.filter(|(row, _)| row.append) {
        let cache = caches.get_mut(row.cache).ok_or(ModelError::Internal("no such cache"))?;
        if cache.device_layer(layer).is_some() {
            return Err(ModelError::Internal("a cache lies on another device than its rows"));
        }
        cache.write(layer, row.position, keys, values)?;
    }
    Ok(())
}

/// Attention of every row; in parallel, and with the heads of a row shared out where there are more
/// threads than rows, if there is enough to read.
fn attend_rows(
    shape: AttentionShape,
    layer: usize,
    queries: &[f32],
    plan: &BatchPlan<'_>,
    caches: &[KvCache],
    out: &mut [f32],
) -> Result<(), ModelError> {
    let isa = Isa::current();
    let width = shape.heads * shape.head_dim;
    let visible: usize = plan.rows.iter().map(PlannedRow::visible).sum();
    let bytes = visible * shape.kv_heads * shape.head_dim * 2 * size_of::<f32>();
    let threads = rayon::current_num_threads();
    if bytes < PARALLEL_BYTES || threads == 1 {
        let rows = queries.chunks_exact(width).zip(out.chunks_exact_mut(width)).enumerate();
        for (index, (queries, out)) in rows {
            let job = row_job(shape, layer, index, queries, plan, caches)?;
            let next = row_job(shape, layer, index + 1, queries, plan, caches);
            let next = next.ok().map(|next| next.keys);
            let job = RowJob { next, begun: index > 0, ..job };
            SCORES.with_borrow_mut(|scores| attend_row(isa, job, scores, out));
        }
        return Ok(());
    }
    let pieces = threads.div_ceil(plan.rows.len().max(1));
    let heads = shape.kv_heads.div_ceil(pieces);
    let piece_width = heads * shape.group() * shape.head_dim;
    let rows = queries.par_chunks_exact(width).zip(out.par_chunks_exact_mut(width)).enumerate();
    rows.try_for_each(|(index, (queries, out))| {
        let job = row_job(shape, layer, index, queries, plan, caches)?;
        let pieces = queries.par_chunks(piece_width).zip(out.par_chunks_mut(piece_width));
        pieces.enumerate().for_each(|(piece, (queries, out))| {
            let job = RowJob { queries, first_head: piece * heads, ..job };
            SCORES.with_borrow_mut(|scores| attend_row(isa, job, scores, out));
        });
        Ok(())
    })
}

/// All heads of a row.
fn row_job<'a>(
    shape: AttentionShape,
    layer: usize,
    index: usize,
    queries: &'a [f32],
    plan: &BatchPlan<'a>,
    caches: &'a [KvCache],
) -> Result<RowJob<'a>, ModelError> {
    let row = plan.rows.get(index).ok_or(ModelError::Internal("no such row"))?;
    let cache = caches.get(row.cache).ok_or(ModelError::Internal("no such cache"))?;
    let (keys, values) = cache
        .visible(layer, row.visible())
        .ok_or(ModelError::Internal("a row lies beyond its cache"))?;
    let (key_weights, value_weights) = row.factors();
    Ok(RowJob {
        queries,
        keys,
        values,
        value_block: cache.value_block(),
        visible: row.visible(),
        kv_heads: shape.kv_heads,
        first_head: 0,
        next: None,
        begun: false,
        group: shape.group(),
        dim: shape.head_dim,
        scale: shape.scale(),
        first_image: row.first_image,
        key_weights,
        value_weights,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::precision::ActivationNumber;
    use crate::compute::rows::{Perturbation, Prefix};
    use crate::guidance::Perturb;
    use candle_core::{DType, Device};

    const SHAPE: AttentionShape = AttentionShape { heads: 4, kv_heads: 2, head_dim: 64 };

    fn cache(capacity: usize) -> KvCache {
        KvCache::new(SHAPE.cache(2, ActivationNumber::F32), Prefix::Class(0), 0, capacity).unwrap()
    }

    fn rows(seed: usize, rows: usize, width: usize) -> Tensor {
        let numbers = (0..rows * width).map(|i| ((i * 37 + seed * 11) % 101) as f32 / 50.0 - 1.0);
        Tensor::from_vec(numbers.collect(), (rows, width), &Device::Cpu).unwrap()
    }

    fn planned(cache: usize, position: usize) -> PlannedRow<'static> {
        PlannedRow { cache, position, append: true, first_image: 0, perturbation: None }
    }

    fn decode(threads: usize, length: usize) -> Vec<f32> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut caches = [cache(length), cache(length)];
            let mut out = Vec::new();
            for position in 0..length {
                let plan = BatchPlan::of(vec![planned(0, position), planned(1, position)]);
                let (q, kv) = (rows(position, 2, 256), rows(position + 5, 2, 128));
                let attended = attend(SHAPE, 1, &q, &kv, &kv, &plan, &mut caches).unwrap();
                out = attended.flatten_all().unwrap().to_vec1().unwrap();
            }
            out
        })
    }

    #[test]
    fn the_result_is_the_same_for_every_thread_count() {
        let one = decode(1, 600);
        assert!(one.iter().any(|x| x.abs() > 1e-3));
        assert_eq!(one, decode(2, 600));
    }

    #[test]
    fn a_single_position_returns_its_value() {
        let plan = BatchPlan::of(vec![planned(0, 0)]);
        let (q, k, v) = (rows(1, 1, 256), rows(2, 1, 128), rows(3, 1, 128));
        let out = attend(SHAPE, 0, &q, &k, &v, &plan, &mut [cache(1)]).unwrap();
        let (out, v): (Vec<f32>, Vec<f32>) =
            (out.squeeze(0).unwrap().to_vec1().unwrap(), v.squeeze(0).unwrap().to_vec1().unwrap());
        // Query heads 0, 1 read kv head 0; 2, 3 read kv head 1.
        let repeated = [&v[..64], &v[..64], &v[64..], &v[64..]].concat();
        assert_eq!(out, repeated);
    }

    #[test]
    fn plans_and_shapes_that_do_not_fit_are_errors() {
        let attend_with = |row: PlannedRow<'_>, layer, width, dtype| {
            let plan = BatchPlan::of(vec![row]);
            let kv = rows(2, 1, 128);
            let q = rows(1, 1, width).to_dtype(dtype).unwrap();
            attend(SHAPE, layer, &q, &kv, &kv, &plan, &mut [cache(3)])
        };
        assert!(attend_with(planned(0, 2), 1, 256, DType::F32).is_ok());
        assert!(attend_with(planned(0, 2), 1, 256, DType::F64).is_ok(), "other floats convert");
        assert!(attend_with(planned(1, 0), 1, 256, DType::F32).is_err(), "no such cache");
        assert!(attend_with(planned(0, 3), 1, 256, DType::F32).is_err(), "beyond the cache");
        assert!(attend_with(planned(0, 0), 2, 256, DType::F32).is_err(), "no such layer");
        assert!(attend_with(planned(0, 0), 1, 192, DType::F32).is_err(), "another width");
        let weights = [1.0; 2];
        let perturbation = Some(Perturbation { weights: &weights, on: Perturb::Key });
        let row = PlannedRow { perturbation, ..planned(0, 2) };
        assert!(attend_with(row, 1, 256, DType::F32).is_err(), "weights for two of three tokens");
        let row = PlannedRow { perturbation, first_image: 1, ..planned(0, 2) };
        assert!(attend_with(row, 1, 256, DType::F32).is_ok());
        let other = AttentionShape { heads: 3, ..SHAPE };
        let plan = BatchPlan::of(vec![planned(0, 0)]);
        let (q, kv) = (rows(1, 1, 192), rows(2, 1, 128));
        assert!(attend(other, 0, &q, &kv, &kv, &plan, &mut [cache(3)]).is_err());
    }
}

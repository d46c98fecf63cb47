//! The same layers on a device other than the CPU, in candle's operations: what the decode loop runs
//! on where the rows of a step are tensors of a graphics card.

use crate::models::attention::{AttentionShape, factors};
use crate::models::error::ModelError;
use crate::models::kv_cache::{BatchPlan, KvCache, PlannedRow};
use crate::models::linear::Precision;
use crate::models::rotary::Pairing;
use candle_core::{D, DType, Device, Tensor};

/// A linear layer whose weight stays a tensor.
#[derive(Debug, Clone)]
pub(crate) struct DeviceLinear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl DeviceLinear {
    /// Keeps the weight `[outputs, inputs]` in f32 or bf16. In bf16 the product's input and output
    /// are rounded to bf16 as well: the device multiplies equal types only.
    ///
    /// # Errors
    /// 8-bit weights.
    pub(crate) fn new(
        weight: &Tensor,
        bias: Option<&Tensor>,
        precision: Precision,
    ) -> Result<Self, ModelError> {
        let dtype = match precision {
            Precision::F32 => DType::F32,
            Precision::Bf16 => DType::BF16,
            Precision::Int8 => {
                let reason = "8-bit weights run on the CPU only; choose bf16 or f32, or the CPU";
                return Err(ModelError::Device(reason.to_owned()));
            }
        };
        let weight = weight.to_dtype(dtype)?.contiguous()?;
        let bias = bias.map(|bias| bias.to_dtype(DType::F32)).transpose()?;
        Ok(Self { weight, bias })
    }

    /// Outputs and inputs.
    pub(crate) fn shape(&self) -> (usize, usize) {
        self.weight.dims2().unwrap_or((0, 0))
    }

    pub(crate) fn weight_bytes(&self) -> u64 {
        (self.weight.elem_count() * self.weight.dtype().size_in_bytes()) as u64
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let x = x.to_dtype(self.weight.dtype())?.contiguous()?;
        let y = x.matmul(&self.weight.t()?)?.to_dtype(DType::F32)?;
        match &self.bias {
            Some(bias) => Ok(y.broadcast_add(bias)?),
            None => Ok(y),
        }
    }
}

/// Norm over groups of `width` channels, as [`crate::models::norm::Norm`].
pub(crate) fn normalize(
    x: &Tensor,
    width: usize,
    weight: Option<&[f32]>,
    bias: Option<&[f32]>,
    centred: bool,
    eps: f64,
) -> Result<Tensor, ModelError> {
    let vector = |numbers: &[f32]| Tensor::new(numbers, x.device());
    let mut y = x.contiguous()?.reshape(((), width))?;
    if centred {
        y = y.broadcast_sub(&y.mean_keepdim(D::Minus1)?)?;
    }
    let deviation = (y.sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?;
    y = y.broadcast_div(&deviation)?;
    if let Some(weight) = weight {
        y = y.broadcast_mul(&vector(weight)?)?;
    }
    if let Some(bias) = bias {
        y = y.broadcast_add(&vector(bias)?)?;
    }
    Ok(y.reshape(x.shape())?)
}

/// Rotation of each row by its own cosines and sines, as [`crate::models::rotary::RotaryTable`].
pub(crate) fn rotate(
    x: &Tensor,
    cos: Vec<&[f32]>,
    sin: Vec<&[f32]>,
    pairing: Pairing,
) -> Result<Tensor, ModelError> {
    let rows = cos.len();
    let pairs = cos.first().map_or(0, |row| row.len());
    let table =
        |rows_of: Vec<&[f32]>| Tensor::from_vec(rows_of.concat(), (rows, 1, pairs), x.device());
    let (cos, sin) = (table(cos)?, table(sin)?);
    // Both pairings as [rows, heads, first or second of the pair, pairs].
    let heads = x.contiguous()?;
    let heads = match pairing {
        Pairing::HalfSplit => heads.reshape((rows, (), 2, pairs))?,
        Pairing::Interleaved => heads.reshape((rows, (), pairs, 2))?.transpose(2, 3)?,
    };
    let first = heads.narrow(2, 0, 1)?.squeeze(2)?.contiguous()?;
    let second = heads.narrow(2, 1, 1)?.squeeze(2)?.contiguous()?;
    let turned_first = (first.broadcast_mul(&cos)? - second.broadcast_mul(&sin)?)?;
    let turned_second = (second.broadcast_mul(&cos)? + first.broadcast_mul(&sin)?)?;
    let axis = if pairing == Pairing::HalfSplit { 2 } else { 3 };
    Ok(Tensor::stack(&[turned_first, turned_second], axis)?.reshape(x.shape())?)
}

/// Keys and values of one layer on a device, `[kv_heads, capacity, head_dim]` each.
#[derive(Debug)]
pub(crate) struct DeviceCache {
    keys: Tensor,
    values: Tensor,
}

impl DeviceCache {
    fn new(shape: AttentionShape, capacity: usize, device: &Device) -> Result<Self, ModelError> {
        let zeros =
            || Tensor::zeros((shape.kv_heads, capacity, shape.head_dim), DType::F32, device);
        Ok(Self { keys: zeros()?, values: zeros()? })
    }

    /// A copy of the numbers: a cloned tensor would share them with the original.
    ///
    /// # Errors
    /// The device has no memory left.
    pub(crate) fn copy(&self) -> Result<Self, ModelError> {
        Ok(Self { keys: self.keys.copy()?, values: self.values.copy()? })
    }
}

/// [`crate::models::attention::attend`] for a plan that was checked.
pub(crate) fn attend(
    shape: AttentionShape,
    layer: usize,
    queries: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    plan: &BatchPlan<'_>,
    caches: &mut [KvCache],
) -> Result<Tensor, ModelError> {
    let parts = (shape.kv_heads, 1, shape.head_dim);
    for (index, row) in plan.rows.iter().enumerate().filter(|(_, row)| row.append) {
        let cache = caches.get_mut(row.cache).ok_or(ModelError::Internal("no such cache"))?;
        let capacity = cache.capacity();
        let place = cache.device.get_mut(layer).ok_or(ModelError::Internal("no such layer"))?;
        if place.is_none() {
            *place = Some(DeviceCache::new(shape, capacity, queries.device())?);
        }
        if let Some(cache) = place {
            let part = |rows: &Tensor| rows.narrow(0, index, 1)?.reshape(parts)?.contiguous();
            cache.keys.slice_set(&part(keys)?, 1, row.position)?;
            cache.values.slice_set(&part(values)?, 1, row.position)?;
        }
    }
    let rows = plan.rows.iter().enumerate().map(|(index, row)| {
        let cache = caches
            .get(row.cache)
            .and_then(|cache| cache.device.get(layer)?.as_ref())
            .ok_or(ModelError::Internal("a cache lies on another device than its rows"))?;
        attend_row(shape, &queries.narrow(0, index, 1)?, row, cache)
    });
    Ok(Tensor::cat(&rows.collect::<Result<Vec<_>, _>>()?, 0)?)
}

fn attend_row(
    shape: AttentionShape,
    query: &Tensor,
    row: &PlannedRow<'_>,
    cache: &DeviceCache,
) -> Result<Tensor, ModelError> {
    let visible = row.visible();
    let query = query.contiguous()?.reshape((shape.kv_heads, shape.group(), shape.head_dim))?;
    let keys = cache.keys.narrow(1, 0, visible)?;
    let values = cache.values.narrow(1, 0, visible)?;
    let (on_keys, on_values) = factors(row.perturbation);
    let weighted = |scores: Tensor, weights: Option<&[f32]>| match weights {
        Some(weights) => {
            let mut all = vec![1f32; visible];
            let image = all.iter_mut().skip(row.first_image);
            image.zip(weights).for_each(|(factor, weight)| *factor = *weight);
            scores.broadcast_mul(&Tensor::from_vec(all, (1, 1, visible), scores.device())?)
        }
        None => Ok(scores),
    };
    let scores = (query.matmul(&keys.t()?)? * f64::from(shape.scale()))?;
    let scores = weighted(scores, on_keys)?;
    let probabilities = candle_nn::ops::softmax_last_dim(&scores.contiguous()?)?;
    let probabilities = weighted(probabilities, on_values)?;
    let out = probabilities.matmul(&values.contiguous()?)?;
    Ok(out.reshape((1, shape.heads * shape.head_dim))?)
}

#[cfg(test)]
mod tests {
    //! The operations on the CPU's tensors, against the CPU's own kernels.
    use super::*;
    use crate::guidance::Perturb;
    use crate::models::attention;
    use crate::models::decoder::{Perturbation, Prefix};
    use crate::models::kv_cache::ActivationNumber;
    use crate::models::linear::Linear;
    use crate::models::norm::{Norm, NormKind};
    use crate::models::rotary::RotaryTable;

    fn matrix(seed: usize, rows: usize, columns: usize) -> Tensor {
        let numbers =
            (0..rows * columns).map(|i| (((i + seed) * 2654435761) % 1999) as f32 / 999.5 - 1.0);
        Tensor::from_vec(numbers.collect(), (rows, columns), &Device::Cpu).unwrap()
    }

    fn assert_close(a: &Tensor, b: &Tensor, bound: f32) {
        assert_eq!(a.dims(), b.dims());
        let difference = (a - b).unwrap().abs().unwrap().flatten_all().unwrap();
        let largest = difference.max(0).unwrap().to_scalar::<f32>().unwrap();
        assert!(largest < bound, "{largest}");
    }

    #[test]
    fn linear_layers_agree() {
        let (weight, bias) = (matrix(1, 40, 64), matrix(2, 1, 40).flatten_all().unwrap());
        let x = matrix(3, 3, 64);
        for (precision, bound) in [(Precision::F32, 1e-5), (Precision::Bf16, 0.1)] {
            let host = Linear::new(&weight, Some(&bias), precision, ActivationNumber::Bf16);
            let host = host.unwrap().forward(&x).unwrap();
            let device = DeviceLinear::new(&weight, Some(&bias), precision).unwrap();
            assert_close(&device.forward(&x).unwrap(), &host, bound);
        }
        assert!(DeviceLinear::new(&weight, None, Precision::Int8).is_err());
    }

    #[test]
    fn norms_agree() {
        let x = matrix(4, 3, 48);
        let (weight, bias) = (vec![0.7; 16], (0..16).map(|i| i as f32).collect::<Vec<_>>());
        for (kind, centred) in [(NormKind::Rms, false), (NormKind::Layer, true)] {
            let host = Norm::new(kind, 16, Some(weight.clone()), Some(bias.clone()), 1e-5);
            let device = normalize(&x, 16, Some(&weight), Some(&bias), centred, 1e-5).unwrap();
            assert_close(&device, &host.forward(&x).unwrap(), 1e-5);
        }
    }

    #[test]
    fn rotations_agree() {
        let x = matrix(5, 3, 48);
        let positions = [4, 0, 9];
        for pairing in [Pairing::HalfSplit, Pairing::Interleaved] {
            let table = RotaryTable::one_dimensional(10, 16, 100.0, pairing);
            let (cos, sin) = positions.iter().map(|&position| table.at(position)).unzip();
            let device = rotate(&x, cos, sin, pairing).unwrap();
            assert_close(&device, &table.rotate(&x, &positions).unwrap(), 1e-6);
        }
    }

    #[test]
    fn attention_agrees_with_prefixes_groups_and_every_perturbation() {
        let shape = AttentionShape { heads: 6, kv_heads: 2, head_dim: 20 };
        let caches = shape.cache(1, ActivationNumber::F32);
        let cache = |prefix| KvCache::new(caches, Prefix::Class(0), prefix, 8).unwrap();
        let mut host = vec![cache(2), cache(4)];
        let mut device = vec![cache(2), cache(4)];
        let weights = [0.5, 0.25, 0.9, 0.1, 0.7, 0.3];
        for position in 0..8 {
            let on = [Perturb::Value, Perturb::Key, Perturb::KeyValue][position % 3];
            let visible = |prefix: usize| (position + 1usize).saturating_sub(prefix);
            let row = |cache, append, prefix, perturbed: bool| PlannedRow {
                cache,
                position,
                append,
                first_image: prefix,
                perturbation: perturbed
                    .then(|| Perturbation { weights: &weights[..visible(prefix)], on }),
            };
            // The third row only reads the second one's cache: the cache rule `exact`.
            let rows = vec![row(0, true, 2, false), row(1, true, 4, false), row(1, false, 4, true)];
            let plan = BatchPlan { rows };
            let (q, k, v) = (
                matrix(position, 3, 120),
                matrix(position + 7, 3, 40),
                matrix(position + 9, 3, 40),
            );
            let on_host = attention::attend(shape, 0, &q, &k, &v, &plan, &mut host).unwrap();
            let on_device = attend(shape, 0, &q, &k, &v, &plan, &mut device).unwrap();
            assert_close(&on_device, &on_host, 2e-6);
        }
        let copy: Vec<_> = device.iter().map(|cache| cache.copy().unwrap()).collect();
        let plan = BatchPlan {
            rows: vec![PlannedRow {
                cache: 0,
                position: 0,
                append: true,
                first_image: 2,
                perturbation: None,
            }],
        };
        let (q, kv) = (matrix(1, 1, 120), matrix(50, 1, 40));
        let before = keys_of(&copy);
        attend(shape, 0, &q, &kv, &kv, &plan, &mut device).unwrap();
        assert_eq!(keys_of(&copy), before, "a copy does not share its numbers");
        assert_ne!(keys_of(&device), before);
    }

    fn keys_of(caches: &[KvCache]) -> Vec<f32> {
        let keys = &caches[0].device[0].as_ref().unwrap().keys;
        keys.flatten_all().unwrap().to_vec1().unwrap()
    }
}

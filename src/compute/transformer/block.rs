//! One block of the transformer: pre-norm attention and SwiGLU.

use crate::compute::attention::attend;
use crate::compute::attention_shape::AttentionShape;
use crate::compute::device_kind::on_device;
use crate::compute::error::ModelError;
use crate::compute::host::{copied, matrix};
use crate::compute::kv_cache::{BatchPlan, KvCache};
use crate::compute::layer_source::LayerSource;
use crate::compute::layers::SwiGlu;
use crate::compute::linear::Linear;
use crate::compute::norm::Norm;
use crate::compute::rotary::RotaryTable;
use crate::compute::transformer::{QueryKeyNorm, TransformerOptions};
use crate::compute::weights::Weights;
use candle_core::Tensor;

/// One block: `x + attention(norm(x))`, then `x + mlp(norm(x))`.
pub(super) struct Block<S: LayerSource> {
    input_norm: S::Norm,
    attention: Attention<S>,
    post_attention_norm: S::Norm,
    mlp: SwiGlu<S::Linear>,
}

impl<S: LayerSource> Block<S> {
    pub(super) fn load(options: &TransformerOptions, source: &S) -> Result<Self, ModelError> {
        let (width, inner) = (options.hidden_size, options.intermediate_size);
        let eps = options.norm_eps;
        let projections = ["gate_proj", "up_proj", "down_proj"];
        Ok(Self {
            input_norm: source.pp("input_layernorm").rms_norm(width, eps)?,
            attention: Attention::load(options, &source.pp("self_attn"))?,
            post_attention_norm: source.pp("post_attention_layernorm").rms_norm(width, eps)?,
            mlp: SwiGlu::load(&source.pp("mlp"), projections, width, inner)?,
        })
    }
}

impl Block<Weights<'static>> {
    pub(super) fn forward(
        &self,
        layer: usize,
        x: &Tensor,
        positions: &[usize],
        rotary: &RotaryTable,
        plan: &BatchPlan<'_>,
        caches: &mut [KvCache],
    ) -> Result<Tensor, ModelError> {
        let attended = self.attention.forward(
            layer,
            &self.input_norm.forward(x)?,
            positions,
            rotary,
            plan,
            caches,
        )?;
        let x = (x + attended)?;
        let inner = self.mlp.forward(&self.post_attention_norm.forward(&x)?)?;
        Ok((x + inner)?)
    }

    pub(super) fn weight_bytes(&self) -> u64 {
        let Attention { query, key, value, output, .. } = &self.attention;
        let attention = [query, key, value, output].into_iter().map(Linear::weight_bytes);
        attention.sum::<u64>() + self.mlp.weight_bytes()
    }
}

struct Attention<S: LayerSource> {
    shape: AttentionShape,
    query: S::Linear,
    key: S::Linear,
    value: S::Linear,
    output: S::Linear,
    query_norm: Option<HeadNorm<S::Norm>>,
    key_norm: Option<HeadNorm<S::Norm>>,
}

impl<S: LayerSource> Attention<S> {
    fn load(options: &TransformerOptions, source: &S) -> Result<Self, ModelError> {
        let shape = options.attention;
        let (hidden, queries) = (options.hidden_size, shape.heads * shape.head_dim);
        let keys = shape.kv_heads * shape.head_dim;
        let project = |name: &str, outputs: usize| {
            let source = source.pp(name);
            if options.qkv_bias {
                source.linear_with_bias(hidden, outputs)
            } else {
                source.linear(hidden, outputs)
            }
        };
        let head_norm = |name: &str, heads: usize| {
            let norm = options.query_key_norm;
            norm.map(|norm| HeadNorm::load(norm, heads, shape.head_dim, &source.pp(name)))
                .transpose()
        };
        Ok(Self {
            shape,
            query: project("q_proj", queries)?,
            key: project("k_proj", keys)?,
            value: project("v_proj", keys)?,
            output: source.pp("o_proj").linear(queries, hidden)?,
            query_norm: head_norm("q_norm", shape.heads)?,
            key_norm: head_norm("k_norm", shape.kv_heads)?,
        })
    }
}

impl Attention<Weights<'static>> {
    fn forward(
        &self,
        layer: usize,
        x: &Tensor,
        positions: &[usize],
        rotary: &RotaryTable,
        plan: &BatchPlan<'_>,
        caches: &mut [KvCache],
    ) -> Result<Tensor, ModelError> {
        let mut queries = self.query.forward(x)?;
        let mut keys = self.key.forward(x)?;
        if let (Some(query_norm), Some(key_norm)) = (&self.query_norm, &self.key_norm) {
            queries = query_norm.forward(&queries)?;
            keys = key_norm.forward(&keys)?;
        }
        let queries = rotary.rotate(&queries, positions)?;
        let keys = rotary.rotate(&keys, positions)?;
        let values = self.value.forward(x)?;
        let attended = attend(self.shape, layer, &queries, &keys, &values, plan, caches)?;
        self.output.forward(&attended)
    }
}

/// Layer norm of each head; consecutive heads share a row of the weights.
struct HeadNorm<N> {
    shards: Vec<N>,
    heads: usize,
    head_dim: usize,
}

impl<N> HeadNorm<N> {
    fn load<S: LayerSource<Norm = N>>(
        norm: QueryKeyNorm,
        heads: usize,
        head_dim: usize,
        source: &S,
    ) -> Result<Self, ModelError> {
        let shards = source.layer_norms(norm.shards, head_dim, norm.eps)?;
        Ok(Self { shards, heads, head_dim })
    }
}

impl HeadNorm<Norm> {
    fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        if let [norm] = self.shards.as_slice() {
            return norm.forward(x);
        }
        let heads_per_shard = (self.heads / self.shards.len()).max(1);
        if on_device(x) {
            let width = heads_per_shard * self.head_dim;
            let shards = self.shards.iter().enumerate();
            let parts =
                shards.map(|(shard, norm)| norm.forward(&x.narrow(1, shard * width, width)?));
            return Ok(Tensor::cat(&parts.collect::<Result<Vec<_>, _>>()?, 1)?);
        }
        let (rows, columns) = x.dims2()?;
        let mut data = copied(x)?;
        for (index, head) in data.chunks_mut(self.head_dim).enumerate() {
            if let Some(norm) = self.shards.get(index % self.heads / heads_per_shard) {
                norm.normalize(head);
            }
        }
        matrix(data, rows, columns)
    }
}

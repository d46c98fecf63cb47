//! Layers that several decoder families share beside attention and norms: the gated feed-forward
//! layer, the packed query/key/value projection, and the way from hidden rows to logits.

use crate::compute::activation::silu_mul;
use crate::compute::attention_shape::AttentionShape;
use crate::compute::error::ModelError;
use crate::compute::layer_source::LayerSource;
use crate::compute::linear::Linear;
use crate::compute::rows::{Logits, Row};
use candle_core::Tensor;

/// Gated feed-forward layer `down(silu(gate x) · up x)`, called SwiGLU.
#[derive(Debug, Clone)]
pub struct SwiGlu<L = Linear> {
    gate: L,
    up: L,
    down: L,
}

impl<L> SwiGlu<L> {
    /// Its three projections between `width` and `inner` channels: `gate` and `up` widen, `down`
    /// narrows. `names` are theirs below `source`, in this order.
    ///
    /// # Errors
    /// Those of [`LayerSource::tensor`].
    pub fn load<S: LayerSource<Linear = L>>(
        source: &S,
        names: [&str; 3],
        width: usize,
        inner: usize,
    ) -> Result<Self, ModelError> {
        let [gate, up, down] = names.map(|name| source.pp(name));
        Ok(Self {
            gate: gate.linear(width, inner)?,
            up: up.linear(width, inner)?,
            down: down.linear(inner, width)?,
        })
    }
}

impl SwiGlu {
    /// `x` is `[rows, width]`, the result has the same shape.
    ///
    /// # Errors
    /// An input of another width.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        self.down.forward(&silu_mul(&self.gate.forward(x)?, &self.up.forward(x)?)?)
    }

    /// Bytes of weights that one call reads.
    pub fn weight_bytes(&self) -> u64 {
        self.gate.weight_bytes() + self.up.weight_bytes() + self.down.weight_bytes()
    }
}

/// Queries, keys and values of one projection whose rows are packed in this order:
/// `packed` is `[rows, (heads + 2 kv_heads) · head_dim]`.
///
/// # Errors
/// A width that does not fit the heads.
pub fn split_packed(
    packed: &Tensor,
    shape: AttentionShape,
) -> Result<(Tensor, Tensor, Tensor), ModelError> {
    let query = shape.heads * shape.head_dim;
    let key = shape.kv_heads * shape.head_dim;
    Ok((
        packed.narrow(1, 0, query)?.contiguous()?,
        packed.narrow(1, query, key)?.contiguous()?,
        packed.narrow(1, query + key, key)?.contiguous()?,
    ))
}

/// The rows of `hidden` `[rows, width]` whose logits are wanted, `None` if there are none.
///
/// # Errors
/// `hidden` has fewer rows than the batch.
pub fn requested_rows(hidden: &Tensor, rows: &[Row<'_>]) -> Result<Option<Tensor>, ModelError> {
    let wanted: Vec<u32> =
        (0u32..).zip(rows).filter(|(_, row)| row.logits).map(|(index, _)| index).collect();
    if wanted.is_empty() {
        return Ok(None);
    }
    if wanted.len() == rows.len() {
        return Ok(Some(hidden.clone()));
    }
    Ok(Some(hidden.index_select(&Tensor::new(wanted, hidden.device())?, 0)?))
}

/// Logits from the output of a head, `[rows, width]`; none if no row asked for any.
///
/// # Errors
/// A tensor that is not a matrix.
pub fn to_logits(output: Option<Tensor>, width: usize) -> Result<Logits, ModelError> {
    let values = output.map(|output| output.flatten_all()?.to_vec1::<f32>()).transpose()?;
    Ok(Logits { values: values.unwrap_or_default(), width })
}

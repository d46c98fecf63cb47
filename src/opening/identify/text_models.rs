//! Text-conditional decoders and the text encoder: shapes to sizes and back.
//!
//! Tables of keys and sizes: reference/checkpoints/text-to-image.md and llamagen.md section 6.

use super::geometry::{Conditioning, Config, DecoderGeometry, EncoderGeometry};
use crate::checkpoint::manifest::{Manifest, TensorRole};
use crate::checkpoint::shapes::TensorShapes;

/// The Qwen2 layout of SimpleAR and of the built-in model: prompt tokens, then codes, in one vocabulary.
pub(crate) mod qwen2 {
    use super::*;

    pub(crate) const SIGNATURE: &str = "model.layers.0.self_attn.q_proj.bias";

    /// (width, layers, heads) of the published sizes.
    const HEADS: [(usize, usize, usize); 2] = [(896, 24, 14), (1536, 28, 12)];
    /// Codes of SimpleAR's tokenizer.
    const CODES: usize = 64_000;

    pub(crate) fn infer(shapes: &TensorShapes, config: &Config) -> Option<DecoderGeometry> {
        let embedding = "model.embed_tokens.weight";
        let (vocabulary, hidden) = (shapes.dim(embedding, 0)?, shapes.dim(embedding, 1)?);
        let layers = shapes.count("model.layers.", ".input_layernorm.weight");
        let defined = HEADS.iter().find(|(h, l, _)| (*h, *l) == (hidden, layers)).map(|row| row.2);
        let heads = config.size("num_attention_heads").or(defined)?;
        let rows = shapes.dim("model.layers.0.self_attn.q_proj.weight", 0)?;
        let head_dim = config.size("head_dim").or(rows.checked_div(heads))?;
        let kv_rows = shapes.dim("model.layers.0.self_attn.k_proj.weight", 0)?;
        let codes = match config.text_tokens() {
            Some(text) => vocabulary.checked_sub(text),
            None => (vocabulary > CODES).then_some(CODES),
        };
        Some(DecoderGeometry {
            hidden,
            layers,
            heads,
            kv_heads: kv_rows.checked_div(head_dim)?,
            head_dim,
            inner: shapes.dim("model.layers.0.mlp.gate_proj.weight", 0)?,
            vocabulary,
            codebook_size: codes.filter(|&codes| codes > 0),
            conditioning: Conditioning::Prompt { text_tokens: config.text_tokens() },
            image_tokens: None,
            tied: shapes.get("lm_head.weight").is_none(),
        })
    }

    pub(crate) fn manifest(g: &DecoderGeometry) -> Manifest {
        let d = g.hidden;
        let mut m = Manifest::default();
        m.embedding("model.embed_tokens.weight", g.vocabulary, d);
        for i in 0..g.layers {
            let layer = format!("model.layers.{i}");
            let kv = g.kv_heads * g.head_dim;
            m.norm(&format!("{layer}.input_layernorm"), d, false);
            m.linear_with_bias(&format!("{layer}.self_attn.q_proj"), g.heads * g.head_dim, d);
            m.linear_with_bias(&format!("{layer}.self_attn.k_proj"), kv, d);
            m.linear_with_bias(&format!("{layer}.self_attn.v_proj"), kv, d);
            m.linear(&format!("{layer}.self_attn.o_proj"), d, g.heads * g.head_dim);
            m.norm(&format!("{layer}.post_attention_layernorm"), d, false);
            m.linear(&format!("{layer}.mlp.gate_proj"), g.inner, d);
            m.linear(&format!("{layer}.mlp.up_proj"), g.inner, d);
            m.linear(&format!("{layer}.mlp.down_proj"), d, g.inner);
        }
        m.norm("model.norm", d, false);
        if !g.tied {
            m.add("lm_head.weight", &[g.vocabulary, d], TensorRole::Head);
        }
        m
    }
}

/// Lumina-mGPT 2.0: the Chameleon layout with layer norms on queries and keys.
pub(crate) mod lumina {
    use super::*;

    pub(crate) const SIGNATURE: &str = "model.layers.0.self_attn.q_norm.bias";

    /// Vocabulary of the published model and the number of its image codes.
    const PUBLISHED: (usize, usize) = (171_385, 16_384);

    pub(crate) fn infer(shapes: &TensorShapes, config: &Config) -> Option<DecoderGeometry> {
        let embedding = "model.embed_tokens.weight";
        let (vocabulary, hidden) = (shapes.dim(embedding, 0)?, shapes.dim(embedding, 1)?);
        let head_dim = shapes.dim("model.layers.0.self_attn.q_norm.weight", 1)?;
        let rows = shapes.dim("model.layers.0.self_attn.q_proj.weight", 0)?;
        let kv_rows = shapes.dim("model.layers.0.self_attn.k_proj.weight", 0)?;
        Some(DecoderGeometry {
            hidden,
            layers: shapes.count("model.layers.", ".input_layernorm.weight"),
            heads: rows.checked_div(head_dim)?,
            kv_heads: kv_rows.checked_div(head_dim)?,
            head_dim,
            inner: shapes.dim("model.layers.0.mlp.gate_proj.weight", 0)?,
            vocabulary,
            codebook_size: (vocabulary == PUBLISHED.0).then_some(PUBLISHED.1),
            conditioning: Conditioning::Prompt { text_tokens: config.text_tokens() },
            image_tokens: None,
            tied: false,
        })
    }

    pub(crate) fn manifest(g: &DecoderGeometry, shards: usize) -> Manifest {
        let d = g.hidden;
        let mut m = Manifest::default();
        m.embedding("model.embed_tokens.weight", g.vocabulary, d);
        for i in 0..g.layers {
            let layer = format!("model.layers.{i}");
            let (q, kv) = (g.heads * g.head_dim, g.kv_heads * g.head_dim);
            m.norm(&format!("{layer}.input_layernorm"), d, false);
            m.linear(&format!("{layer}.self_attn.q_proj"), q, d);
            m.linear(&format!("{layer}.self_attn.k_proj"), kv, d);
            m.linear(&format!("{layer}.self_attn.v_proj"), kv, d);
            m.linear(&format!("{layer}.self_attn.o_proj"), d, q);
            for norm in ["q_norm", "k_norm"] {
                for part in ["weight", "bias"] {
                    m.other(format!("{layer}.self_attn.{norm}.{part}"), &[shards, g.head_dim]);
                }
            }
            m.norm(&format!("{layer}.post_attention_layernorm"), d, false);
            m.linear(&format!("{layer}.mlp.gate_proj"), g.inner, d);
            m.linear(&format!("{layer}.mlp.up_proj"), g.inner, d);
            m.linear(&format!("{layer}.mlp.down_proj"), d, g.inner);
        }
        m.norm("model.norm", d, false);
        m.add("lm_head.weight", &[g.vocabulary, d], TensorRole::Head);
        m
    }

    /// Rows of the query norm: the number of parallel shards the model was trained with.
    pub(crate) fn shards(shapes: &TensorShapes) -> usize {
        shapes.dim("model.layers.0.self_attn.q_norm.weight", 0).unwrap_or(1)
    }
}

/// The encoder of T5 with gated feed-forward (flan-t5-xl). Decoder and head of the full file are ignored.
pub(crate) mod t5 {
    use super::*;

    pub(crate) const SIGNATURE: &str =
        "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight";

    pub(crate) fn infer(shapes: &TensorShapes) -> Option<EncoderGeometry> {
        Some(EncoderGeometry {
            vocabulary: shapes.dim("shared.weight", 0)?,
            hidden: shapes.dim("shared.weight", 1)?,
            layers: shapes.count("encoder.block.", ".layer.0.layer_norm.weight"),
            heads: shapes.dim(SIGNATURE, 1)?,
            attention_width: shapes.dim("encoder.block.0.layer.0.SelfAttention.q.weight", 0)?,
            inner: shapes.dim("encoder.block.0.layer.1.DenseReluDense.wi_0.weight", 0)?,
            relative_buckets: shapes.dim(SIGNATURE, 0)?,
        })
    }

    pub(crate) fn manifest(g: &EncoderGeometry) -> Manifest {
        let (d, width) = (g.hidden, g.attention_width);
        let mut m = Manifest::default();
        m.embedding("shared.weight", g.vocabulary, d);
        m.other(SIGNATURE, &[g.relative_buckets, g.heads]);
        for i in 0..g.layers {
            let attention = format!("encoder.block.{i}.layer.0");
            for name in ["q", "k", "v"] {
                m.linear(&format!("{attention}.SelfAttention.{name}"), width, d);
            }
            m.linear(&format!("{attention}.SelfAttention.o"), d, width);
            m.norm(&format!("{attention}.layer_norm"), d, false);
            let feed_forward = format!("encoder.block.{i}.layer.1");
            m.linear(&format!("{feed_forward}.DenseReluDense.wi_0"), g.inner, d);
            m.linear(&format!("{feed_forward}.DenseReluDense.wi_1"), g.inner, d);
            m.linear(&format!("{feed_forward}.DenseReluDense.wo"), d, g.inner);
            m.norm(&format!("{feed_forward}.layer_norm"), d, false);
        }
        m.norm("encoder.final_layer_norm", d, false);
        m
    }
}

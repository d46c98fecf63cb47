//! Class-conditional decoders and LlamaGen's text-conditional one: shapes to sizes and back.
//!
//! Tables of keys and sizes: reference/checkpoints/alitok-rar.md and llamagen.md.

use super::geometry::{Conditioning, Config, DecoderGeometry};
use crate::checkpoint::manifest::{Manifest, TensorRole};
use crate::checkpoint::shapes::TensorShapes;
use crate::compute::attention_shape::AttentionShape;
use crate::compute::error::ModelError;
use crate::models::alitok::config::AlitokConfig;
use crate::models::rar::config::RarConfig;

/// AliTok: prefix tokens before the grid, RMS norms, SwiGLU.
pub(crate) mod alitok {
    use super::*;

    pub(crate) const SIGNATURE: &str = "blocks.0.mlp.w1.weight";

    pub(crate) fn infer(shapes: &TensorShapes) -> Result<(DecoderGeometry, Manifest), ModelError> {
        let config = AlitokConfig::from_shapes(shapes)?;
        let AttentionShape { heads, kv_heads, head_dim } = config.attention();
        let geometry = DecoderGeometry {
            hidden: config.hidden_size,
            layers: config.num_hidden_layers,
            heads,
            kv_heads,
            head_dim,
            inner: config.ffn_hidden,
            vocabulary: config.entries(),
            codebook_size: Some(config.codebook_size),
            conditioning: Conditioning::Classes(config.condition_num_classes),
            image_tokens: Some(config.layout().len()),
            tied: false,
        };
        Ok((geometry, Manifest { tensors: config.tensors()?, companions: &[] }))
    }
}

/// RAR, and RobusTok's models of the same layout with 4096 codes.
pub(crate) mod rar {
    use super::*;

    pub(crate) const SIGNATURE: &str = "target_aware_pos_embed";

    pub(crate) fn infer(shapes: &TensorShapes) -> Result<(DecoderGeometry, Manifest), ModelError> {
        let config = RarConfig::from_shapes(shapes)?;
        let AttentionShape { heads, kv_heads, head_dim } = config.attention();
        let geometry = DecoderGeometry {
            hidden: config.hidden_size,
            layers: config.num_hidden_layers,
            heads,
            kv_heads,
            head_dim,
            inner: config.intermediate_size,
            vocabulary: config.entries(),
            codebook_size: Some(config.codebook_size),
            conditioning: Conditioning::Classes(config.condition_num_classes),
            image_tokens: Some(config.image_seq_len),
            tied: false,
        };
        Ok((geometry, Manifest { tensors: config.tensors()?, companions: &[] }))
    }
}

/// LlamaGen's GPT, conditioned on a class or on caption rows.
pub(crate) mod llamagen {
    use super::*;

    pub(crate) const SIGNATURE: &str = "tok_embeddings.weight";

    /// Heads of the (width, layers) pairs that the program defines: no tensor tells them.
    const HEADS: [(usize, usize, usize); 8] = [
        (768, 12, 12),
        (1024, 24, 16),
        (1280, 36, 20),
        (1536, 48, 24),
        (3200, 24, 32),
        (2048, 22, 32),
        (4096, 32, 32),
        (2560, 48, 40),
    ];

    pub(crate) fn infer(shapes: &TensorShapes, config: &Config) -> Option<DecoderGeometry> {
        let (codes, hidden) =
            (shapes.dim("tok_embeddings.weight", 0)?, shapes.dim("tok_embeddings.weight", 1)?);
        let layers = shapes.count("layers.", ".attention_norm.weight");
        let defined = HEADS.iter().find(|(d, l, _)| (*d, *l) == (hidden, layers)).map(|row| row.2);
        let heads = defined.or(config.size("n_head"))?;
        let head_dim = hidden.checked_div(heads)?;
        let rows = shapes.dim("layers.0.attention.wqkv.weight", 0)?;
        let kv_heads = rows.checked_sub(hidden)?.checked_div(2 * head_dim)?;
        let caption = "cls_embedding.uncond_embedding";
        let conditioning = match shapes.dim("cls_embedding.embedding_table.weight", 0) {
            Some(rows) => Conditioning::Classes(rows - 1),
            None => Conditioning::Caption {
                positions: shapes.dim(caption, 0)?,
                width: shapes.dim(caption, 1)?,
            },
        };
        Some(DecoderGeometry {
            hidden,
            layers,
            heads,
            kv_heads,
            head_dim,
            inner: shapes.dim("layers.0.feed_forward.w1.weight", 0)?,
            vocabulary: codes,
            codebook_size: Some(codes),
            conditioning,
            image_tokens: None,
            tied: false,
        })
    }

    pub(crate) fn manifest(g: &DecoderGeometry) -> Manifest {
        let d = g.hidden;
        let mut m = Manifest::default();
        match g.conditioning {
            Conditioning::Classes(classes) => {
                m.embedding("cls_embedding.embedding_table.weight", classes + 1, d);
            }
            Conditioning::Caption { positions, width } => {
                m.other("cls_embedding.uncond_embedding", &[positions, width]);
                m.linear("cls_embedding.cap_proj.fc1", d, width);
                m.linear("cls_embedding.cap_proj.fc2", d, d);
            }
            Conditioning::Prompt { .. } => {}
        }
        m.embedding("tok_embeddings.weight", g.vocabulary, d);
        for i in 0..g.layers {
            let layer = format!("layers.{i}");
            m.norm(&format!("{layer}.attention_norm"), d, false);
            m.linear(
                &format!("{layer}.attention.wqkv"),
                (g.heads + 2 * g.kv_heads) * g.head_dim,
                d,
            );
            m.linear(&format!("{layer}.attention.wo"), d, g.heads * g.head_dim);
            m.norm(&format!("{layer}.ffn_norm"), d, false);
            m.linear(&format!("{layer}.feed_forward.w1"), g.inner, d);
            m.linear(&format!("{layer}.feed_forward.w3"), g.inner, d);
            m.linear(&format!("{layer}.feed_forward.w2"), d, g.inner);
        }
        m.norm("norm", d, false);
        m.add("output.weight", &[g.vocabulary, d], TensorRole::Linear);
        m
    }
}

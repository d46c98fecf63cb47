//! Class-conditional decoders and LlamaGen's text-conditional one: shapes to sizes and back.
//!
//! Tables of keys and sizes: reference/checkpoints/alitok-rar.md and llamagen.md.

use super::geometry::{Conditioning, Config, DecoderGeometry};
use crate::checkpoint::manifest::{Manifest, Shapes, TensorRole};

/// Sizes of AliTok and RAR, whose blocks and embeddings have the same names: `head` and `inner` name the
/// output layer and the first of the feed-forward layers.
fn in_blocks(
    shapes: &Shapes<'_>,
    head: &str,
    inner: &str,
    image_tokens: usize,
) -> Option<DecoderGeometry> {
    let (rows, hidden) = (shapes.dim("embeddings.weight", 0)?, shapes.dim("embeddings.weight", 1)?);
    let codebook_size = shapes.dim(head, 0)?;
    let head_dim = shapes.dim("blocks.0.attn.q_norm.weight", 0)?;
    let heads = hidden.checked_div(head_dim)?;
    Some(DecoderGeometry {
        hidden,
        layers: shapes.count(|i| format!("blocks.{i}.norm1.weight")),
        heads,
        kv_heads: heads,
        head_dim,
        inner: shapes.dim(inner, 0)?,
        vocabulary: rows,
        codebook_size: Some(codebook_size),
        conditioning: Conditioning::Classes(rows.checked_sub(codebook_size + 2)?),
        image_tokens: Some(image_tokens),
        tied: false,
    })
}

/// AliTok: prefix tokens before the grid, RMS norms, SwiGLU.
pub(crate) mod alitok {
    use super::*;

    pub(crate) const SIGNATURE: &str = "blocks.0.mlp.w1.weight";

    pub(crate) fn infer(shapes: &Shapes<'_>) -> Option<DecoderGeometry> {
        in_blocks(shapes, "output.weight", "blocks.0.mlp.w1.weight", 273)
    }

    pub(crate) fn manifest(g: &DecoderGeometry) -> Manifest {
        let (d, codes) = (g.hidden, g.codebook_size.unwrap_or_default());
        let mut m = Manifest::default();
        m.embedding("embeddings.weight", g.vocabulary, d);
        for i in 0..g.layers {
            let block = format!("blocks.{i}");
            m.norm(&format!("{block}.norm1"), d, false);
            m.linear_with_bias(&format!("{block}.attn.qkv"), 3 * d, d);
            m.norm(&format!("{block}.attn.q_norm"), g.head_dim, false);
            m.norm(&format!("{block}.attn.k_norm"), g.head_dim, false);
            m.linear_with_bias(&format!("{block}.attn.proj"), d, d);
            m.norm(&format!("{block}.norm2"), d, false);
            m.linear(&format!("{block}.mlp.w1"), g.inner, d);
            m.linear(&format!("{block}.mlp.w3"), g.inner, d);
            m.linear(&format!("{block}.mlp.w2"), d, g.inner);
        }
        m.norm("norm", d, false);
        m.linear_with_bias("output", codes, d);
        m
    }
}

/// RAR, and RobusTok's models of the same layout with 4096 codes.
pub(crate) mod rar {
    use super::*;

    pub(crate) const SIGNATURE: &str = "target_aware_pos_embed";

    pub(crate) fn infer(shapes: &Shapes<'_>) -> Option<DecoderGeometry> {
        in_blocks(
            shapes,
            "lm_head.weight",
            "blocks.0.mlp.fc1.weight",
            shapes.dim("pos_embed", 1)?.checked_sub(1024)?,
        )
    }

    pub(crate) fn manifest(g: &DecoderGeometry) -> Manifest {
        let (d, codes) = (g.hidden, g.codebook_size.unwrap_or_default());
        let tokens = g.image_tokens.unwrap_or_default();
        let mut m = Manifest::default();
        m.other("cls_token", &[1, 1, d]);
        m.other("pos_embed", &[1, tokens + 1024, d]);
        m.other("target_aware_pos_embed", &[1, tokens + 1024, d]);
        m.other("timesteps_embeddings", &[1, tokens + 100, d]);
        m.embedding("embeddings.weight", g.vocabulary, d);
        for i in 0..g.layers {
            let block = format!("blocks.{i}");
            m.norm(&format!("{block}.norm1"), d, true);
            m.linear_with_bias(&format!("{block}.attn.qkv"), 3 * d, d);
            m.norm(&format!("{block}.attn.q_norm"), g.head_dim, true);
            m.norm(&format!("{block}.attn.k_norm"), g.head_dim, true);
            m.linear_with_bias(&format!("{block}.attn.proj"), d, d);
            m.norm(&format!("{block}.norm2"), d, true);
            m.linear_with_bias(&format!("{block}.mlp.fc1"), g.inner, d);
            m.linear_with_bias(&format!("{block}.mlp.fc2"), d, g.inner);
            m.linear_with_bias(&format!("{block}.adaLN_modulation.1"), 6 * d, d);
        }
        m.linear_with_bias("adaln_before_head.adaLN_modulation.1", 2 * d, d);
        m.linear_with_bias("lm_head", codes, d);
        m
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

    pub(crate) fn infer(shapes: &Shapes<'_>, config: &Config) -> Option<DecoderGeometry> {
        let (codes, hidden) =
            (shapes.dim("tok_embeddings.weight", 0)?, shapes.dim("tok_embeddings.weight", 1)?);
        let layers = shapes.count(|i| format!("layers.{i}.attention_norm.weight"));
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

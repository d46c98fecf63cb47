//! Image tokenizers: shapes to sizes and back. Only the half that draws pixels is compared; encoders
//! belong to the file and are not needed.
//!
//! The convolutional decoders differ in names more than in structure, so their widths are read off
//! the file level by level, and the manifest says what each layer must be, given the one before it.

use super::geometry::{Config, TokenizerGeometry};
use crate::checkpoint::manifest::Manifest;
use crate::checkpoint::shapes::TensorShapes;

const SQUARE: [usize; 2] = [3, 3];
const POINT: [usize; 2] = [1, 1];

/// AliTok's bidirectional transformer.
pub(crate) mod alitok {
    use super::*;

    pub(crate) const SIGNATURE: &str = "decoder.class_embedding";

    pub(crate) fn infer(shapes: &TensorShapes) -> Option<(TokenizerGeometry, Manifest)> {
        let codes = shapes.dim("quantize.embedding.weight", 0)?;
        let code_width = shapes.dim("quantize.embedding.weight", 1)?;
        let (classes, width) = (shapes.dim(SIGNATURE, 0)?, shapes.dim(SIGNATURE, 1)?);
        let pixels = shapes.dim("decoder.ffn.0.weight", 0)?;
        let layers = shapes.count("decoder.transformer.", ".ln_1.weight");
        let side = (1..=64).find(|side| side * side * 3 == pixels)?;
        let mut m = Manifest { companions: &["encoder.", "latent_tokens"], ..Manifest::default() };
        m.other(SIGNATURE, &[classes, width]);
        m.other("decoder.latent_token_positional_embedding", &[classes + 273, width]);
        m.linear_with_bias("decoder.decoder_embed", width, code_width);
        m.norm("decoder.ln_pre", width, true);
        for i in 0..layers {
            let block = format!("decoder.transformer.{i}");
            m.norm(&format!("{block}.ln_1"), width, true);
            m.linear_with_bias(&format!("{block}.attn.in_proj"), 3 * width, width);
            m.linear_with_bias(&format!("{block}.attn.out_proj"), width, width);
            m.norm(&format!("{block}.ln_2"), width, true);
            m.linear_with_bias(&format!("{block}.mlp.c_fc"), 4 * width, width);
            m.linear_with_bias(&format!("{block}.mlp.c_proj"), width, 4 * width);
        }
        m.norm("decoder.ln_post", width, true);
        m.conv("decoder.ffn.0", pixels, width, &POINT, true);
        m.conv("decoder.conv_out", 3, 3, &POINT, true);
        m.embedding("quantize.embedding.weight", codes, code_width);
        let geometry =
            TokenizerGeometry { codebook_size: Some(codes), code_width, pixels_per_token: side };
        Some((geometry, m))
    }
}

/// MaskGIT-VQGAN. Its 1×1 shortcuts work on the output of the block, hence `[out, out]`.
pub(crate) mod maskgit {
    use super::*;

    pub(crate) const SIGNATURE: &str = "decoder.up.1.upsample_conv.weight";

    pub(crate) fn infer(shapes: &TensorShapes) -> Option<(TokenizerGeometry, Manifest)> {
        let codes = shapes.dim("quantize.embedding.weight", 0)?;
        let code_width = shapes.dim("quantize.embedding.weight", 1)?;
        let mut width = shapes.dim("decoder.conv_in.weight", 0)?;
        let levels = shapes.count("decoder.up.", ".block.0.conv1.weight");
        let mut m = Manifest { companions: &["encoder."], ..Manifest::default() };
        m.embedding("quantize.embedding.weight", codes, code_width);
        m.conv("decoder.conv_in", width, code_width, &SQUARE, true);
        let block = |m: &mut Manifest, place: &str, from: usize, to: usize| {
            m.norm(&format!("{place}.norm1"), from, true);
            m.conv(&format!("{place}.conv1"), to, from, &SQUARE, false);
            m.norm(&format!("{place}.norm2"), to, true);
            m.conv(&format!("{place}.conv2"), to, to, &SQUARE, false);
            if from != to {
                m.conv(&format!("{place}.nin_shortcut"), to, to, &POINT, false);
            }
        };
        for i in 0..shapes.count("decoder.mid.", ".conv1.weight").max(1) {
            block(&mut m, &format!("decoder.mid.{i}"), width, width);
        }
        for level in (0..levels).rev() {
            let place = format!("decoder.up.{level}");
            let to = shapes.dim(&format!("{place}.block.0.conv1.weight"), 0)?;
            for i in 0..shapes.count(&format!("{place}.block."), ".conv1.weight") {
                block(&mut m, &format!("{place}.block.{i}"), width, to);
                width = to;
            }
            if level > 0 {
                m.conv(&format!("{place}.upsample_conv"), to, to, &SQUARE, true);
            }
        }
        m.norm("decoder.norm_out", width, true);
        m.conv("decoder.conv_out", 3, width, &SQUARE, true);
        Some((geometry(codes, code_width, levels)?, m))
    }
}

/// LlamaGen's VQ-16 and VQ-8; level 0 of the decoder is the lowest resolution.
pub(crate) mod llamagen {
    use super::*;

    pub(crate) const SIGNATURE: &str = "decoder.conv_blocks.0.res.0.conv1.weight";

    pub(crate) fn infer(shapes: &TensorShapes) -> Option<(TokenizerGeometry, Manifest)> {
        let codes = shapes.dim("quantize.embedding.weight", 0)?;
        let code_width = shapes.dim("quantize.embedding.weight", 1)?;
        let z = shapes.dim("post_quant_conv.weight", 0)?;
        let mut width = shapes.dim("decoder.conv_in.weight", 0)?;
        let levels = shapes.count("decoder.conv_blocks.", ".res.0.conv1.weight");
        let mut m = Manifest { companions: &["encoder.", "quant_conv."], ..Manifest::default() };
        m.embedding("quantize.embedding.weight", codes, code_width);
        m.conv("post_quant_conv", z, code_width, &POINT, true);
        m.conv("decoder.conv_in", width, z, &SQUARE, true);
        let res = |m: &mut Manifest, place: &str, from: usize, to: usize| {
            m.norm(&format!("{place}.norm1"), from, true);
            m.conv(&format!("{place}.conv1"), to, from, &SQUARE, true);
            m.norm(&format!("{place}.norm2"), to, true);
            m.conv(&format!("{place}.conv2"), to, to, &SQUARE, true);
            if from != to {
                m.conv(&format!("{place}.nin_shortcut"), to, from, &POINT, true);
            }
        };
        let attention = |m: &mut Manifest, place: &str, width: usize| {
            m.norm(&format!("{place}.norm"), width, true);
            for name in ["q", "k", "v", "proj_out"] {
                m.conv(&format!("{place}.{name}"), width, width, &POINT, true);
            }
        };
        res(&mut m, "decoder.mid.0", width, width);
        attention(&mut m, "decoder.mid.1", width);
        res(&mut m, "decoder.mid.2", width, width);
        for level in 0..levels {
            let place = format!("decoder.conv_blocks.{level}");
            let to = shapes.dim(&format!("{place}.res.0.conv1.weight"), 0)?;
            for i in 0..shapes.count(&format!("{place}.res."), ".conv1.weight") {
                res(&mut m, &format!("{place}.res.{i}"), width, to);
                if level == 0 {
                    attention(&mut m, &format!("{place}.attn.{i}"), to);
                }
                width = to;
            }
            if level + 1 < levels {
                m.conv(&format!("{place}.upsample.conv"), to, to, &SQUARE, true);
            }
        }
        m.norm("decoder.norm_out", width, true);
        m.conv("decoder.conv_out", 3, width, &SQUARE, true);
        Some((geometry(codes, code_width, levels)?, m))
    }
}

/// MoVQGAN: every norm is modulated by the codes. All sizes are read from the tensors, so that other
/// channel counts than the published file's are known too; what has no blocks is not.
pub(crate) mod movq {
    use super::*;

    pub(crate) const SIGNATURE: &str = "decoder.norm_out.conv_y.weight";

    pub(crate) fn infer(shapes: &TensorShapes) -> Option<(TokenizerGeometry, Manifest)> {
        let codes = shapes.dim("quantize.embedding.weight", 0)?;
        let z = shapes.dim("quantize.embedding.weight", 1)?;
        let mut width = shapes.dim("decoder.conv_in.weight", 0)?;
        let levels = shapes.count("decoder.up.", ".block.0.conv1.weight");
        let mut m = Manifest { companions: &["encoder.", "quant_conv."], ..Manifest::default() };
        m.embedding("quantize.embedding.weight", codes, z);
        m.conv("post_quant_conv", z, z, &POINT, true);
        m.conv("decoder.conv_in", width, z, &SQUARE, true);
        let norm = |m: &mut Manifest, place: &str, width: usize| {
            m.norm(&format!("{place}.norm_layer"), width, true);
            m.conv(&format!("{place}.conv_y"), width, z, &POINT, true);
            m.conv(&format!("{place}.conv_b"), width, z, &POINT, true);
        };
        let block = |m: &mut Manifest, place: &str, from: usize, to: usize| {
            norm(m, &format!("{place}.norm1"), from);
            m.conv(&format!("{place}.conv1"), to, from, &SQUARE, true);
            norm(m, &format!("{place}.norm2"), to);
            m.conv(&format!("{place}.conv2"), to, to, &SQUARE, true);
            if from != to {
                m.conv(&format!("{place}.nin_shortcut"), to, from, &POINT, true);
            }
        };
        let attention = |m: &mut Manifest, place: &str, width: usize| {
            norm(m, &format!("{place}.norm"), width);
            for name in ["q", "k", "v", "proj_out"] {
                m.conv(&format!("{place}.{name}"), width, width, &POINT, true);
            }
        };
        block(&mut m, "decoder.mid.block_1", width, width);
        attention(&mut m, "decoder.mid.attn_1", width);
        block(&mut m, "decoder.mid.block_2", width, width);
        for level in (0..levels).rev() {
            let place = format!("decoder.up.{level}");
            let to = shapes.dim(&format!("{place}.block.0.conv1.weight"), 0)?;
            let attended = shapes.get(&format!("{place}.attn.0.q.weight")).is_some();
            for i in 0..shapes.count(&format!("{place}.block."), ".conv1.weight") {
                block(&mut m, &format!("{place}.block.{i}"), width, to);
                if attended {
                    attention(&mut m, &format!("{place}.attn.{i}"), to);
                }
                width = to;
            }
            if level > 0 {
                m.conv(&format!("{place}.upsample.conv"), to, to, &SQUARE, true);
            }
        }
        norm(&mut m, "decoder.norm_out", width);
        m.conv("decoder.conv_out", 3, width, &SQUARE, true);
        Some((geometry(codes, z, levels)?, m))
    }
}

/// Cosmos DV 8×16×16: factorised 3-D convolutions over one frame.
pub(crate) mod cosmos {
    use super::*;

    pub(crate) const SIGNATURE: &str = "decoder.conv_in.0.conv3d.weight";

    pub(crate) fn infer(shapes: &TensorShapes) -> Option<(TokenizerGeometry, Manifest)> {
        let first = "post_quant_conv.conv3d.weight";
        let (z, code_width) = (shapes.dim(first, 0)?, shapes.dim(first, 1)?);
        let mut width = shapes.dim(SIGNATURE, 0)?;
        let levels = shapes.count("decoder.up.", ".block.0.norm1.norm.weight");
        let mut m = Manifest { companions: &["encoder.", "quant_conv."], ..Manifest::default() };
        let point = |m: &mut Manifest, place: &str, to: usize, from: usize| {
            m.conv(&format!("{place}.conv3d"), to, from, &[1, 1, 1], true);
        };
        // One convolution over the frame, then one over time.
        let pair = |m: &mut Manifest, place: &str, to: usize, from: usize| {
            m.conv(&format!("{place}.0.conv3d"), to, from, &[1, 3, 3], true);
            m.conv(&format!("{place}.1.conv3d"), to, to, &[3, 1, 1], true);
        };
        let block = |m: &mut Manifest, place: &str, from: usize, to: usize| {
            m.norm(&format!("{place}.norm1.norm"), from, true);
            pair(m, &format!("{place}.conv1"), to, from);
            m.norm(&format!("{place}.norm2.norm"), to, true);
            pair(m, &format!("{place}.conv2"), to, to);
            if from != to {
                point(m, &format!("{place}.nin_shortcut"), to, from);
            }
        };
        point(&mut m, "post_quant_conv", z, code_width);
        pair(&mut m, "decoder.conv_in", width, z);
        block(&mut m, "decoder.mid.block_1", width, width);
        for part in 0..2 {
            let place = format!("decoder.mid.attn_1.{part}");
            m.norm(&format!("{place}.norm.norm"), width, true);
            for name in ["q", "k", "v", "proj_out"] {
                point(&mut m, &format!("{place}.{name}"), width, width);
            }
        }
        block(&mut m, "decoder.mid.block_2", width, width);
        for level in (0..levels).rev() {
            let place = format!("decoder.up.{level}");
            let to = shapes.dim(&format!("{place}.block.0.conv1.0.conv3d.weight"), 0)?;
            for i in 0..shapes.count(&format!("{place}.block."), ".norm1.norm.weight") {
                block(&mut m, &format!("{place}.block.{i}"), width, to);
                width = to;
            }
            if level > 0 {
                let place = format!("{place}.upsample");
                m.conv(&format!("{place}.conv1.conv3d"), to, to, &[3, 1, 1], true);
                m.conv(&format!("{place}.conv2.conv3d"), to, to, &[1, 3, 3], true);
                point(&mut m, &format!("{place}.conv3"), to, to);
            }
        }
        m.norm("decoder.norm_out.norm", width, true);
        // Pixels of a patch over time, height and width, taken apart by inverse Haar: 4 published.
        let outputs = shapes.dim("decoder.conv_out.0.conv3d.weight", 0)?;
        let patch = [1usize, 2, 4, 8].into_iter().find(|patch| patch.pow(3) * 3 == outputs)?;
        pair(&mut m, "decoder.conv_out", outputs, width);
        let side = doubled(patch, levels)?;
        // Levels (8, 8, 8, 5, 5, 5) are no tensor of the decoder; six numbers a code mean them.
        let codebook_size = (code_width == 6).then_some(8 * 8 * 8 * 5 * 5 * 5);
        Some((TokenizerGeometry { codebook_size, code_width, pixels_per_token: side }, m))
    }
}

/// The small convolutional tokenizer with finite scalar quantisation of the built-in model.
pub(crate) mod fsq {
    use super::*;

    pub(crate) const SIGNATURE: &str = "decoder.level0.block0.conv1.weight";

    pub(crate) fn infer(
        shapes: &TensorShapes,
        config: &Config,
    ) -> Option<(TokenizerGeometry, Manifest)> {
        let first = "decoder.conv_in.weight";
        let (mut width, code_width) = (shapes.dim(first, 0)?, shapes.dim(first, 1)?);
        let levels = shapes.count("decoder.level", ".block0.conv1.weight");
        let outputs = shapes.dim("decoder.conv_out.weight", 0)?;
        let mut m = Manifest { companions: &["encoder."], ..Manifest::default() };
        m.conv("decoder.conv_in", width, code_width, &SQUARE, true);
        for level in (0..levels).rev() {
            let place = format!("decoder.level{level}");
            for i in 0..shapes.count(&format!("{place}.block"), ".conv1.weight") {
                let block = format!("{place}.block{i}");
                m.norm(&format!("{block}.norm"), width, false);
                m.conv(&format!("{block}.conv1"), width, width, &SQUARE, true);
                m.conv(&format!("{block}.conv2"), width, width, &SQUARE, true);
            }
            if level > 0 {
                // Four times the next level's channels, spread over 2×2 pixels.
                let next =
                    shapes.dim(&format!("decoder.level{}.block0.conv1.weight", level - 1), 0)?;
                m.conv(&format!("{place}.up"), 4 * next, width, &POINT, true);
                width = next;
            }
        }
        m.norm("decoder.norm_out", width, false);
        m.conv("decoder.conv_out", outputs, width, &SQUARE, true);
        let patch = (1..=64).find(|patch| patch * patch * 3 == outputs)?;
        let side = doubled(patch, levels)?;
        let codebook_size = config.image_tokenizer_size("codebook_size");
        Some((TokenizerGeometry { codebook_size, code_width, pixels_per_token: side }, m))
    }
}

fn geometry(codes: usize, code_width: usize, levels: usize) -> Option<TokenizerGeometry> {
    let pixels_per_token = doubled(1, levels)?;
    Some(TokenizerGeometry { codebook_size: Some(codes), code_width, pixels_per_token })
}

/// `base` doubled between `levels` levels, of which no tokenizer has more than eight.
fn doubled(base: usize, levels: usize) -> Option<usize> {
    (1..=8).contains(&levels).then(|| base << (levels - 1))
}

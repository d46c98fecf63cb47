//! Sizes of LlamaGen decoders, from the shapes of a checkpoint, `config.json` and the table of published
//! sizes.

use crate::checkpoint::folder_config::FolderConfig;
use crate::checkpoint::shapes::TensorShapes;
use crate::compute::attention_shape::AttentionShape;
use crate::compute::error::{ModelError, require};
use crate::compute::layout::TokenLayout;
use crate::compute::rotary::RotaryTable;
use crate::compute::row_ops::Pairing;
use serde::Deserialize;

/// Sizes of a LlamaGen decoder; from a `config.json` or from the shapes of a checkpoint.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "LlamagenJson")]
pub struct LlamagenConfig {
    /// Width of the residual stream.
    pub dim: usize,
    /// Number of blocks.
    pub n_layer: usize,
    /// Query heads.
    pub n_head: usize,
    /// Key/value heads.
    pub n_kv_head: usize,
    /// Inner width of the feed-forward layers.
    pub ffn_hidden: usize,
    /// Number of codes.
    pub vocab_size: usize,
    /// Number of classes, the null class not counted; 0 for text.
    pub num_classes: usize,
    /// Most prefix positions: 1 for classes, rows of the null caption for text.
    pub cls_token_num: usize,
    /// Width of a caption row; `None` for classes.
    pub caption_dim: Option<usize>,
    /// Side of the token grid.
    pub grid: usize,
    /// ε of every norm.
    pub norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_base: f64,
}

/// The names of `config.json`.
#[derive(Deserialize)]
struct LlamagenJson {
    model_type: String,
    dim: usize,
    n_layer: usize,
    n_head: usize,
    n_kv_head: Option<usize>,
    #[serde(default = "multiple_of")]
    multiple_of: usize,
    ffn_dim_multiplier: Option<f64>,
    vocab_size: usize,
    block_size: usize,
    #[serde(default)]
    num_classes: usize,
    cls_token_num: usize,
    caption_dim: Option<usize>,
    #[serde(default = "norm_eps")]
    norm_eps: f64,
    #[serde(default = "rope_base")]
    rope_base: f64,
}

fn multiple_of() -> usize {
    256
}

fn norm_eps() -> f64 {
    1e-5
}

fn rope_base() -> f64 {
    10_000.0
}

impl TryFrom<LlamagenJson> for LlamagenConfig {
    type Error = ModelError;

    fn try_from(json: LlamagenJson) -> Result<Self, ModelError> {
        let text = match json.model_type.as_str() {
            "c2i" => false,
            "t2i" => true,
            other => return Err(ModelError::Config(format!("model_type \"{other}\" is unknown"))),
        };
        // Two thirds of 4 dim, times the multiplier if there is one, rounded up.
        let hidden = json.dim.saturating_mul(8) / 3;
        let hidden = json.ffn_dim_multiplier.map_or(hidden, |m| (m * hidden as f64) as usize);
        let ffn_hidden = hidden.div_ceil(json.multiple_of.max(1)).saturating_mul(json.multiple_of);
        let config = Self {
            dim: json.dim,
            n_layer: json.n_layer,
            n_head: json.n_head,
            n_kv_head: json.n_kv_head.unwrap_or(json.n_head),
            ffn_hidden,
            vocab_size: json.vocab_size,
            num_classes: if text { 0 } else { json.num_classes },
            cls_token_num: json.cls_token_num,
            caption_dim: if text { Some(json.caption_dim.unwrap_or(2048)) } else { None },
            grid: json.block_size.isqrt(),
            norm_eps: json.norm_eps,
            rope_base: json.rope_base,
        };
        require(config.grid * config.grid == json.block_size, || {
            format!("block_size {} is no square grid", json.block_size)
        })?;
        config.check()?;
        Ok(config)
    }
}

impl LlamagenConfig {
    /// Sizes from the shapes of a checkpoint. What no tensor tells (grid, heads, ε, rotation) is that of
    /// a `config.json` of the same sizes beside it, else that of the published sizes: a folder of
    /// downloads may hold another model's `config.json`.
    ///
    /// # Errors
    /// A tensor is missing or has an impossible shape, or nothing tells the number of heads.
    pub fn from_shapes(shapes: &TensorShapes, beside: &FolderConfig) -> Result<Self, ModelError> {
        let [vocab_size, dim] = shapes.axes("output.weight")?;
        let [ffn_hidden, _] = shapes.axes::<2>("layers.0.feed_forward.w1.weight")?;
        let [packed, _] = shapes.axes::<2>("layers.0.attention.wqkv.weight")?;
        let n_layer = shapes.count("layers.", ".attention.wqkv.weight");
        let published = PublishedSize::of(dim, n_layer).map(|size| size.heads);
        let n_head = published.or(beside.size("n_head")).ok_or_else(|| {
            ModelError::Config(format!(
                "no published LlamaGen has width {dim} and {n_layer} layers, so its number of heads is \
                 not known; put a config.json with n_head beside it"
            ))
        })?;
        let n_kv_head = packed.saturating_sub(dim) / 2 / (dim / n_head).max(1);
        let mut config = Self {
            dim,
            n_layer,
            n_head,
            n_kv_head,
            ffn_hidden,
            vocab_size,
            num_classes: 0,
            cls_token_num: 1,
            caption_dim: None,
            grid: beside.size("block_size").map_or(16, usize::isqrt),
            norm_eps: norm_eps(),
            rope_base: rope_base(),
        };
        if shapes.contains("cls_embedding.uncond_embedding") {
            let [rows, caption_dim] = shapes.axes("cls_embedding.uncond_embedding")?;
            config.cls_token_num = rows;
            config.caption_dim = Some(caption_dim);
        } else {
            let [entries, _] = shapes.axes::<2>("cls_embedding.embedding_table.weight")?;
            config.num_classes = entries - 1;
        }
        let stated = beside.stated::<Self>(|stated| {
            let Self { grid, norm_eps, rope_base, .. } = *stated;
            *stated == Self { grid, norm_eps, rope_base, ..config.clone() }
        })?;
        let config = stated.unwrap_or(config);
        config.check()?;
        Ok(config)
    }

    /// Whether the sizes fit each other.
    ///
    /// # Errors
    /// They do not; the message says which.
    pub fn check(&self) -> Result<(), ModelError> {
        let sizes = [self.dim, self.n_layer, self.n_head, self.n_kv_head, self.ffn_hidden];
        let counts = [self.vocab_size, self.cls_token_num, self.grid];
        require(!sizes.contains(&0) && !counts.contains(&0), || "a size is 0".to_string())?;
        require(self.dim.is_multiple_of(self.n_head), || {
            format!("width {} is no multiple of {} heads", self.dim, self.n_head)
        })?;
        require(self.n_head.is_multiple_of(self.n_kv_head), || {
            format!("{} heads cannot share {} key/value heads", self.n_head, self.n_kv_head)
        })?;
        require(self.head_dim().is_multiple_of(4), || {
            format!("head_dim {} is no multiple of 4, which 2-D rotation needs", self.head_dim())
        })?;
        require(self.caption_dim.is_some() || self.num_classes > 0, || {
            "there are neither classes nor captions".to_string()
        })
    }

    /// "LlamaGen-XL (text)" for a published size, else with its sizes.
    pub fn name(&self) -> String {
        let kind = if self.caption_dim.is_some() { "text" } else { "class" };
        let size = PublishedSize::of(self.dim, self.n_layer);
        match size.filter(|_| self.vocab_size == PUBLISHED_CODES) {
            Some(size) => format!("LlamaGen-{} ({kind})", size.name),
            None => {
                format!("LlamaGen ({kind}, width {}, {} layers)", self.dim, self.n_layer)
            }
        }
    }

    /// Width of a head.
    pub fn head_dim(&self) -> usize {
        self.dim / self.n_head
    }

    /// Heads.
    pub fn attention(&self) -> AttentionShape {
        let (heads, kv_heads) = (self.n_head, self.n_kv_head);
        AttentionShape { heads, kv_heads, head_dim: self.head_dim() }
    }

    /// Which step draws which cell.
    pub fn layout(&self) -> TokenLayout {
        TokenLayout::raster(self.grid, self.grid)
    }

    /// Weights, in numbers.
    pub fn parameters(&self) -> u64 {
        let (dim, hidden) = (self.dim as u64, self.ffn_hidden as u64);
        let packed = dim + 2 * (self.n_kv_head * self.head_dim()) as u64;
        let block = dim * (packed + dim + 3 * hidden + 2);
        let condition = match self.caption_dim {
            Some(width) => {
                self.cls_token_num as u64 * width as u64 + width as u64 * dim + dim * dim
            }
            None => (self.num_classes as u64 + 1) * dim,
        };
        condition + self.n_layer as u64 * block + dim + 2 * self.vocab_size as u64 * dim
    }

    /// Rotary table: entry 0 for every prefix position, entry 1 + i for image token i.
    pub fn rotary(&self) -> RotaryTable {
        let (grid, half) = (self.grid, self.head_dim() / 4);
        let (width, base) = (self.head_dim() as f64, self.rope_base);
        RotaryTable::from_angles(
            1 + grid * grid,
            self.head_dim(),
            Pairing::Interleaved,
            |entry, pair| {
                let cell = entry.checked_sub(1)?;
                let place = if pair < half { cell / grid } else { cell % grid };
                Some(place as f64 * base.powf(-4.0 * (pair % half) as f64 / width))
            },
        )
    }
}

/// Codes of the published sizes.
const PUBLISHED_CODES: usize = 16_384;

/// A size that the authors' program defines.
pub(super) struct PublishedSize {
    /// As in "GPT-XL".
    pub(super) name: &'static str,
    pub(super) dim: usize,
    pub(super) layers: usize,
    /// Query heads.
    pub(super) heads: usize,
    /// Scale of the authors' evaluation of the class models.
    pub(super) evaluation_scale: &'static str,
}

const PUBLISHED: [PublishedSize; 8] = [
    published("B", (768, 12), 12, "2.0"),
    published("L", (1024, 24), 16, "2.0"),
    published("XL", (1280, 36), 20, "1.75"),
    published("XXL", (1536, 48), 24, "1.75"),
    published("3B", (3200, 24), 32, "1.65"),
    published("1B", (2048, 22), 32, OTHER_EVALUATION),
    published("7B", (4096, 32), 32, OTHER_EVALUATION),
    published("XXXL", (2560, 48), 40, OTHER_EVALUATION),
];

/// Scale of the evaluation program for sizes that its README has no table for.
pub(super) const OTHER_EVALUATION: &str = "1.5";

const fn published(
    name: &'static str,
    (dim, layers): (usize, usize),
    heads: usize,
    evaluation_scale: &'static str,
) -> PublishedSize {
    PublishedSize { name, dim, layers, heads, evaluation_scale }
}

impl PublishedSize {
    pub(super) fn of(dim: usize, layers: usize) -> Option<&'static Self> {
        PUBLISHED.iter().find(|size| (size.dim, size.layers) == (dim, layers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(dim: usize, layers: usize, hidden: usize, text: bool) -> TensorShapes {
        let mut shapes = vec![
            ("output.weight".to_string(), vec![16384, dim]),
            ("layers.0.feed_forward.w1.weight".to_string(), vec![hidden, dim]),
        ];
        for layer in 0..layers {
            shapes.push((format!("layers.{layer}.attention.wqkv.weight"), vec![3 * dim, dim]));
        }
        shapes.push(if text {
            ("cls_embedding.uncond_embedding".to_string(), vec![120, 2048])
        } else {
            ("cls_embedding.embedding_table.weight".to_string(), vec![1001, dim])
        });
        shapes.into_iter().collect()
    }

    #[test]
    fn published_sizes_are_read_from_shapes_with_their_parameter_counts() {
        let published = [
            (768, 12, 2048, false, 12, 110_888_448, "LlamaGen-B (class)"),
            (1024, 24, 2816, false, 16, 342_910_976, "LlamaGen-L (class)"),
            (1280, 36, 3584, false, 20, 774_699_520, "LlamaGen-XL (class)"),
            (1280, 36, 3584, true, 20, 777_923_840, "LlamaGen-XL (text)"),
            (1536, 48, 4096, false, 24, 1_410_972_672, "LlamaGen-XXL (class)"),
            (3200, 24, 8704, false, 32, 3_096_659_200, "LlamaGen-3B (class)"),
        ];
        for (dim, layers, hidden, text, heads, parameters, name) in published {
            let shapes = shapes(dim, layers, hidden, text);
            let config = LlamagenConfig::from_shapes(&shapes, &FolderConfig::default()).unwrap();
            assert_eq!(config.parameters(), parameters, "{name}");
            assert_eq!((config.n_head, config.n_kv_head), (heads, heads), "{name}");
            assert_eq!(config.name(), name);
        }
    }

    #[test]
    fn a_size_nobody_published_is_refused() {
        let message =
            LlamagenConfig::from_shapes(&shapes(64, 3, 176, false), &FolderConfig::default())
                .unwrap_err()
                .to_string();
        assert!(message.contains("width 64 and 3 layers"), "{message}");
    }
}

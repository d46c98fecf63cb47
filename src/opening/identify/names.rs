//! What published sizes are called, how numbers are written, and how the grid is guessed.

use super::family::Family;
use super::geometry::{Conditioning, Config, DecoderGeometry, Geometry};

/// (width, layers, size) of published decoders.
const ALITOK: [(usize, usize, &str); 3] = [(768, 24, "B"), (1024, 24, "L"), (1280, 32, "XL")];
const RAR: [(usize, usize, &str); 4] =
    [(768, 24, "B"), (1024, 24, "L"), (1280, 32, "XL"), (1408, 40, "XXL")];
const LLAMAGEN: [(usize, usize, &str); 8] = [
    (768, 12, "B"),
    (1024, 24, "L"),
    (1280, 36, "XL"),
    (1536, 48, "XXL"),
    (3200, 24, "3B"),
    (2048, 22, "1B"),
    (4096, 32, "7B"),
    (2560, 48, "XXXL"),
];
const SIMPLEAR: [(usize, usize, &str); 2] = [(896, 24, "0.5B"), (1536, 28, "1.5B")];

/// The name of a model: the published one, or its family with its sizes.
pub(crate) fn model_name(family: Family, geometry: &Geometry, config: &Config) -> String {
    match geometry {
        Geometry::Decoder(g) => decoder_name(family, g, config),
        Geometry::ImageTokenizer(g) => match family {
            Family::LlamaGenVq => format!("LlamaGen VQ-{}", g.pixels_per_token),
            _ => family.to_string(),
        },
        Geometry::TextEncoder(g) if (g.hidden, g.layers) == (2048, 24) => "flan-t5-xl".into(),
        Geometry::TextEncoder(g) => format!("T5 (width {}, {} layers)", g.hidden, g.layers),
    }
}

fn decoder_name(family: Family, g: &DecoderGeometry, config: &Config) -> String {
    let published = |sizes: &[(usize, usize, &'static str)]| {
        sizes.iter().find(|(d, l, _)| (*d, *l) == (g.hidden, g.layers)).map(|size| size.2)
    };
    let sizes = format!("width {}, {} layers", g.hidden, g.layers);
    match family {
        Family::AliTok => match published(&ALITOK).filter(|_| g.codebook_size == Some(4096)) {
            Some(size) => format!("AliTok-{size}"),
            None => format!("AliTok ({sizes})"),
        },
        Family::Rar => match (published(&RAR), g.codebook_size) {
            (Some(size), Some(1024)) => format!("RAR-{size}"),
            (Some(size), Some(4096)) => format!("RobusTok RAR-{size}"),
            _ => format!("RAR ({sizes})"),
        },
        Family::LlamaGen => {
            let kind = match g.conditioning {
                Conditioning::Classes(_) => "class",
                _ => "text",
            };
            match published(&LLAMAGEN).filter(|_| g.codebook_size == Some(16_384)) {
                Some(size) => format!("LlamaGen-{size} ({kind})"),
                None => format!("LlamaGen ({kind}, {sizes})"),
            }
        }
        Family::SimpleAr if config.has_image_tokenizer() => format!("Built-in layout ({sizes})"),
        Family::SimpleAr => {
            match published(&SIMPLEAR).filter(|_| g.codebook_size == Some(64_000)) {
                Some(size) => format!("SimpleAR-{size}"),
                None => format!("SimpleAR ({sizes})"),
            }
        }
        Family::Lumina if (g.hidden, g.layers) == (4096, 32) => "Lumina-mGPT 2.0".into(),
        other => format!("{other} ({sizes})"),
    }
}

/// "318 M", "1.50 B", "212 k".
pub(crate) fn count_text(count: u64) -> String {
    match count {
        0..1_000 => count.to_string(),
        1_000..1_000_000 => format!("{:.0} k", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.0} M", count as f64 / 1e6),
        _ => format!("{:.2} B", count as f64 / 1e9),
    }
}

/// "1.27 GB", "708 MB", "12 kB"; powers of ten, as download pages count.
pub fn bytes_text(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.0} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.0} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// Where a grid comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
pub enum GridSource {
    /// The weights fix it.
    #[strum(serialize = "the weights")]
    Weights,
    /// `config.json`.
    #[strum(serialize = "config.json")]
    Config,
    /// The file name.
    #[strum(serialize = "the file name")]
    FileName,
    /// Nothing tells it; the most common one was taken.
    #[strum(serialize = "a guess")]
    Guess,
}

/// The grid of image tokens a model most likely draws. The person can change it where
/// [`GridSource::Weights`] is not the source: a wrong one gives no error, just poor images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GridGuess {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Where it comes from.
    pub source: GridSource,
}

pub(crate) fn guess_grid(
    family: Family,
    geometry: &Geometry,
    config: &Config,
    file_name: &str,
) -> Option<GridGuess> {
    let Geometry::Decoder(g) = geometry else { return None };
    let square = |side, source| Some(GridGuess { rows: side, columns: side, source });
    match family {
        Family::AliTok => square(16, GridSource::Weights),
        Family::Rar => square(g.image_tokens?.isqrt(), GridSource::Weights),
        Family::LlamaGen => {
            let named = [("256", 16), ("384", 24), ("512", 32)];
            match named.iter().find(|(pixels, _)| file_name.contains(pixels)) {
                Some((_, side)) => square(*side, GridSource::FileName),
                None => match config.size("block_size") {
                    Some(tokens) => square(tokens.isqrt(), GridSource::Config),
                    None => square(16, GridSource::Guess),
                },
            }
        }
        // 1024 pixels: the fine-tuned checkpoints know no other row width.
        Family::SimpleAr if g.codebook_size == Some(64_000) => square(64, GridSource::Guess),
        Family::SimpleAr => square(16, GridSource::Guess),
        Family::Lumina => square(96, GridSource::Guess),
        _ => None,
    }
}

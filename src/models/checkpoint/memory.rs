//! Memory that a model needs at each precision, against what is free.
//!
//! Counted: weights as [`crate::models::weights::Weights`] packs them, the key/value caches of all
//! rows at full length, the image tokenizer in f32, and the peak of loading (one tensor in f32 beside
//! what is already packed). Not counted: activations and the window, for which a margin is kept.

use crate::models::checkpoint::error::CheckpointError;
use crate::models::checkpoint::identify::{Geometry, Identified, TensorRole, bytes_text};
use crate::models::linear::Precision;
use strum::VariantArray;

/// Kept free for activations, previews and the window.
pub const MARGIN: u64 = 400_000_000;

/// How a model will be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunSize {
    /// Sequences decoded at once: lanes times branches.
    pub rows: usize,
    /// Positions of each, prefix included.
    pub positions: usize,
}

/// Bytes that a model needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryNeed {
    /// Decoder weights in memory.
    pub weights: u64,
    /// Key/value caches.
    pub caches: u64,
    /// Image tokenizer.
    pub tokenizer: u64,
    /// Text encoder; freed after a prompt is encoded, so it counts only against the peak.
    pub text_encoder: u64,
    /// The most that is held at any time.
    pub peak: u64,
}

/// Bytes needed by a decoder at `precision` with its tokenizer and text encoder.
pub fn need(
    decoder: &Identified,
    tokenizer: Option<&Identified>,
    text_encoder: Option<&Identified>,
    precision: Precision,
    run: RunSize,
) -> MemoryNeed {
    let weights = decoder_bytes(decoder, precision);
    let caches = cache_bytes(decoder, run);
    let in_f32 =
        |model: &Identified| model.tensors.iter().map(|tensor| tensor.elements() * 4).sum();
    let tokenizer_bytes: u64 = tokenizer.map_or(0, in_f32);
    // It follows the decoder: f32, or bf16 beside anything smaller.
    let encoder_bytes: u64 =
        text_encoder.map_or(0, in_f32) / if precision == Precision::F32 { 1 } else { 2 };
    let largest =
        decoder.tensors.iter().map(|tensor| tensor.elements() * 4).max().unwrap_or_default();
    let loading = weights + tokenizer_bytes + largest;
    let encoding = weights + tokenizer_bytes + encoder_bytes;
    let running = weights + tokenizer_bytes + caches;
    MemoryNeed {
        weights,
        caches,
        tokenizer: tokenizer_bytes,
        text_encoder: encoder_bytes,
        peak: loading.max(encoding).max(running) + MARGIN,
    }
}

fn decoder_bytes(decoder: &Identified, precision: Precision) -> u64 {
    let Geometry::Decoder(geometry) = &decoder.geometry else { return 0 };
    let packed = |rows: u64, width: u64| match precision {
        Precision::F32 => rows * width * 4,
        Precision::Bf16 => rows * width * 2,
        // One scale a row.
        Precision::Int8 => rows * width + rows * 4,
    };
    let codes = geometry.codebook_size.unwrap_or(geometry.vocabulary) as u64;
    let stored: u64 = decoder
        .tensors
        .iter()
        .map(|tensor| match tensor.role {
            TensorRole::Linear => {
                let rows = tensor.shape.first().copied().unwrap_or_default() as u64;
                packed(rows, tensor.elements().checked_div(rows).unwrap_or_default())
            }
            TensorRole::Head => packed(codes, geometry.hidden as u64),
            TensorRole::Embedding if precision == Precision::F32 => tensor.elements() * 4,
            TensorRole::Embedding => tensor.elements() * 2,
            TensorRole::Other => tensor.elements() * 4,
        })
        .sum();
    // A tied model keeps the rows of the codes a second time, packed as its head.
    stored + if geometry.tied { packed(codes, geometry.hidden as u64) } else { 0 }
}

fn cache_bytes(decoder: &Identified, run: RunSize) -> u64 {
    let Geometry::Decoder(g) = &decoder.geometry else { return 0 };
    let sizes = [run.rows, run.positions, g.layers, g.kv_heads, g.head_dim, 2 * 4];
    sizes.iter().fold(1u64, |bytes, &size| bytes.saturating_mul(size as u64))
}

/// A precision with what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// How linear layers are stored.
    pub precision: Precision,
    /// Bytes.
    pub need: MemoryNeed,
    /// Whether it fits in what is free; `None` if that is unknown.
    pub fits: Option<bool>,
}

/// Every precision against the free memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryPlan {
    /// One entry per precision, the largest first.
    pub choices: Vec<Choice>,
    /// Bytes free; `None` if the system does not tell.
    pub free: Option<u64>,
}

/// Compares every precision with `free` bytes, see [`free_memory`].
pub fn plan(
    decoder: &Identified,
    tokenizer: Option<&Identified>,
    text_encoder: Option<&Identified>,
    run: RunSize,
    free: Option<u64>,
) -> MemoryPlan {
    let choices = Precision::VARIANTS.iter().map(|&precision| {
        let need = need(decoder, tokenizer, text_encoder, precision, run);
        Choice { precision, need, fits: free.map(|free| need.peak <= free) }
    });
    MemoryPlan { choices: choices.collect(), free }
}

impl MemoryPlan {
    /// The largest precision that fits; the full one if the free memory is unknown.
    pub fn recommended(&self) -> Option<Precision> {
        let fitting = self.choices.iter().find(|choice| choice.fits != Some(false));
        fitting.map(|choice| choice.precision)
    }

    /// Whether `precision` may be loaded. Unknown free memory is no reason to refuse.
    ///
    /// # Errors
    /// [`CheckpointError::Memory`] with the precisions that would fit and what they need.
    pub fn check(&self, name: &str, precision: Precision) -> Result<MemoryNeed, CheckpointError> {
        let chosen = self.choices.iter().find(|choice| choice.precision == precision);
        let (Some(chosen), free) = (chosen, self.free.unwrap_or_default()) else {
            return Err(CheckpointError::Memory(format!("{name} was not planned at {precision}")));
        };
        if chosen.fits != Some(false) {
            return Ok(chosen.need);
        }
        let smaller: Vec<String> = self
            .choices
            .iter()
            .filter(|choice| choice.fits == Some(true))
            .map(|choice| format!("{} ({})", choice.precision, bytes_text(choice.need.peak)))
            .collect();
        let least = self.choices.iter().map(|choice| choice.need.peak).min().unwrap_or_default();
        let advice = if smaller.is_empty() {
            format!(
                "even the smallest precision needs {}; free that much, or choose a smaller model",
                bytes_text(least)
            )
        } else {
            format!("choose {}", smaller.join(" or "))
        };
        Err(CheckpointError::Memory(format!(
            "{name} needs {} at {precision} and {} are free; {advice}",
            bytes_text(chosen.need.peak),
            bytes_text(free)
        )))
    }
}

/// Bytes that can be taken without swapping, the limit of a container included; `None` where the
/// system does not tell them in a file (other systems than Linux).
pub fn free_memory() -> Option<u64> {
    let available = available(&std::fs::read_to_string("/proc/meminfo").ok()?)?;
    let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let limit = number("/sys/fs/cgroup/memory.max");
    let used = number("/sys/fs/cgroup/memory.current");
    match limit.zip(used) {
        Some((limit, used)) => Some(available.min(limit.saturating_sub(used))),
        None => Some(available),
    }
}

/// `MemAvailable` of /proc/meminfo in bytes.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_is_read_in_bytes() {
        let meminfo = "MemTotal:       100 kB\nMemAvailable:    40 kB\n";
        assert_eq!(available(meminfo), Some(40 * 1024));
        assert_eq!(available("MemTotal: 1 kB"), None);
    }
}

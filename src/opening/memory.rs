//! Memory that a model needs at each precision, against what is free.
//!
//! Counted: weights as [`crate::compute::weights::Weights`] packs them, the key/value caches of all
//! rows at full length, the image tokenizer in f32, and the peak of loading (one tensor in f32 beside
//! what is already packed). Not counted: activations and the window, for which a margin is kept.

use crate::checkpoint::CheckpointError;
use crate::checkpoint::ElementType;
use crate::checkpoint::manifest::TensorRole;
use crate::compute::precision::{ActivationNumber, Precision};
use crate::opening::amounts::bytes_text;
use crate::opening::identify::Identified;
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

/// What a model takes at one precision before the length of its runs is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    weights: u64,
    tokenizer: u64,
    text_encoder: u64,
    /// The largest tensor of the decoder in f32: it is widened before it is packed.
    largest: u64,
    /// Keys and values of one position of one row.
    cache_of_position: u64,
    /// Bytes of packed weights that decoding one token reads.
    pub step_bytes: u64,
}

impl Footprint {
    /// Of a decoder at `precision` with its tokenizer and text encoder.
    pub fn of(
        decoder: &Identified,
        tokenizer: Option<&Identified>,
        text_encoder: Option<&Identified>,
        precision: Precision,
    ) -> Self {
        let in_f32 = |model: Option<&Identified>| {
            let tensors = model.map(|model| model.tensors.iter());
            tensors.into_iter().flatten().map(|tensor| tensor.elements() * 4).sum()
        };
        let (step_bytes, looked_up) = decoder_bytes(decoder, precision);
        Self {
            weights: step_bytes + looked_up,
            tokenizer: in_f32(tokenizer),
            // It follows the decoder: f32, or bf16 beside anything smaller.
            text_encoder: in_f32(text_encoder) / if precision == Precision::F32 { 1 } else { 2 },
            largest: decoder.tensors.iter().map(|t| t.elements() * 4).max().unwrap_or_default(),
            cache_of_position: cache_of_position(decoder, activation_number(decoder, precision)),
            step_bytes,
        }
    }

    /// With runs of this size.
    pub fn need(&self, run: RunSize) -> MemoryNeed {
        let positions = (run.rows as u64).saturating_mul(run.positions as u64);
        let caches = positions.saturating_mul(self.cache_of_position);
        let held = self.weights + self.tokenizer;
        let most = self.largest.max(self.text_encoder).max(caches);
        MemoryNeed {
            weights: self.weights,
            caches,
            tokenizer: self.tokenizer,
            text_encoder: self.text_encoder,
            peak: held.saturating_add(most).saturating_add(MARGIN),
        }
    }
}

/// Bytes that every token reads, and bytes of tables and small tensors beside them.
fn decoder_bytes(decoder: &Identified, precision: Precision) -> (u64, u64) {
    let Some(geometry) = decoder.decoder() else { return (0, 0) };
    let packed = |rows: u64, width: u64| match precision {
        Precision::F32 => rows * width * 4,
        Precision::Bf16 => rows * width * 2,
        // One scale a row.
        Precision::Int8 => rows * width + rows * 4,
    };
    let codes = geometry.codebook_size.unwrap_or(geometry.vocabulary) as u64;
    let head = packed(codes, geometry.hidden as u64);
    let (mut read, mut beside) = (0, 0);
    for tensor in &decoder.tensors {
        match tensor.role {
            TensorRole::Linear => {
                let rows = tensor.shape.first().copied().unwrap_or_default() as u64;
                read += packed(rows, tensor.elements().checked_div(rows).unwrap_or_default());
            }
            TensorRole::Head => read += head,
            TensorRole::Embedding if precision != Precision::F32 => beside += tensor.elements() * 2,
            TensorRole::Embedding | TensorRole::Other => beside += tensor.elements() * 4,
        }
    }
    // A tied model keeps the rows of the codes a second time, packed as its head.
    (read + if geometry.tied { head } else { 0 }, beside)
}

/// The precision that keeps the numbers of the file: bf16 for bf16 files, else f32.
pub fn default_precision(decoder: &Identified) -> Precision {
    match decoder.dtype {
        ElementType::Bf16 => Precision::Bf16,
        _ => Precision::F32,
    }
}

/// How a decoder opened at `precision` stores activations, see [`ActivationNumber`]: in f32 while its
/// weights keep the numbers of the file, so that a step computes what the file says; in bf16 beside
/// weights that were rounded, where it is as exact as they are.
pub fn activation_number(decoder: &Identified, precision: Precision) -> ActivationNumber {
    if precision == Precision::F32 || precision == default_precision(decoder) {
        ActivationNumber::F32
    } else {
        ActivationNumber::Bf16
    }
}

fn cache_of_position(decoder: &Identified, number: ActivationNumber) -> u64 {
    let Some(g) = decoder.decoder() else { return 0 };
    let sizes = [g.layers, g.kv_heads, g.head_dim, 2 * number.bytes()];
    sizes.iter().fold(1u64, |bytes, &size| bytes.saturating_mul(size as u64))
}

/// A precision with what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// How linear layers are stored.
    pub precision: Precision,
    /// Whatever the length of runs.
    pub footprint: Footprint,
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
        let footprint = Footprint::of(decoder, tokenizer, text_encoder, precision);
        let need = footprint.need(run);
        Choice { precision, footprint, need, fits: free.map(|free| need.peak <= free) }
    });
    MemoryPlan { choices: choices.collect(), free }
}

impl MemoryPlan {
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

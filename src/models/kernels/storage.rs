//! Memory for packed weights: an anonymous map, so that it is aligned to pages (and so to 64 bytes),
//! zero until written, and large enough for huge pages, which save a few per cent of the reading time.

use crate::models::error::ModelError;
use memmap2::MmapMut;

/// Size and alignment of a huge page on x86-64 and most aarch64 systems.
const HUGE_PAGE: usize = 2 << 20;

/// Aligned bytes; reading them as numbers cannot fail because every bit pattern is one.
#[derive(Debug)]
pub(super) struct AlignedBytes {
    map: MmapMut,
    start: usize,
    length: usize,
}

impl AlignedBytes {
    /// `length` zero bytes.
    ///
    /// # Errors
    /// The system gives no more memory.
    pub(super) fn zeroed(length: usize) -> Result<Self, ModelError> {
        // Address space beyond the length costs nothing until it is touched.
        let slack = if length >= HUGE_PAGE / 2 { 2 * HUGE_PAGE } else { 0 };
        let map = MmapMut::map_anon((length + slack).max(1)).map_err(|cause| {
            ModelError::Config(format!(
                "the system gives no memory for {length} bytes of weights ({cause}); close other \
                 programs or choose a lower precision"
            ))
        })?;
        let start = if slack > 0 { map.as_ptr().align_offset(HUGE_PAGE) } else { 0 };
        let start = if start <= slack { start } else { 0 };
        #[cfg(target_os = "linux")]
        if slack > 0 {
            // The last page is worth it where at most a quarter of it is wasted. A refusal by the
            // system costs speed, not correctness.
            let pages = (length + HUGE_PAGE / 4) / HUGE_PAGE;
            let _ = map.advise_range(memmap2::Advice::HugePage, start, pages * HUGE_PAGE);
        }
        Ok(Self { map, start, length })
    }

    /// All bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.map[self.start..self.start + self.length]
    }

    /// All bytes, to be written.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.map[self.start..self.start + self.length]
    }
}

//! Memory for packed weights and caches: anonymous maps, aligned to cache lines and zero until
//! written.
//!
//! Weights lie one after the other in large maps (arenas) that the system backs with huge pages. A
//! step reads all of them in the order they were packed in, so that nearly every page is a huge one
//! and nearly every prefetch beyond the end of a matrix fetches the next. With a map for every
//! matrix a third of AliTok-B's bf16 weights lay on small pages, and a step took 10 % longer.
//!
//! Why this needs `unsafe`: matrices are written one by one while others of the same map are read,
//! which the borrow checker can not see to be disjoint. Why it is sound:
//! 1. [`Arena::take`] hands out every byte at most once, within the map, under a lock.
//! 2. A range is owned by one [`AlignedBytes`], written through `&mut` and read through `&` of it.
//! 3. The map lives as long as the last of its ranges.

use crate::models::error::ModelError;
use memmap2::MmapMut;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Size and alignment of a huge page on x86-64 and most aarch64 systems.
const HUGE_PAGE: usize = 2 << 20;

/// Address space of an arena. What is not written takes no memory.
const ARENA: usize = 128 << 20;

/// Alignment of every range: a cache line.
const LINE: usize = 64;

/// The arena that small ranges are taken from; freed with the last of its ranges.
static OPEN: Mutex<Weak<Arena>> = Mutex::new(Weak::new());

/// A map that is handed out piece by piece.
#[derive(Debug)]
struct Arena {
    /// Keeps the memory; accessed through `start` only.
    _map: MmapMut,
    start: *mut u8,
    length: usize,
    used: Mutex<usize>,
}

// SAFETY: `start` points into `_map`, which moves with it; ranges behind it have one owner each.
unsafe impl Send for Arena {}
// SAFETY: as above, and `used` is locked.
unsafe impl Sync for Arena {}

impl Arena {
    fn new(length: usize) -> Result<Arc<Self>, ModelError> {
        let mut map = MmapMut::map_anon(length.saturating_add(HUGE_PAGE)).map_err(|cause| {
            ModelError::Config(format!(
                "the system gives no memory for {length} bytes of weights or caches ({cause}); close other \
                 programs or choose a lower precision"
            ))
        })?;
        let skip = map.as_ptr().align_offset(HUGE_PAGE);
        let skip = if skip <= HUGE_PAGE { skip } else { 0 };
        // A refusal by the system costs speed, not correctness.
        #[cfg(target_os = "linux")]
        let _ = map.advise_range(memmap2::Advice::HugePage, skip, length);
        let start = map[skip..].as_mut_ptr();
        Ok(Arc::new(Self { _map: map, start, length, used: Mutex::new(0) }))
    }

    /// The offset of `length` bytes that nobody had before, if there are as many left.
    fn take(&self, length: usize) -> Option<usize> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let end = used.checked_add(length)?;
        (end <= self.length).then(|| std::mem::replace(&mut *used, end.next_multiple_of(LINE)))
    }
}

/// Aligned bytes; reading them as numbers cannot fail because every bit pattern is one.
#[derive(Debug)]
pub(super) struct AlignedBytes {
    arena: Arc<Arena>,
    offset: usize,
    length: usize,
}

impl AlignedBytes {
    /// `length` zero bytes behind those asked for before.
    ///
    /// # Errors
    /// The system gives no more memory.
    pub(super) fn zeroed(length: usize) -> Result<Self, ModelError> {
        if length > ARENA / 2 {
            return Self::apart(length);
        }
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(arena) = open.upgrade()
            && let Some(offset) = arena.take(length)
        {
            return Ok(Self { arena, offset, length });
        }
        let arena = Arena::new(ARENA)?;
        *open = Arc::downgrade(&arena);
        let offset = arena.take(length).unwrap_or(0);
        Ok(Self { arena, offset, length })
    }

    /// `length` zero bytes in a map of their own: for what is dropped before its neighbours.
    ///
    /// # Errors
    /// The system gives no more memory.
    pub(super) fn apart(length: usize) -> Result<Self, ModelError> {
        let arena = Arena::new(length.max(1))?;
        let offset = arena.take(length).unwrap_or(0);
        Ok(Self { arena, offset, length })
    }

    /// All bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: `take` has given this range, inside of the map and initialised by the system, to
        // this value alone; it is written through `&mut self` only.
        unsafe { std::slice::from_raw_parts(self.arena.start.add(self.offset), self.length) }
    }

    /// All bytes, to be written.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `&mut self` is the only way to the range while the result lives.
        unsafe { std::slice::from_raw_parts_mut(self.arena.start.add(self.offset), self.length) }
    }
}

/// f32 numbers on pages of their own, zero until written; what is not written takes no memory.
#[derive(Debug)]
pub(crate) struct AlignedNumbers(AlignedBytes);

impl AlignedNumbers {
    /// `count` zeros.
    ///
    /// # Errors
    /// The system gives no more memory.
    pub(crate) fn zeroed(count: usize) -> Result<Self, ModelError> {
        Ok(Self(AlignedBytes::apart(count.saturating_mul(size_of::<f32>()))?))
    }
}

impl std::ops::Deref for AlignedNumbers {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        bytemuck::cast_slice(self.0.bytes())
    }
}

impl std::ops::DerefMut for AlignedNumbers {
    fn deref_mut(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(self.0.bytes_mut())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_zero_aligned_and_their_own() {
        let lengths = [1, 64, 100, 0, 5000, 3 << 20, 7];
        let mut all: Vec<_> = lengths.iter().map(|&l| AlignedBytes::zeroed(l).unwrap()).collect();
        all.push(AlignedBytes::apart(300).unwrap());
        for (mark, range) in (1..).zip(&mut all) {
            assert!(range.bytes().iter().all(|byte| *byte == 0));
            assert_eq!(range.bytes().as_ptr().align_offset(LINE), 0);
            range.bytes_mut().fill(mark);
        }
        for (mark, range) in (1..).zip(&all) {
            assert!(range.bytes().iter().all(|byte| *byte == mark));
        }
        let lengths: Vec<_> = all.iter().map(|range| range.bytes().len()).collect();
        assert_eq!(lengths, [1, 64, 100, 0, 5000, 3 << 20, 7, 300]);
        assert!(AlignedBytes::apart(usize::MAX / 2).is_err(), "an error, not an abort");
    }

    #[test]
    fn an_arena_gives_no_byte_twice_and_none_beyond_its_end() {
        let arena = Arena::new(4096).unwrap();
        assert_eq!(arena.take(100), Some(0));
        assert_eq!(arena.take(4096 - 128), Some(128));
        assert_eq!(arena.take(1), None);
        assert_eq!(arena.take(usize::MAX), None);
        assert_eq!(arena.take(0), Some(4096));
    }
}

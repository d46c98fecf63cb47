//! Memory for packed weights and caches: anonymous maps, aligned to cache lines and zero until
//! written.
//!
//! Weights lie one after the other in large maps (arenas) that the system backs with huge pages. A
//! step reads all of them in the order they were packed in, so that nearly every page is a huge one
//! and nearly every prefetch beyond the end of a matrix fetches the next. With a map for every
//! matrix a third of a decoder's bf16 weights lay on small pages, and a step took 10 % longer.
//!
//! Why this needs `unsafe`: matrices are written one by one while others of the same map are read,
//! which the borrow checker can not see to be disjoint. Why it is sound:
//! 1. [`Arena::take`] hands out every byte at most once, within the map, under a lock.
//! 2. A range is owned by one [`AlignedBytes`], written through `&mut` and read through `&` of it.
//! 3. The map lives as long as the last of its ranges.

use crate::compute::error::ModelError;
use crate::compute::precision::ActivationNumber;
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

/// Numbers of a cache.
#[derive(Debug, Clone, Copy)]
pub enum Numbers<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// The bits of bf16.
    Bf16(&'a [u16]),
}

impl Numbers<'_> {
    /// How many.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::F32(numbers) => numbers.len(),
            Self::Bf16(numbers) => numbers.len(),
        }
    }
}

/// The bits of the nearest bf16, ties to even; NaN stays NaN. Without branches, so that it is
/// compiled to vectors.
#[inline(always)]
pub(super) fn bf16_bits(number: f32) -> u16 {
    let bits = number.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let quiet = bits >> 16 | 0x40;
    (if number.is_nan() { quiet } else { rounded }) as u16
}

/// The memory of a cache on pages of its own, zero until written; what is not written takes none.
#[derive(Debug)]
pub(crate) struct CacheMemory {
    bytes: AlignedBytes,
    number: ActivationNumber,
}

impl CacheMemory {
    /// `count` zeros.
    ///
    /// # Errors
    /// The system gives no more memory.
    pub(crate) fn zeroed(count: usize, number: ActivationNumber) -> Result<Self, ModelError> {
        let bytes = AlignedBytes::apart(count.saturating_mul(number.bytes()))?;
        Ok(Self { bytes, number })
    }

    /// `count` numbers from `start` on, if there are as many.
    pub(crate) fn get(&self, start: usize, count: usize) -> Option<Numbers<'_>> {
        let size = self.number.bytes();
        let range = start.checked_mul(size)?..start.checked_add(count)?.checked_mul(size)?;
        let bytes = self.bytes.bytes().get(range)?;
        Some(match self.number {
            ActivationNumber::F32 => Numbers::F32(bytemuck::cast_slice(bytes)),
            ActivationNumber::Bf16 => Numbers::Bf16(bytemuck::cast_slice(bytes)),
        })
    }

    /// Writes numbers from `start` on; `None` if there is no room for them.
    pub(crate) fn write(&mut self, start: usize, numbers: &[f32]) -> Option<()> {
        let end = start.checked_add(numbers.len())?;
        let bytes = self.bytes.bytes_mut();
        match self.number {
            ActivationNumber::F32 => {
                let all: &mut [f32] = bytemuck::cast_slice_mut(bytes);
                all.get_mut(start..end)?.copy_from_slice(numbers);
            }
            ActivationNumber::Bf16 => {
                let all: &mut [u16] = bytemuck::cast_slice_mut(bytes);
                let place = all.get_mut(start..end)?.iter_mut();
                place.zip(numbers).for_each(|(bits, &number)| *bits = bf16_bits(number));
            }
        }
        Some(())
    }

    /// Writes numbers from `start` on, `stride` apart; `None` if there is no room for them.
    pub(crate) fn write_apart(
        &mut self,
        start: usize,
        stride: usize,
        numbers: &[f32],
    ) -> Option<()> {
        let last = numbers.len().saturating_sub(1).checked_mul(stride)?.checked_add(start)?;
        let bytes = self.bytes.bytes_mut();
        match self.number {
            ActivationNumber::F32 => {
                let all: &mut [f32] = bytemuck::cast_slice_mut(bytes);
                let places = all.get_mut(start..=last)?.iter_mut().step_by(stride);
                places.zip(numbers).for_each(|(place, &number)| *place = number);
            }
            ActivationNumber::Bf16 => {
                let all: &mut [u16] = bytemuck::cast_slice_mut(bytes);
                let places = all.get_mut(start..=last)?.iter_mut().step_by(stride);
                places.zip(numbers).for_each(|(bits, &number)| *bits = bf16_bits(number));
            }
        }
        Some(())
    }

    /// Copies `count` numbers at `start` from a cache of the same kind; `None` if either has not as
    /// many.
    pub(crate) fn copy_from(&mut self, from: &Self, start: usize, count: usize) -> Option<()> {
        let size = self.number.bytes();
        let range = start.checked_mul(size)?..start.checked_add(count)?.checked_mul(size)?;
        let source = from.bytes.bytes().get(range.clone())?;
        self.bytes.bytes_mut().get_mut(range)?.copy_from_slice(source);
        Some(())
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
    fn caches_round_to_the_nearest_bf16() {
        let mut numbers = vec![0.0, -0.0, 1.0, f32::INFINITY, -f32::MAX, f32::MIN_POSITIVE, 1e-40];
        numbers.extend((0..2000u32).map(|i| f32::from_bits(i.wrapping_mul(2_147_001_325))));
        numbers.push(f32::from_bits(0x7f80_0001));
        let mut memory = CacheMemory::zeroed(numbers.len() + 3, ActivationNumber::Bf16).unwrap();
        memory.write(3, &numbers).unwrap();
        let Some(Numbers::Bf16(stored)) = memory.get(3, numbers.len()) else { panic!("as bf16") };
        for (&number, &bits) in numbers.iter().zip(stored) {
            let stored = half::bf16::from_bits(bits).to_f32();
            let expected = half::bf16::from_f32(number).to_f32();
            assert!(stored == expected || stored.is_nan() && expected.is_nan(), "{number}");
        }
        assert!(memory.write(4, &numbers).is_none() && memory.get(4, numbers.len()).is_none());
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

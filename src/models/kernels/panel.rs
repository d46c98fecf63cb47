//! Products of 1 to 8 rows with one panel of 32 packed outputs: `sums[row][n] = Σ_k x[row][k] w[k][n]`.
//!
//! Each sum runs over k from 0 up in one accumulator, whatever the number of rows and whatever else
//! is computed beside it. Weights pass through once for all rows: where the sums of all rows do not
//! fit the registers, blocks of [`BLOCK`] steps stay in the first-level cache between the passes.

use super::lanes::{LANES, Lanes};
use super::packed::PANEL;
use super::{Kernel, Task};

/// Most rows of one call.
pub const PANEL_ROWS: usize = 8;

/// Sums of one panel.
pub(super) type Sums = [[f32; PANEL]; PANEL_ROWS];

/// Steps over k that stay in the first-level cache between passes: 4 KiB of f32.
const BLOCK: usize = 32;

/// How far ahead of its use a weight is asked for, in bytes: first in the second-level cache, which
/// waits for many more lines at once than the first level does, then in the first.
pub(super) const FAR_AHEAD: usize = 10 << 10;
pub(super) const AHEAD: usize = 4 << 10;

/// One panel of packed weights, in storage order.
#[derive(Clone, Copy)]
pub(super) enum Panel<'a> {
    /// `[k][32]`.
    F32(&'a [f32]),
    /// `[k][16]` words: output i in the low half, output i + 16 in the high half.
    Bf16(&'a [u32]),
    /// `[k][32]`, unscaled.
    Int8(&'a [i8]),
}

/// Writes the sums of `rows` rows of `x` `[rows, inputs]` to the first rows of `sums`.
pub(super) fn panel_sums(
    kernel: Kernel,
    panel: Panel<'_>,
    x: &[f32],
    rows: usize,
    inputs: usize,
    sums: &mut Sums,
) {
    assert!((1..=PANEL_ROWS).contains(&rows), "1 to 8 rows a call");
    assert!(x.len() >= rows * inputs, "one input per row and weight");
    let steps = match panel {
        Panel::F32(weights) => weights.len() / PANEL,
        Panel::Bf16(words) => words.len() / LANES,
        Panel::Int8(weights) => weights.len() / PANEL,
    };
    assert!(steps >= inputs, "a panel is as long as the input");
    for row in sums.iter_mut().take(rows) {
        row.fill(0.0);
    }
    kernel.run(PanelSums { panel, x, rows, inputs, sums });
}

struct PanelSums<'a> {
    panel: Panel<'a>,
    x: &'a [f32],
    rows: usize,
    inputs: usize,
    sums: &'a mut Sums,
}

impl Task for PanelSums<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: `panel_sums` has compared the lengths of panel, x and sums with rows and inputs.
        unsafe {
            match self.panel {
                Panel::F32(panel) => self.stream::<L, F32>(panel.as_ptr()),
                Panel::Bf16(panel) => self.stream::<L, Bf16>(panel.as_ptr()),
                Panel::Int8(panel) => self.stream::<L, Int8>(panel.as_ptr()),
            }
        }
    }
}

impl PanelSums<'_> {
    /// All rows in one pass over the panel if their sums fit the registers, else block by block.
    #[inline(always)]
    unsafe fn stream<L: Lanes, W: Weight>(self, panel: *const W::Item) {
        let Self { x, rows, inputs, sums, .. } = self;
        // SAFETY: rows, steps and lengths as in `run`; the groups below cover `rows` exactly.
        unsafe {
            if L::WIDE_ROWS >= PANEL_ROWS || rows <= L::WIDE_ROWS {
                let job = Block::<W> { panel, from: 0, to: inputs, x: x.as_ptr(), stride: inputs };
                return job.rows::<L, true, true>(rows, sums.as_mut_ptr());
            }
            let groups = rows.div_ceil(L::NARROW_ROWS);
            let group = rows.div_ceil(groups);
            for from in (0..inputs).step_by(BLOCK) {
                let to = inputs.min(from + BLOCK);
                for first in (0..rows).step_by(group) {
                    let x = x.as_ptr().add(first * inputs);
                    let job = Block::<W> { panel, from, to, x, stride: inputs };
                    let (rows, sums) = (group.min(rows - first), sums.as_mut_ptr().add(first));
                    job.rows::<L, true, false>(rows, sums);
                    job.rows::<L, false, true>(rows, sums);
                }
            }
        }
    }
}

/// Steps `from..to` of a panel and the rows that start at `x`, `stride` apart.
struct Block<W: Weight> {
    panel: *const W::Item,
    from: usize,
    to: usize,
    x: *const f32,
    stride: usize,
}

impl<W: Weight> Block<W> {
    #[inline(always)]
    unsafe fn rows<L: Lanes, const LOW: bool, const HIGH: bool>(
        &self,
        rows: usize,
        sums: *mut [f32; PANEL],
    ) {
        // SAFETY: passed on from the caller. Counts beyond the limits are not instantiated, so that
        // no code is made for sums that would not fit the registers.
        unsafe {
            let most = if LOW && HIGH { L::WIDE_ROWS } else { L::NARROW_ROWS };
            match rows {
                1 => self.add::<L, 1, LOW, HIGH>(sums),
                2 if most >= 2 => self.add::<L, 2, LOW, HIGH>(sums),
                3 if most >= 3 => self.add::<L, 3, LOW, HIGH>(sums),
                4 if most >= 4 => self.add::<L, 4, LOW, HIGH>(sums),
                5 if most >= 5 => self.add::<L, 5, LOW, HIGH>(sums),
                6 if most >= 6 => self.add::<L, 6, LOW, HIGH>(sums),
                7 if most >= 7 => self.add::<L, 7, LOW, HIGH>(sums),
                8 if most >= 8 => self.add::<L, 8, LOW, HIGH>(sums),
                _ => unreachable!("groups of rows fit the registers"),
            }
        }
    }

    /// Adds the block's products to the sums of R rows: outputs 0 to 15 (`LOW`), 16 to 31 (`HIGH`).
    #[inline(always)]
    unsafe fn add<L: Lanes, const R: usize, const LOW: bool, const HIGH: bool>(
        &self,
        sums: *mut [f32; PANEL],
    ) {
        // SAFETY: `sums` has R rows of 32, the panel `to` steps of `W::STRIDE` items, and x R rows
        // of `stride >= to` numbers. Prefetches may point anywhere.
        unsafe {
            let sums = sums.cast::<f32>();
            let mut low = [L::splat(0.0); R];
            let mut high = [L::splat(0.0); R];
            for (row, (low, high)) in low.iter_mut().zip(&mut high).enumerate() {
                if LOW {
                    *low = L::load(sums.add(row * PANEL));
                }
                if HIGH {
                    *high = L::load(sums.add(row * PANEL + LANES));
                }
            }
            for k in self.from..self.to {
                let weights = self.panel.add(k * W::STRIDE);
                if LOW {
                    let weights = weights.cast::<u8>();
                    L::prefetch_far(weights.wrapping_add(FAR_AHEAD));
                    L::prefetch(weights.wrapping_add(AHEAD));
                    if W::STRIDE * size_of::<W::Item>() > 64 {
                        L::prefetch_far(weights.wrapping_add(FAR_AHEAD + 64));
                        L::prefetch(weights.wrapping_add(AHEAD + 64));
                    }
                }
                let x = self.x.add(k);
                let (first, second) = (
                    if LOW { W::low::<L>(weights) } else { L::splat(0.0) },
                    if HIGH { W::high::<L>(weights) } else { L::splat(0.0) },
                );
                for (row, (low, high)) in low.iter_mut().zip(&mut high).enumerate() {
                    let x = L::splat(*x.add(row * self.stride));
                    if LOW {
                        *low = x.mul_add(first, *low);
                    }
                    if HIGH {
                        *high = x.mul_add(second, *high);
                    }
                }
            }
            for (row, (low, high)) in low.into_iter().zip(high).enumerate() {
                if LOW {
                    low.store(sums.add(row * PANEL));
                }
                if HIGH {
                    high.store(sums.add(row * PANEL + LANES));
                }
            }
        }
    }
}

/// How 32 weights of one step are stored.
trait Weight {
    type Item;
    /// Items of a step.
    const STRIDE: usize;
    /// Outputs 0 to 15 of the step at `from`.
    unsafe fn low<L: Lanes>(from: *const Self::Item) -> L;
    /// Outputs 16 to 31 of the step at `from`.
    unsafe fn high<L: Lanes>(from: *const Self::Item) -> L;
}

struct F32;
struct Bf16;
struct Int8;

// SAFETY of the bodies: `from` points at a whole step, `STRIDE` items.
impl Weight for F32 {
    type Item = f32;
    const STRIDE: usize = PANEL;

    #[inline(always)]
    unsafe fn low<L: Lanes>(from: *const f32) -> L {
        unsafe { L::load(from) }
    }

    #[inline(always)]
    unsafe fn high<L: Lanes>(from: *const f32) -> L {
        unsafe { L::load(from.add(LANES)) }
    }
}

// SAFETY of the bodies: as above.
impl Weight for Bf16 {
    type Item = u32;
    const STRIDE: usize = LANES;

    #[inline(always)]
    unsafe fn low<L: Lanes>(from: *const u32) -> L {
        unsafe { L::load_low_bf16(from) }
    }

    #[inline(always)]
    unsafe fn high<L: Lanes>(from: *const u32) -> L {
        unsafe { L::load_high_bf16(from) }
    }
}

// SAFETY of the bodies: as above.
impl Weight for Int8 {
    type Item = i8;
    const STRIDE: usize = PANEL;

    #[inline(always)]
    unsafe fn low<L: Lanes>(from: *const i8) -> L {
        unsafe { L::load_int8(from) }
    }

    #[inline(always)]
    unsafe fn high<L: Lanes>(from: *const i8) -> L {
        unsafe { L::load_int8(from.add(LANES)) }
    }
}

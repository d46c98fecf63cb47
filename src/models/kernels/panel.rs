//! Products of 1 to 8 rows with one panel of 32 packed outputs: `sums[row][n] = Σ_k x[row][k] w[k][n]`.
//!
//! Each sum runs over k from 0 up in one accumulator, whatever the number of rows and whatever else
//! is computed beside it. Weights pass through once for all rows: where the sums of all rows do not
//! fit the registers, blocks of 4 KiB stay in the first-level cache between the passes.

use super::ahead::{Distances, LINE_BYTES};
use super::inputs::{Inputs, SCALE_BLOCK};
use super::lanes::{LANES, Lanes};
use super::packed::PANEL;
use super::step::{Bf16, F32, Int8, RoundedBf16, Weight};
use super::{Kernel, Task};

/// Most rows of one call.
pub const PANEL_ROWS: usize = 8;

/// Sums of one panel.
pub(super) type Sums = [[f32; PANEL]; PANEL_ROWS];

/// Products of vectors for a cache line of weights from which on the arithmetic takes as long as memory.
const HEAVY: usize = 6;

/// One panel of packed weights, in storage order.
#[derive(Clone, Copy)]
pub(super) enum Panel<'a> {
    /// `[k][32]`.
    F32(&'a [f32]),
    /// `[k / 2][32]` words: input k in the high half, input k + 1 in the low half, which is the order in
    /// which the instruction for pairs adds them.
    Bf16(&'a [u32]),
    /// `[k / 2][32]` pairs of the inputs k and k + 1, unscaled.
    Int8(&'a [[i8; 2]]),
}

/// Writes the sums of `rows` rows of `x`, from row `first` on, to the first rows of `sums`.
pub(super) fn panel_sums(
    kernel: Kernel,
    panel: Panel<'_>,
    x: Inputs<'_>,
    first: usize,
    rows: usize,
    sums: &mut Sums,
) {
    assert!((1..=PANEL_ROWS).contains(&rows), "1 to 8 rows a call");
    let x = x.rows_from(first);
    let (steps, needed) = match (panel, x) {
        (Panel::F32(weights), Inputs::F32 { stride, .. }) => (weights.len() / PANEL, stride),
        (Panel::Bf16(words), Inputs::F32 { stride, .. }) => (words.len() / PANEL, stride / 2),
        (Panel::Bf16(words), Inputs::Bf16 { stride, .. }) if kernel.multiplies_bf16_pairs() => {
            (words.len() / PANEL, stride)
        }
        (Panel::Int8(pairs), Inputs::Int16 { stride, .. }) => (pairs.len() / PANEL, stride),
        _ => panic!("inputs were not prepared for these weights"),
    };
    assert!(steps == needed, "a panel is as long as the input");
    assert!(x.has_rows(rows), "one input per row and weight");
    for row in sums.iter_mut().take(rows) {
        row.fill(0.0);
    }
    kernel.run(PanelSums { panel, x, rows, steps, sums });
}

struct PanelSums<'a> {
    panel: Panel<'a>,
    x: Inputs<'a>,
    rows: usize,
    steps: usize,
    sums: &'a mut Sums,
}

impl Task for PanelSums<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { panel, x, rows, steps, sums } = self;
        let stream = Stream { rows, steps, sums: sums.as_mut_ptr().cast() };
        // SAFETY: `panel_sums` has compared the lengths of panel and x with rows and steps; `sums`
        // has room for eight rows.
        unsafe {
            match (panel, x) {
                (Panel::F32(panel), Inputs::F32 { numbers, stride }) => {
                    stream.run::<L, F32>(panel.as_ptr(), numbers.as_ptr(), stride, &[], 0);
                }
                (Panel::Bf16(panel), Inputs::F32 { numbers, stride }) => {
                    let x = numbers.as_ptr().cast();
                    stream.run::<L, Bf16>(panel.as_ptr(), x, stride / 2, &[], 0);
                }
                (Panel::Bf16(panel), Inputs::Bf16 { pairs, stride }) if L::DOTS => {
                    stream.run::<L, RoundedBf16>(panel.as_ptr(), pairs.as_ptr(), stride, &[], 0);
                }
                (Panel::Int8(panel), Inputs::Int16 { pairs, stride, scales, blocks }) => {
                    let x = pairs.as_ptr();
                    stream.run::<L, Int8>(panel.as_ptr(), x, stride, scales, blocks);
                }
                _ => unreachable!("`panel_sums` has looked at them"),
            }
        }
    }
}

/// All steps of a panel for all rows.
struct Stream {
    rows: usize,
    steps: usize,
    /// `[rows][32]`.
    sums: *mut f32,
}

impl Stream {
    /// All rows in one pass over the panel if their sums fit the registers, else block by block.
    /// `scales` are those of the inputs, `[rows][blocks]`, of weights that are [`Weight::SCALED`].
    ///
    /// # Safety
    /// The machine has the instruction set of `L`; `panel` has [`Stream::steps`] steps, `x` and `scales`
    /// have as many rows as `sums`.
    #[inline(always)]
    unsafe fn run<L: Lanes, W: Weight>(
        self,
        panel: *const W::Item,
        x: *const W::Input,
        stride: usize,
        scales: &[f32],
        blocks: usize,
    ) {
        let Self { rows, steps, sums } = self;
        let wide = L::WIDE_ROWS >= PANEL_ROWS || rows <= L::WIDE_ROWS;
        let length = if W::SCALED || !wide { W::BLOCK } else { steps };
        let heavy = !wide || rows * W::products::<L>() >= HEAVY;
        let distances = Distances::of_this_machine(heavy);
        let groups = rows.div_ceil(L::NARROW_ROWS);
        let group = if wide { rows } else { rows.div_ceil(groups) };
        // SAFETY: rows, steps and lengths as in `panel_sums`; the groups cover `rows` exactly.
        unsafe {
            for (index, from) in (0..steps).step_by(length.max(1)).enumerate() {
                let to = steps.min(from + length);
                for first in (0..rows).step_by(group) {
                    let scales =
                        if W::SCALED { scales.as_ptr().add(first * blocks + index) } else { sums };
                    let job = Block::<W> {
                        panel,
                        from,
                        to,
                        x: x.add(first * stride),
                        stride,
                        scales,
                        blocks,
                        distances,
                    };
                    let sums = sums.add(first * PANEL);
                    let rows = group.min(rows - first);
                    if wide {
                        job.rows::<L, true, true>(rows, sums);
                    } else {
                        job.rows::<L, true, false>(rows, sums);
                        job.rows::<L, false, true>(rows, sums);
                    }
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
    x: *const W::Input,
    stride: usize,
    /// The scale of the first row's inputs in this block, and those of the others `blocks` apart.
    scales: *const f32,
    blocks: usize,
    distances: Distances,
}

impl<W: Weight> Block<W> {
    #[inline(always)]
    unsafe fn rows<L: Lanes, const LOW: bool, const HIGH: bool>(
        &self,
        rows: usize,
        sums: *mut f32,
    ) {
        let most = if LOW && HIGH { L::WIDE_ROWS } else { L::NARROW_ROWS };
        // SAFETY: passed on. Numbers of rows that never come are left out by the compiler.
        unsafe {
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
        sums: *mut f32,
    ) {
        // SAFETY: `sums` has R rows of 32, the panel `to` steps of `W::STRIDE` items, and x R rows
        // of `stride >= to` inputs. Prefetches may point anywhere.
        unsafe {
            let mut low = [W::start::<L>(sums); R];
            let mut high = [W::start::<L>(sums.add(LANES)); R];
            for (row, (low, high)) in low.iter_mut().zip(&mut high).enumerate() {
                *low = W::start::<L>(sums.add(row * PANEL));
                *high = W::start::<L>(sums.add(row * PANEL + LANES));
            }
            let Distances { near, far } = self.distances;
            for k in self.from..self.to {
                let weights = self.panel.add(k * W::STRIDE);
                if LOW {
                    let lines = (W::STRIDE * size_of::<W::Item>()).div_ceil(LINE_BYTES);
                    for line in 0..lines {
                        let line = weights.cast::<u8>().wrapping_add(line * LINE_BYTES);
                        L::prefetch_far(line.wrapping_add(far));
                        L::prefetch(line.wrapping_add(near));
                    }
                }
                let x = self.x.add(k);
                if LOW {
                    W::step::<L, R>(weights, x, self.stride, &mut low);
                }
                if HIGH {
                    W::step::<L, R>(weights.add(W::HALF), x, self.stride, &mut high);
                }
            }
            for (row, (low, high)) in low.into_iter().zip(high).enumerate() {
                let scale = if W::SCALED { *self.scales.add(row * self.blocks) } else { 1.0 };
                if LOW {
                    W::finish::<L>(low, scale, sums.add(row * PANEL));
                }
                if HIGH {
                    W::finish::<L>(high, scale, sums.add(row * PANEL + LANES));
                }
            }
        }
    }
}

const _: () = assert!(Int8::BLOCK * 2 == SCALE_BLOCK, "sums of integers end where a scale ends");

//! Products of rows with panels of 32 packed outputs: `out[row][n] = Σ_k x[row][k] w[k][n]`.
//!
//! Each sum runs over k from 0 up in one accumulator, whatever the number of rows and whatever else
//! is computed beside it. Weights pass through once for up to 8 rows: where the sums of all rows do not
//! fit the registers, blocks of 4 KiB stay in the first-level cache between the passes.

use super::ahead::{
    Arithmetic, Distances, FEW_REQUESTS_AHEAD, LINE_BYTES, LINES_A_REQUEST, Requests,
};
use super::inputs::{Inputs, SCALE_BLOCK};
use super::isa::{Isa, Task};
use super::lanes::{LANES, Lanes};
use super::step::{Bf16, F32, Int8, PANEL, RoundedBf16, Weight};
use std::hint::black_box;
use std::mem::MaybeUninit;

/// Most rows that weights pass through once for.
pub(super) const PANEL_ROWS: usize = 8;

/// Sums of one panel. Written as whole cache lines, they are read back at once; a line that was
/// written in two parts is only there when everything before has reached the cache, and the next
/// panel would wait for that.
#[repr(align(64))]
struct Sums([[f32; PANEL]; PANEL_ROWS]);

/// Panels of packed weights one after the other, in storage order.
#[derive(Clone, Copy)]
pub(super) enum Panels<'a> {
    /// `[k][32]` a panel.
    F32(&'a [f32]),
    /// `[k / 2][32]` words a panel: input k in the high half, input k + 1 in the low half, which is the
    /// order in which the instruction for pairs adds them.
    Bf16(&'a [u32]),
    /// `[k / 2][32]` pairs of the inputs k and k + 1 a panel.
    Int8(&'a [[i8; 2]]),
}

/// What some panels are multiplied with, and where the products go.
pub(super) struct Products<'a, 'o> {
    pub(super) panels: Panels<'a>,
    pub(super) x: Inputs<'a>,
    /// Factors on the outputs, or none at all.
    pub(super) scales: &'a [f32],
    /// Added to the outputs, or none at all.
    pub(super) bias: &'a [f32],
    /// The part of each row that the panels make; all of it is written.
    pub(super) out: &'o mut [&'o mut [MaybeUninit<f32>]],
}

impl Products<'_, '_> {
    /// Writes all outputs.
    pub(super) fn write(self, isa: Isa) {
        let Self { panels, x, scales, bias, out } = &self;
        let width = out.first().map_or(0, |row| row.len());
        let (items, steps) = match (*panels, *x) {
            (Panels::F32(weights), Inputs::F32 { stride, .. }) => (weights.len(), stride),
            (Panels::Bf16(words), Inputs::F32 { stride, .. }) => (words.len(), stride / 2),
            (Panels::Bf16(words), Inputs::Bf16 { stride, .. }) if isa.multiplies_bf16_pairs() => {
                (words.len(), stride)
            }
            (Panels::Int8(pairs), Inputs::Int16 { stride, .. }) => (pairs.len(), stride),
            _ => panic!("inputs were not prepared for these weights"),
        };
        assert!(out.iter().all(|row| row.len() == width), "all rows are as wide");
        assert!(items == width.div_ceil(PANEL) * steps * PANEL, "panels for all outputs");
        assert!(x.has_rows(out.len()), "one input per row and weight");
        assert!(scales.is_empty() || scales.len() == width, "one scale per output, or none");
        assert!(bias.is_empty() || bias.len() == width, "one bias per output, or none");
        isa.run(self);
    }
}

impl Task for Products<'_, '_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: `write` has compared the lengths of panels and inputs with rows and width.
        unsafe {
            match (self.panels, self.x) {
                (Panels::F32(panels), Inputs::F32 { numbers, stride }) => {
                    self.all::<L, F32>(panels.as_ptr(), numbers.as_ptr(), stride, &[], 0);
                }
                (Panels::Bf16(panels), Inputs::F32 { numbers, stride }) => {
                    let x = numbers.as_ptr().cast();
                    self.all::<L, Bf16>(panels.as_ptr(), x, stride / 2, &[], 0);
                }
                (Panels::Bf16(panels), Inputs::Bf16 { pairs, stride }) if L::DOTS => {
                    self.all::<L, RoundedBf16>(panels.as_ptr(), pairs.as_ptr(), stride, &[], 0);
                }
                (Panels::Int8(panels), Inputs::Int16 { pairs, stride, scales, blocks }) => {
                    let x = pairs.as_ptr();
                    self.all::<L, Int8>(panels.as_ptr(), x, stride, scales, blocks);
                }
                _ => unreachable!("`write` has looked at them"),
            }
        }
    }
}

impl Products<'_, '_> {
    /// Panel after panel, for groups of up to 8 rows. `scales` are those of the inputs, `[rows][blocks]`,
    /// of weights that are [`Weight::SCALED`].
    #[inline(always)]
    unsafe fn all<L: Lanes, W: Weight>(
        self,
        panels: *const W::Item,
        x: *const W::Input,
        stride: usize,
        scales: &[f32],
        blocks: usize,
    ) {
        let (width, steps) = (self.out.first().map_or(0, |row| row.len()), stride);
        let mut sums = Sums([[0.0; PANEL]; PANEL_ROWS]);
        for panel in 0..width.div_ceil(PANEL) {
            let from = panel * PANEL;
            for (group, rows) in self.out.chunks_mut(PANEL_ROWS).enumerate() {
                let first = group * PANEL_ROWS;
                let stream = Stream { rows: rows.len(), steps, sums: sums.0.as_mut_ptr().cast() };
                // SAFETY: `panel` and `first` are below the numbers that `write` has checked, and
                // `sums` has room for eight rows.
                unsafe {
                    let (panel, x) = (panels.add(panel * steps * PANEL), x.add(first * stride));
                    let input_scales = if W::SCALED { &scales[first * blocks..] } else { &[] };
                    stream.run::<L, W>(panel, x, stride, input_scales, blocks);
                    for (row, sums) in rows.iter_mut().zip(&sums.0) {
                        finish_row::<L>(sums, self.scales, self.bias, from, row);
                    }
                }
            }
        }
    }
}

/// Writes the outputs of one panel, from `from` on, to their row: sums times `scales` plus `bias`.
///
/// # Safety
/// The machine has the instruction set of `L`.
#[inline(always)]
unsafe fn finish_row<L: Lanes>(
    sums: &[f32; PANEL],
    scales: &[f32],
    bias: &[f32],
    from: usize,
    row: &mut [MaybeUninit<f32>],
) {
    let (scales, bias) = (scales.get(from..).unwrap_or(&[]), bias.get(from..).unwrap_or(&[]));
    let row = &mut row[from..];
    let Some(row) = row.first_chunk_mut::<PANEL>() else {
        for (i, (y, sum)) in row.iter_mut().zip(sums).enumerate() {
            let scaled = scales.get(i).map_or(*sum, |scale| sum * scale);
            y.write(bias.get(i).map_or(scaled, |bias| scaled + bias));
        }
        return;
    };
    for half in [0, LANES] {
        // SAFETY: loads and stores are of halves of arrays of 32 numbers.
        unsafe {
            let mut outputs = L::load(sums.as_ptr().add(half));
            if let Some(scales) = scales.first_chunk::<PANEL>() {
                outputs = outputs.mul(L::load(scales.as_ptr().add(half)));
            }
            if let Some(bias) = bias.first_chunk::<PANEL>() {
                outputs = outputs.add(L::load(bias.as_ptr().add(half)));
            }
            outputs.store(row.as_mut_ptr().cast::<f32>().add(half));
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
        let arithmetic = if wide { W::arithmetic(rows) } else { Arithmetic::Much };
        let requests = Requests::for_weights(arithmetic);
        let groups = rows.div_ceil(L::NARROW_ROWS);
        let group = if wide { rows } else { rows.div_ceil(groups) };
        // SAFETY: rows, steps and lengths as the caller's; the groups cover `rows` exactly.
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
                        requests,
                    };
                    let sums = sums.add(first * PANEL);
                    let rows = group.min(rows - first);
                    match requests {
                        Requests::Few => job.rows::<L, true, true, true>(rows, sums),
                        Requests::EveryLine(_) if wide => {
                            job.rows::<L, true, true, false>(rows, sums);
                        }
                        Requests::EveryLine(_) => {
                            job.rows::<L, true, false, false>(rows, sums);
                            job.rows::<L, false, true, false>(rows, sums);
                        }
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
    requests: Requests,
}

impl<W: Weight> Block<W> {
    #[inline(always)]
    unsafe fn rows<L: Lanes, const LOW: bool, const HIGH: bool, const FEW: bool>(
        &self,
        rows: usize,
        sums: *mut f32,
    ) {
        let most = if LOW && HIGH { L::WIDE_ROWS } else { L::NARROW_ROWS };
        // SAFETY: passed on. Numbers of rows that never come are left out by the compiler.
        unsafe {
            match rows {
                1 => self.add::<L, 1, LOW, HIGH, FEW>(sums),
                2 if most >= 2 => self.add::<L, 2, LOW, HIGH, FEW>(sums),
                3 if most >= 3 => self.add::<L, 3, LOW, HIGH, FEW>(sums),
                4 if most >= 4 => self.add::<L, 4, LOW, HIGH, FEW>(sums),
                5 if most >= 5 => self.add::<L, 5, LOW, HIGH, FEW>(sums),
                6 if most >= 6 => self.add::<L, 6, LOW, HIGH, FEW>(sums),
                7 if most >= 7 => self.add::<L, 7, LOW, HIGH, FEW>(sums),
                8 if most >= 8 => self.add::<L, 8, LOW, HIGH, FEW>(sums),
                _ => unreachable!("groups of rows fit the registers"),
            }
        }
    }

    /// Adds the block's products to the sums of R rows: outputs 0 to 15 (`LOW`), 16 to 31 (`HIGH`). Asks
    /// for one line in [`LINES_A_REQUEST`] if `FEW`, else for all.
    #[inline(always)]
    unsafe fn add<L: Lanes, const R: usize, const LOW: bool, const HIGH: bool, const FEW: bool>(
        &self,
        sums: *mut f32,
    ) {
        // SAFETY: `sums` has R rows of 32, the panel `to` steps of `W::STRIDE` items, and x R rows
        // of `stride >= to` inputs. Prefetches may point anywhere.
        unsafe {
            let first = self.from == 0;
            let mut low = [W::start::<L>(sums, first); R];
            let mut high = [W::start::<L>(sums.add(LANES), first); R];
            let mut x = [self.x; R];
            for row in 1..R {
                low[row] = W::start::<L>(sums.add(row * PANEL), first);
                high[row] = W::start::<L>(sums.add(row * PANEL + LANES), first);
                // An address of its own for every row, kept in a register: derived from one another
                // they would cost an instruction each at every step.
                x[row] = black_box(self.x.add(row * self.stride));
            }
            let step = W::STRIDE * size_of::<W::Item>();
            let mut k = self.from;
            if FEW {
                let steps = LINES_A_REQUEST * LINE_BYTES / step;
                while k + steps <= self.to {
                    let weights = self.panel.add(k * W::STRIDE).cast::<u8>();
                    L::prefetch_far(weights.wrapping_add(FEW_REQUESTS_AHEAD));
                    for _ in 0..steps {
                        self.step::<L, R, LOW, HIGH>(&x, k, &mut low, &mut high);
                        k += 1;
                    }
                }
            }
            for k in k..self.to {
                if LOW && let Requests::EveryLine(Distances { near, far }) = self.requests {
                    let weights = self.panel.add(k * W::STRIDE).cast::<u8>();
                    for line in (0..step).step_by(LINE_BYTES) {
                        L::prefetch_far(weights.wrapping_add(line + far));
                        L::prefetch(weights.wrapping_add(line + near));
                    }
                }
                self.step::<L, R, LOW, HIGH>(&x, k, &mut low, &mut high);
            }
            for (row, (low, high)) in low.into_iter().zip(high).enumerate() {
                let scale = if W::SCALED { *self.scales.add(row * self.blocks) } else { 1.0 };
                if LOW {
                    W::finish::<L>(low, scale, sums.add(row * PANEL), first);
                }
                if HIGH {
                    W::finish::<L>(high, scale, sums.add(row * PANEL + LANES), first);
                }
            }
        }
    }

    /// Adds the products of step `k` to the sums.
    #[inline(always)]
    unsafe fn step<L: Lanes, const R: usize, const LOW: bool, const HIGH: bool>(
        &self,
        x: &[*const W::Input; R],
        k: usize,
        low: &mut [W::Sum<L>; R],
        high: &mut [W::Sum<L>; R],
    ) {
        // SAFETY: `k` is below `to`.
        unsafe {
            let weights = self.panel.add(k * W::STRIDE);
            if LOW {
                W::step::<L, R>(weights, x, k, low);
            }
            if HIGH {
                W::step::<L, R>(weights.add(W::HALF), x, k, high);
            }
        }
    }
}

const _: () = assert!(Int8::BLOCK * 2 == SCALE_BLOCK, "sums of integers end where a scale ends");

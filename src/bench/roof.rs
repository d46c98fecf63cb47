//! The speed of memory, measured between the steps that are compared with it.

use crate::bench::statistics::median;
use crate::compute::cpu::isa::Isa;
use crate::compute::cpu::read::{Prefetch, ReadBuffer};
use crate::compute::error::ModelError;
use candle_core::{Device, Tensor};
use std::time::Instant;

/// Columns of the matrix that a device reads.
const DEVICE_WIDTH: usize = 8192;

/// The fastest that memory gives bytes. Each [`Roof::read`] also drives what a step has
/// left out of the caches.
pub(super) enum Roof {
    /// Reads of this machine's memory, by the way they are done.
    Host { memory: ReadBuffer, ways: [(Prefetch, Vec<f64>); 4], reads: usize },
    /// Products of one row with a large matrix on a device, which read it once and do little else:
    /// candle has no plain reads.
    Device { row: Tensor, matrix: Tensor, speeds: Vec<f64> },
}

impl Roof {
    /// Over `bytes` of the device's memory.
    ///
    /// # Errors
    /// No memory.
    pub(super) fn new(bytes: usize, device: &Device) -> Result<Self, ModelError> {
        if !device.is_cpu() {
            let rows = bytes / size_of::<f32>() / DEVICE_WIDTH;
            let random = |rows| Tensor::rand(-1f32, 1f32, (rows, DEVICE_WIDTH), device);
            return Ok(Self::Device { row: random(1)?, matrix: random(rows)?, speeds: vec![] });
        }
        let ways = [Prefetch::Hardware, Prefetch::Near, Prefetch::FarAndNear, Prefetch::Few];
        let memory = ReadBuffer::new(bytes)?;
        Ok(Self::Host { memory, ways: ways.map(|way| (way, Vec::new())), reads: 0 })
    }

    /// Reads all of it once and remembers how fast.
    ///
    /// # Errors
    /// The device refuses.
    pub(super) fn read(&mut self) -> Result<(), ModelError> {
        match self {
            Self::Host { memory, ways, reads } => {
                let count = ways.len();
                let (way, speeds) = &mut ways[*reads % count];
                let start = Instant::now();
                std::hint::black_box(memory.read(Isa::current(), *way));
                speeds.push(memory.length() as f64 / start.elapsed().as_secs_f64() / 1e9);
                *reads += 1;
            }
            Self::Device { row, matrix, speeds } => {
                matrix.device().synchronize()?;
                let start = Instant::now();
                let product = row.matmul(&matrix.t()?)?;
                matrix.device().synchronize()?;
                let seconds = start.elapsed().as_secs_f64();
                std::hint::black_box(product);
                speeds.push((matrix.elem_count() * size_of::<f32>()) as f64 / seconds / 1e9);
            }
        }
        Ok(())
    }

    /// Median of the fastest way, in 10⁹ bytes a second.
    pub(super) fn bandwidth(&self) -> f64 {
        match self {
            Self::Host { ways, .. } => {
                ways.iter().map(|(_, speeds)| median(speeds)).fold(0.0, f64::max)
            }
            Self::Device { speeds, .. } => median(speeds),
        }
    }
}

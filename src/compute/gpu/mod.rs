//! The same layers on a device other than the CPU, in candle's operations: what the decode loop runs
//! on where the rows of a step are tensors of a graphics card.
//!
//! A card is quicker than the program that tells it what to do, so a step takes as long as its
//! operations are many. They are therefore candle's fused ones where it has them, and whatever all
//! layers of a step share goes to the card once.

mod attention;
mod cache;
mod linear;
mod norm;
mod rotary;
mod runs;
mod stack;

pub(crate) use attention::attend;
pub use cache::DeviceCache;
pub(crate) use linear::DeviceLinear;
pub(crate) use norm::DeviceNorm;
pub(crate) use rotary::DeviceRotary;
pub(crate) use runs::DevicePlan;

#[cfg(test)]
mod compare {
    //! The operations on the CPU's tensors, against the CPU's own kernels.
    use candle_core::{Device, Tensor};

    pub(super) fn matrix(seed: usize, rows: usize, columns: usize) -> Tensor {
        let numbers =
            (0..rows * columns).map(|i| (((i + seed) * 2654435761) % 1999) as f32 / 999.5 - 1.0);
        Tensor::from_vec(numbers.collect(), (rows, columns), &Device::Cpu).unwrap()
    }

    pub(super) fn assert_close(a: &Tensor, b: &Tensor, bound: f32) {
        assert_eq!(a.dims(), b.dims());
        let difference = (a - b).unwrap().abs().unwrap().flatten_all().unwrap();
        let largest = difference.max(0).unwrap().to_scalar::<f32>().unwrap();
        assert!(largest < bound, "{largest}");
    }
}

//! The arithmetic of decoding, for the instruction set that the machine has: the only place of the
//! package with `unsafe`.
//!
//! Why it is needed: vector instructions are chosen at run time, so that one binary serves every
//! machine without `target-cpu` flags, and the compiler cannot prove that a chosen one exists.
//!
//! Why it is sound, in three rules:
//! 1. A [`Kernel`] exists only for an instruction set that was found on this machine: its field is
//!    private and every constructor asks the processor.
//! 2. `Kernel::run` is the only entry. It enters a function compiled for exactly that set, in
//!    which the generic body (`Task::run`) is inlined.
//! 3. Every task checks its slices with assertions before it takes a pointer, and the checks imply
//!    every access that follows. They run once a task, not once an element.
//!
//! Layout, threads and packing are safe code in `packed`. `storage` hands out memory and `product` the
//! numbers that a product has written, each with reasons of its own.

#![allow(unsafe_code)]

pub(crate) mod activation;
mod ahead;
pub(crate) mod attention;
#[deny(unsafe_code)]
pub(crate) mod cache_block;
mod inputs;
mod key_block;
mod lanes;
#[cfg(target_arch = "aarch64")]
mod neon;
#[deny(unsafe_code)]
pub(crate) mod packed;
mod panel;
mod portable;
mod product;
pub(crate) mod read;
pub(crate) mod rows;
mod step;
pub(crate) mod storage;
mod stored;
#[cfg(test)]
mod tests;
mod value_block;
#[cfg(target_arch = "x86_64")]
mod x86;

use lanes::Lanes;
use std::sync::atomic::{AtomicU8, Ordering};

pub use panel::PANEL_ROWS;

/// Environment variable that forces a kernel: `avx512-bf16`, `avx512`, `avx2`, `neon` or `portable`. A name that
/// is unknown or not available here is ignored.
pub const KERNEL_VARIABLE: &str = "SOFTCFG_KERNEL";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Isa {
    Portable = 1,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// With instructions that multiply pairs of bf16 and of i16.
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

/// An instruction set that this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Isa);

/// The kernel in use as `Isa as u8`, 0 before the first question.
static CURRENT: AtomicU8 = AtomicU8::new(0);

impl Kernel {
    /// Every kernel of this machine, the fastest first.
    pub fn available() -> Vec<Self> {
        let mut kernels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
                if is_x86_feature_detected!("avx512bf16") && is_x86_feature_detected!("avx512vnni")
                {
                    kernels.push(Self(Isa::Avx512Bf16));
                }
                kernels.push(Self(Isa::Avx512));
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                kernels.push(Self(Isa::Avx2));
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            kernels.push(Self(Isa::Neon));
        }
        kernels.push(Self(Isa::Portable));
        kernels
    }

    /// The kernel that [`KERNEL_VARIABLE`] names, else the fastest of this machine.
    pub fn detect() -> Self {
        Self::named_or_fastest(std::env::var(KERNEL_VARIABLE).ok().as_deref())
    }

    /// The kernel called `name`; the fastest of this machine if there is no name, or none like it.
    fn named_or_fastest(name: Option<&str>) -> Self {
        name.and_then(Self::by_name)
            .or_else(|| Self::available().first().copied())
            .unwrap_or(Self(Isa::Portable))
    }

    /// The kernel called `name`, if this machine has it.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::available().into_iter().find(|kernel| kernel.name() == name)
    }

    /// Its name, as in [`KERNEL_VARIABLE`].
    pub fn name(self) -> &'static str {
        match self.0 {
            Isa::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 => "avx512-bf16",
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => "neon",
        }
    }

    /// Whether it multiplies pairs of bf16 as they are.
    fn multiplies_bf16_pairs(self) -> bool {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 => true,
            _ => false,
        }
    }

    /// The kernel that layers use: [`Kernel::detect`] at first.
    pub fn current() -> Self {
        match CURRENT.load(Ordering::Relaxed) {
            value if value == Isa::Portable as u8 => Self(Isa::Portable),
            #[cfg(target_arch = "x86_64")]
            value if value == Isa::Avx2 as u8 => Self(Isa::Avx2),
            #[cfg(target_arch = "x86_64")]
            value if value == Isa::Avx512 as u8 => Self(Isa::Avx512),
            #[cfg(target_arch = "x86_64")]
            value if value == Isa::Avx512Bf16 as u8 => Self(Isa::Avx512Bf16),
            #[cfg(target_arch = "aarch64")]
            value if value == Isa::Neon as u8 => Self(Isa::Neon),
            _ => {
                let kernel = Self::detect();
                kernel.make_current();
                kernel
            }
        }
    }

    /// Lets all layers use this kernel from now on; for measurements that compare kernels.
    pub fn make_current(self) {
        CURRENT.store(self.0 as u8, Ordering::Relaxed);
    }

    /// Runs a task with this instruction set.
    fn run<T: Task>(self, task: T) -> T::Output {
        // SAFETY: a kernel exists only where its instruction set was found (rule 1).
        match self.0 {
            Isa::Portable => unsafe { task.run::<portable::Portable>() },
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { run_avx2(task) },
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { run_avx512(task) },
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 => unsafe { run_avx512_bf16(task) },
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => unsafe { run_neon(task) },
        }
    }
}

/// Work that is written once in [`Lanes`] and compiled for every instruction set.
trait Task {
    /// What comes out.
    type Output;

    /// Does it. Implementations are `#[inline(always)]`, or the instruction set is lost.
    ///
    /// # Safety
    /// The machine has the instruction set of `L`.
    unsafe fn run<L: Lanes>(self) -> Self::Output;
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16,avx512vnni")]
fn run_avx512_bf16<T: Task>(task: T) -> T::Output {
    // SAFETY: the caller has all four, or could not call this.
    unsafe { task.run::<x86::Avx512<true>>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
fn run_avx512<T: Task>(task: T) -> T::Output {
    // SAFETY: the caller has AVX-512F and BW, or could not call this.
    unsafe { task.run::<x86::Avx512<false>>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<T: Task>(task: T) -> T::Output {
    // SAFETY: the caller has AVX2 and FMA, or could not call this.
    unsafe { task.run::<x86::Avx2>() }
}

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon")]
fn run_neon<T: Task>(task: T) -> T::Output {
    // SAFETY: the caller has NEON, or could not call this.
    unsafe { task.run::<neon::Neon>() }
}

//! The instruction sets that the arithmetic is compiled for, and the one in use.
//!
//! An [`Isa`] exists only for a set that was found on this machine, and [`Isa::run`] is the only way into
//! code compiled for it.

use super::lanes::Lanes;
#[cfg(target_arch = "aarch64")]
use super::neon;
use super::portable;
#[cfg(target_arch = "x86_64")]
use super::x86;
use std::sync::atomic::{AtomicU8, Ordering};

/// Environment variable that forces an instruction set: `avx512-bf16`, `avx512`, `avx2`, `neon` or `portable`. A name that
/// is unknown or not available here is ignored.
pub const ISA_VARIABLE: &str = "SOFTCFG_KERNEL";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Set {
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
pub struct Isa(Set);

/// The instruction set in use as `Set as u8`, 0 before it was looked for.
static CURRENT: AtomicU8 = AtomicU8::new(0);

impl Isa {
    /// Every instruction set of this machine that there is code for, the fastest first.
    pub fn available() -> Vec<Self> {
        let mut sets = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
                if is_x86_feature_detected!("avx512bf16") && is_x86_feature_detected!("avx512vnni")
                {
                    sets.push(Self(Set::Avx512Bf16));
                }
                sets.push(Self(Set::Avx512));
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                sets.push(Self(Set::Avx2));
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            sets.push(Self(Set::Neon));
        }
        sets.push(Self(Set::Portable));
        sets
    }

    /// The set that [`ISA_VARIABLE`] names, else the fastest of this machine.
    pub fn detect() -> Self {
        Self::named_or_fastest(std::env::var(ISA_VARIABLE).ok().as_deref())
    }

    /// The set called `name`; the fastest of this machine if there is no name, or none like it.
    pub(super) fn named_or_fastest(name: Option<&str>) -> Self {
        name.and_then(Self::by_name)
            .or_else(|| Self::available().first().copied())
            .unwrap_or(Self(Set::Portable))
    }

    /// The set called `name`, if this machine has it.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::available().into_iter().find(|isa| isa.name() == name)
    }

    /// Its name, as in [`ISA_VARIABLE`].
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Bf16 => "avx512-bf16",
            #[cfg(target_arch = "aarch64")]
            Set::Neon => "neon",
        }
    }

    /// Whether it multiplies pairs of bf16 as they are.
    pub(super) fn multiplies_bf16_pairs(self) -> bool {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Bf16 => true,
            _ => false,
        }
    }

    /// The set that layers use: [`Isa::detect`] at first.
    pub fn current() -> Self {
        match CURRENT.load(Ordering::Relaxed) {
            value if value == Set::Portable as u8 => Self(Set::Portable),
            #[cfg(target_arch = "x86_64")]
            value if value == Set::Avx2 as u8 => Self(Set::Avx2),
            #[cfg(target_arch = "x86_64")]
            value if value == Set::Avx512 as u8 => Self(Set::Avx512),
            #[cfg(target_arch = "x86_64")]
            value if value == Set::Avx512Bf16 as u8 => Self(Set::Avx512Bf16),
            #[cfg(target_arch = "aarch64")]
            value if value == Set::Neon as u8 => Self(Set::Neon),
            _ => {
                let isa = Self::detect();
                isa.make_current();
                isa
            }
        }
    }

    /// Makes all layers use this set from now on; for measurements that compare sets.
    pub fn make_current(self) {
        CURRENT.store(self.0 as u8, Ordering::Relaxed);
    }

    /// Runs a task with this instruction set.
    pub(super) fn run<T: Task>(self, task: T) -> T::Output {
        // SAFETY: an `Isa` exists only where its instruction set was found (rule 1).
        match self.0 {
            Set::Portable => unsafe { task.run::<portable::Portable>() },
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { run_avx2(task) },
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { run_avx512(task) },
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Bf16 => unsafe { run_avx512_bf16(task) },
            #[cfg(target_arch = "aarch64")]
            Set::Neon => unsafe { run_neon(task) },
        }
    }
}

/// Work that is written once in [`Lanes`] and compiled for every instruction set.
pub(super) trait Task {
    /// What comes out.
    type Output;

    /// Does the work. Implementations are `#[inline(always)]`, or the instruction set is lost.
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

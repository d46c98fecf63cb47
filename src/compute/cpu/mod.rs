//! The arithmetic of decoding, for the instruction set that the machine has: the only place of the
//! package with `unsafe`.
//!
//! Why it is needed: vector instructions are chosen at run time, so that one binary serves every
//! machine without `target-cpu` flags, and the compiler cannot prove that a chosen one exists.
//!
//! Why it is sound, in three rules:
//! 1. An [`isa::Isa`] exists only for an instruction set that was found on this machine: its field is
//!    private and every constructor asks the processor.
//! 2. `Isa::run` is the only entry. It enters a function compiled for exactly that set, in
//!    which the generic body (`Task::run`) is inlined.
//! 3. Every task checks its slices with assertions before it takes a pointer, and the checks imply
//!    every access that follows. They run once a task, not once an element.
//!
//! Layout, threads and packing are safe code in `packed`. `storage` hands out memory and `product` the
//! numbers that a product has written, each with reasons of its own.

#![allow(unsafe_code, reason = "see above")]

pub(crate) mod activation;
mod ahead;
pub(crate) mod attention;
#[deny(unsafe_code)]
pub mod cache_block;
mod inputs;
pub mod isa;
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

pub use storage::Numbers;

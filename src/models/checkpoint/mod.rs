//! Opening checkpoints: finds the files, reads every container the authors use without trusting it,
//! says what it is, finds what else is needed, and estimates the memory.
//!
//! The way from a path to a model:
//! 1. [`inspect`] opens headers only and returns an [`Inspection`]: decoder, tokenizer, text encoder,
//!    what is missing and where it is published.
//! 2. [`memory::plan`] compares what each precision needs with what is free.
//! 3. [`Opened::into_var_builder`] gives the model files their weights, tensor by tensor, with
//!    progress and cancellation.
//!
//! Verified on the miniatures of `tests/golden` and on files built in `tests/checkpoint_bad_input.rs`.
//! The published files themselves were not available; their names, shapes and parameter counts come
//! from reference/checkpoints.

mod companions;
mod container;
mod entry;
mod error;
mod files;
mod identify;
mod inspect;
pub mod memory;
mod pairs;
mod pickle;
mod pickle_calls;
mod pickle_value;
mod progress;
mod read_tensor;
mod safetensors_file;
mod sharded;
mod source;
mod state_dict;
mod torch_file;
mod zip_directory;

pub use companions::{CompanionNeed, MissingPart, cache_roots};
pub(crate) use container::sha256;
pub use container::{Container, ContainerKind};
pub use entry::{ElementType, TensorEntry};
pub use error::CheckpointError;
pub use identify::{
    Conditioning, Config, DecoderGeometry, EncoderGeometry, ExpectedTensor, Family, Geometry,
    GridGuess, GridSource, Identified, Role, TensorRole, TokenizerGeometry, bytes_text, identify,
};
pub use inspect::{InspectOptions, Inspection, Opened, inspect};
pub use progress::LoadProgress;
pub(crate) use source::SourceFile;

/// Runs the guard on the bytes of a pickle, for fuzzing: whether it would be read.
pub fn guard_accepts(bytes: &[u8]) -> bool {
    pickle_value::Pickle::parse(bytes)
        .is_ok_and(|pickle| state_dict::collect(&pickle, None).is_ok())
}

//! Containers of weights on disk, read without trusting them: finds the files, reads names and shapes
//! from headers, and gives model files their weights tensor by tensor, with progress and cancellation.
//!
//! Beside them stand small files, among them those of text tokenizers. Nothing here knows a model.

mod config_keys;
mod container;
mod container_kind;
mod entry;
mod error;
mod fields;
mod file_kind;
pub mod files;
pub mod folder;
pub mod folder_config;
pub mod generation_config;
mod hash;
pub mod headers;
mod json_file;
pub mod manifest;
mod pickle;
mod pickle_calls;
mod pickle_danger;
mod pickle_reader;
mod pickle_value;
mod progress;
mod read_tensor;
pub(crate) mod renamed;
pub mod results;
pub mod rope_keys;
mod safetensors_file;
pub mod shapes;
mod sharded;
mod source;
mod state_dict;
pub mod text_tokenizer;
mod torch_file;
mod unpacked;
mod zeros;
mod zip_directory;

pub use container::Container;
pub use container_kind::ContainerKind;
pub use entry::{ElementType, TensorEntry};
pub use error::CheckpointError;
pub(crate) use files::file_name;
pub(crate) use hash::sha256;
pub use progress::LoadProgress;
pub use renamed::WEIGHT_ENDINGS;
pub(crate) use source::SourceFile;

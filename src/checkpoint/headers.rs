//! What is known of a checkpoint before any weight is read, and how a family's files are recognised
//! by it.

use crate::checkpoint::folder_config::FolderConfig;
use crate::checkpoint::shapes::TensorShapes;

/// Everything that identification reads.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a> {
    /// Names and shapes, as the family names them.
    pub shapes: &'a TensorShapes,
    /// The JSON files beside the weights.
    pub config: &'a FolderConfig,
    /// Name of the weight file, or of its first shard.
    pub file_name: &'a str,
}

/// How files of a family are recognised.
#[derive(Debug)]
pub struct Signature {
    /// The family's name, for example "MaskGIT-VQGAN".
    pub family: &'static str,
    /// A tensor that only this family has; what stands before it in a file is the file's prefix.
    pub tensor: &'static str,
    /// Names that every file of the family has, numbers as `#`: how the likeness of an unknown file is
    /// judged.
    pub typical: &'static [&'static str],
}

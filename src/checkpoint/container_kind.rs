//! Kinds of weight files.

/// What kind of file the weights came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
pub enum ContainerKind {
    /// One safetensors file.
    #[strum(serialize = "safetensors")]
    Safetensors,
    /// PyTorch's zip archive, or the folder it was unpacked to.
    #[strum(serialize = "PyTorch archive")]
    TorchZip,
    /// A TorchScript archive, read for its weights alone.
    #[strum(serialize = "TorchScript archive")]
    TorchScript,
    /// PyTorch's format of before version 1.6.
    #[strum(serialize = "old PyTorch file")]
    TorchLegacy,
    /// Several files with an index.
    #[strum(serialize = "sharded files")]
    Sharded,
}

//! An open checkpoint of which it is known what it is.

use crate::checkpoint::folder::ModelFolder;
use crate::checkpoint::folder_config::FolderConfig;
use crate::checkpoint::{CheckpointError, Container, LoadProgress};
use crate::opening::identify::{Identified, identify};
use candle_nn::VarBuilder;
use std::path::Path;
use std::sync::Arc;

/// An identified, open checkpoint.
#[derive(Debug)]
pub struct Opened {
    /// What it is.
    pub identified: Identified,
    /// Its tensors, named as the family names them.
    pub container: Container,
    /// Facts from the JSON files beside it.
    pub config: FolderConfig,
    /// The folder with `config.json`, the text tokenizer and the weights.
    pub folder: ModelFolder,
}

impl Opened {
    /// Opens and identifies the weights at `path`.
    ///
    /// # Errors
    /// Those of [`Container::open`] and [`identify`].
    pub fn open(path: &Path, weight_set: Option<&str>) -> Result<Self, CheckpointError> {
        let container = Container::open_weight_set(path, weight_set)?;
        let folder = ModelFolder::of(container.path());
        Self::identify(container, folder)
    }

    /// Identifies weights by the files beside them.
    ///
    /// # Errors
    /// Those of [`FolderConfig::of`] and [`identify`].
    pub(super) fn identify(
        container: Container,
        folder: ModelFolder,
    ) -> Result<Self, CheckpointError> {
        let config = FolderConfig::of(&folder)?;
        let identified = identify(&container, &config)?;
        let container = container.without_prefix(&identified.prefix);
        Ok(Self { identified, container, config, folder })
    }

    /// Weights for the family's model file. Announces the bytes to `progress`.
    pub fn into_var_builder(self, progress: &Arc<LoadProgress>) -> VarBuilder<'static> {
        progress.expect(self.identified.needed_bytes);
        self.container.into_var_builder(Arc::clone(progress))
    }
}

//! From open checkpoints that belong together to a model: image tokenizer, decoder, hash, card.

use crate::checkpoint::headers::Headers;
use crate::checkpoint::shapes::TensorShapes;
use crate::checkpoint::{LoadProgress, SourceFile, file_name, sha256};
use crate::compute::error::ModelError;
use crate::compute::precision::Precision;
use crate::compute::weights::Weights;
use crate::models::card::{Model, ModelCard, ModelIdentity};
use crate::models::families::FamilyDescription;
use crate::models::family::{DecoderPart, GridSource, LoadedDecoder};
use crate::opening::error::OpenError;
use crate::opening::identify::Identified;
use crate::opening::memory;
use crate::opening::opened::Opened;
use crate::opening::request::OpenRequest;
use crate::prompts::text_encoder::TextEncoderPart;
use crate::tokenizers::ImageTokenizer;
use crate::tokenizers::family::TokenizerPart;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Builder;

/// The parts of a model, before any weight is read.
pub(super) struct Parts {
    pub(super) decoder: Opened,
    pub(super) tokenizer: Opened,
    pub(super) text_encoder: Option<Opened>,
}

impl Parts {
    /// Reads all weights at `precision`; `progress` counts bytes and can cancel.
    ///
    /// # Errors
    /// Weights, configuration or grid that are damaged or do not fit each other, or cancellation.
    pub(super) fn into_model(
        self,
        request: &OpenRequest,
        precision: Precision,
        progress: &Arc<LoadProgress>,
    ) -> Result<Model, OpenError> {
        let identified = self.decoder.identified.clone();
        let files = [self.decoder.container.files(), self.tokenizer.container.files()].concat();
        let others = [Some(&self.tokenizer), self.text_encoder.as_ref()].into_iter().flatten();
        let parts = std::iter::once(&self.decoder).chain(others);
        let notes = parts.filter_map(|part| part.identified.note.clone()).collect();
        let load = || self.load(request, precision, progress);
        let ((decoder, tokenizer), sha256) = while_hashing(&files, progress, load)?;
        Ok(model(request, precision, &identified, decoder, tokenizer, sha256, notes))
    }

    fn load(
        self,
        request: &OpenRequest,
        precision: Precision,
        progress: &Arc<LoadProgress>,
    ) -> Result<(LoadedDecoder, Box<dyn ImageTokenizer>), ModelError> {
        let of_tokenizer = self.tokenizer.container.path().to_path_buf();
        let of_decoder = self.decoder.container.path().to_path_buf();
        let tokenizer =
            load_tokenizer(self.tokenizer, progress).map_err(|error| error.about(&of_tokenizer))?;
        let identified = self.decoder.identified.clone();
        let FamilyDescription::Decoder(family) = identified.family.description() else {
            return Err(ModelError::Internal("an image tokenizer was taken for a decoder"));
        };
        let guessed = identified.grid.map(|grid| (grid.rows, grid.columns));
        let (config, folder) = (self.decoder.config.clone(), self.decoder.folder.clone());
        let shapes = TensorShapes::of(&self.decoder.container, "");
        let file_name = file_name(self.decoder.container.path());
        let weights = Weights::new(self.decoder.into_var_builder(progress), precision)
            .on(&request.device.open()?)
            .with_activations(memory::activation_number(&identified, precision));
        let decoder = (family.load)(DecoderPart {
            headers: Headers { shapes: &shapes, config: &config, file_name: &file_name },
            weights,
            folder: &folder,
            grid: request.grid.or(guessed).ok_or(ModelError::Internal("no grid was guessed"))?,
            tokenizer: tokenizer.info(),
            text_encoder: self.text_encoder.map(text_encoder_part),
        })
        .map_err(|error| error.about(&of_decoder))?;
        let codes = decoder.decoder.info().codebook_size;
        check_codes(&identified.name, codes, tokenizer.as_ref())?;
        Ok((decoder, tokenizer))
    }
}

fn load_tokenizer(
    opened: Opened,
    progress: &Arc<LoadProgress>,
) -> Result<Box<dyn ImageTokenizer>, ModelError> {
    let FamilyDescription::ImageTokenizer(family) = opened.identified.family.description() else {
        return Err(ModelError::Internal("a decoder was taken for an image tokenizer"));
    };
    let config = opened.config.clone();
    let shapes = TensorShapes::of(&opened.container, "");
    (family.load)(TokenizerPart {
        shapes: &shapes,
        config: &config,
        weights: Weights::new(opened.into_var_builder(progress), Precision::F32),
    })
}

/// Weights that are opened whenever a prompt has to be encoded.
fn text_encoder_part(encoder: Opened) -> TextEncoderPart {
    let path = encoder.container.path().to_path_buf();
    TextEncoderPart {
        folder: encoder.folder,
        config: encoder.config,
        weights: Box::new(move || {
            let opened = Opened::open(&path, None)?;
            let progress = Arc::new(LoadProgress::default());
            Ok((opened.into_var_builder(&progress), progress))
        }),
    }
}

fn model(
    request: &OpenRequest,
    precision: Precision,
    identified: &Identified,
    decoder: LoadedDecoder,
    tokenizer: Box<dyn ImageTokenizer>,
    sha256: String,
    notes: Vec<String>,
) -> Model {
    let LoadedDecoder { decoder, layout, conditions, mut defaults } = decoder;
    let name = card_name(identified, layout.rows(), layout.columns());
    // Other weights of one file are another model, too.
    let weight_set = request.weight_set.as_deref();
    let name = weight_set.map_or(name.clone(), |set| format!("{name}, {set} weights"));
    // A filter that keeps every code is none.
    let codes = decoder.info().codebook_size;
    defaults.sampling.top_k = defaults.sampling.top_k.filter(|&k| k < codes);
    let card = ModelCard {
        identity: ModelIdentity {
            name,
            family: identified.family.to_string(),
            sha256,
            precision,
            device: request.device,
        },
        decoder: decoder.info().clone(),
        tokenizer: tokenizer.info().clone(),
        layout,
        conditions,
        defaults,
        live: false,
        notes,
    };
    Model { card: Arc::new(card), decoder, tokenizer }
}

/// Hashes the weight files, the decoder's first, while `load` builds tensors from them: whoever comes
/// second to a block finds it in the system's cache, so the disk gives each file once.
fn while_hashing<T>(
    files: &[Arc<SourceFile>],
    progress: &LoadProgress,
    load: impl FnOnce() -> Result<T, ModelError>,
) -> Result<(T, String), OpenError> {
    progress.expect(files.iter().map(|file| file.length()).sum());
    let abandoned = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let hash = || sha256(files, progress, &abandoned);
        let hashing = Builder::new().name("hash".into()).spawn_scoped(scope, hash);
        let loaded = load();
        abandoned.store(loaded.is_err(), Ordering::Relaxed);
        let hash = match hashing {
            Ok(hashing) => hashing.join().map_err(|_| ModelError::Internal("hashing panicked")),
            // No thread: one after the other.
            Err(_) => Ok(sha256(files, progress, &abandoned)),
        }?;
        Ok((loaded?, hash?))
    })
}

fn check_codes(name: &str, drawn: usize, tokenizer: &dyn ImageTokenizer) -> Result<(), ModelError> {
    let info = tokenizer.info();
    if drawn == info.codebook_size {
        return Ok(());
    }
    Err(ModelError::Config(format!(
        "{name} draws {drawn} codes and {} knows {}; choose the image tokenizer it was trained with",
        info.name, info.codebook_size
    )))
}

/// The grid is part of the name where it is a choice: runs at another grid are another model's.
fn card_name(decoder: &Identified, rows: usize, columns: usize) -> String {
    match decoder.grid {
        Some(grid) if grid.source != GridSource::Weights => {
            format!("{}, {rows} × {columns}", decoder.name)
        }
        _ => decoder.name.clone(),
    }
}

//! From open checkpoints that belong together to a model: image tokenizer, decoder, hash, card; or to a
//! decoder alone, which is all that measuring needs.

use crate::checkpoint::headers::Headers;
use crate::checkpoint::shapes::TensorShapes;
use crate::checkpoint::{LoadProgress, SourceFile, file_name, sha256};
use crate::compute::device_kind::DeviceKind;
use crate::compute::error::ModelError;
use crate::compute::precision::Precision;
use crate::compute::weights::Weights;
use crate::models::card::{Model, ModelCard, ModelIdentity};
use crate::models::families::FamilyDescription;
use crate::models::family::{DecoderPart, GridSource, ImageCodes, LoadedDecoder};
use crate::opening::error::OpenError;
use crate::opening::identify::{Geometry, Identified};
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
        let files = [self.decoder.container.files(), self.tokenizer.container.files()].concat();
        let note = self.tokenizer.identified.note.clone();
        let load = || self.load(request, precision, progress);
        let ((mut decoder, tokenizer), sha256) = while_hashing(&files, progress, load)?;
        decoder.notes.extend(note);
        Ok(model(decoder, tokenizer, sha256))
    }

    fn load(
        self,
        request: &OpenRequest,
        precision: Precision,
        progress: &Arc<LoadProgress>,
    ) -> Result<(OpenedDecoder, Box<dyn ImageTokenizer>), ModelError> {
        let Self { decoder, tokenizer, text_encoder } = self;
        let decoder = DecoderParts { decoder, text_encoder };
        let (decoder, tokenizer) = match codes_by_headers(&tokenizer.identified) {
            Some(codes) => std::thread::scope(|scope| {
                let load = || load_tokenizer(tokenizer, progress);
                let name = "image-tokenizer".into();
                let tokenizer = Builder::new().name(name).spawn_scoped(scope, load);
                let decoder = decoder.load(codes, request, precision, progress);
                let tokenizer = tokenizer
                    .map_err(|_| ModelError::Internal("the system gives no thread to load with"))?
                    .join()
                    .map_err(|_| ModelError::Internal("loading the image tokenizer panicked"))??;
                Ok::<_, ModelError>((decoder?, tokenizer))
            })?,
            // Only the loaded tokenizer tells how many codes there are.
            None => {
                let tokenizer = load_tokenizer(tokenizer, progress)?;
                let info = tokenizer.info();
                let codes = ImageCodes {
                    source: info.name.clone(),
                    count: info.codebook_size,
                    pixels_per_token: Some(info.pixels_per_token),
                };
                (decoder.load(codes, request, precision, progress)?, tokenizer)
            }
        };
        let codes = decoder.loaded.decoder.info().codebook_size;
        check_codes(&decoder.name, codes, tokenizer.as_ref())?;
        Ok((decoder, tokenizer))
    }
}

/// The parts of a decoder, before any weight is read.
pub(super) struct DecoderParts {
    pub(super) decoder: Opened,
    pub(super) text_encoder: Option<Opened>,
}

impl DecoderParts {
    /// Reads the decoder's weights alone; nothing of it turns codes to pixels.
    ///
    /// # Errors
    /// Those of [`Parts::into_model`]; nothing tells how many codes it draws.
    pub(super) fn into_decoder(
        self,
        request: &OpenRequest,
        precision: Precision,
        progress: &Arc<LoadProgress>,
    ) -> Result<OpenedDecoder, ModelError> {
        let identified = &self.decoder.identified;
        let codes = identified.codebook_size().ok_or_else(|| {
            ModelError::Config(format!(
                "nothing tells how many image codes {} draws; choose its image tokenizer as well",
                identified.name
            ))
        })?;
        let source = identified.name.clone();
        let codes = ImageCodes { source, count: codes, pixels_per_token: None };
        self.load(codes, request, precision, progress)
    }

    fn load(
        self,
        codes: ImageCodes,
        request: &OpenRequest,
        precision: Precision,
        progress: &Arc<LoadProgress>,
    ) -> Result<OpenedDecoder, ModelError> {
        let path = self.decoder.container.path().to_path_buf();
        let parts = std::iter::once(&self.decoder).chain(&self.text_encoder);
        let notes = parts.filter_map(|part| part.identified.note.clone()).collect();
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
        let loaded = (family.load)(DecoderPart {
            headers: Headers { shapes: &shapes, config: &config, file_name: &file_name },
            weights,
            folder: &folder,
            grid: request.grid.or(guessed).ok_or(ModelError::Internal("no grid was guessed"))?,
            codes,
            text_encoder: self.text_encoder.map(text_encoder_part),
        })
        .map_err(|error| error.about(&path))?;
        let name = card_name(&identified, loaded.layout.rows(), loaded.layout.columns());
        // Other weights of one file are another model, too.
        let weight_set = request.weight_set.as_deref();
        let name = weight_set.map_or(name.clone(), |set| format!("{name}, {set} weights"));
        let family = identified.family.to_string();
        Ok(OpenedDecoder { name, family, precision, device: request.device, loaded, notes })
    }
}

/// A decoder that runs, without an image tokenizer.
pub struct OpenedDecoder {
    /// Name of the model.
    pub name: String,
    /// Its family.
    pub family: String,
    /// How its weights are held.
    pub precision: Precision,
    /// Where it decodes.
    pub device: DeviceKind,
    /// The decoder, and what can be asked of it.
    pub loaded: LoadedDecoder,
    /// What a person should know of its files.
    pub notes: Vec<String>,
}

/// What an image tokenizer's headers tell of its codes, if they tell how many there are.
fn codes_by_headers(tokenizer: &Identified) -> Option<ImageCodes> {
    let Geometry::ImageTokenizer(geometry) = &tokenizer.geometry else { return None };
    Some(ImageCodes {
        source: tokenizer.name.clone(),
        count: geometry.codebook_size?,
        pixels_per_token: Some(geometry.pixels_per_token),
    })
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
    let path = opened.container.path().to_path_buf();
    (family.load)(TokenizerPart {
        shapes: &shapes,
        config: &config,
        weights: Weights::new(opened.into_var_builder(progress), Precision::F32),
    })
    .map_err(|error| error.about(&path))
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

fn model(opened: OpenedDecoder, tokenizer: Box<dyn ImageTokenizer>, sha256: String) -> Model {
    let OpenedDecoder { name, family, precision, device, loaded, notes } = opened;
    let LoadedDecoder { decoder, layout, conditions, mut defaults } = loaded;
    // A filter that keeps every code is none.
    let codes = decoder.info().codebook_size;
    defaults.sampling.top_k = defaults.sampling.top_k.filter(|&k| k < codes);
    let card = ModelCard {
        identity: ModelIdentity { name, family, sha256, precision, device },
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

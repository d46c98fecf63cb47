//! From chosen paths to a running [`Model`]: what was found ([`survey`]), then the model itself
//! ([`open`]). The window, the command line and the tests open every family through these two.
//!
//! Order: inspection of headers, completeness, memory, image tokenizer, decoder, card. Weights are
//! read only once everything before has passed, so whatever is refused costs nothing.

use crate::checkpoint::shapes::TensorShapes;
use crate::checkpoint::{CheckpointError, LoadProgress, SourceFile, sha256};
use crate::compute::device_kind::DeviceKind;
use crate::compute::error::ModelError;
use crate::compute::precision::Precision;
use crate::compute::weights::Weights;
use crate::models::card::{Model, ModelCard, ModelIdentity};
use crate::opening::companions::cache_roots;
use crate::opening::decoders::{self, DecoderPart, LoadedDecoder};
use crate::opening::error::OpenError;
use crate::opening::grid_that_fits::with_grid_that_fits;
use crate::opening::identify::{Conditioning, Geometry, GridSource, Identified};
use crate::opening::inspect::{InspectOptions, Inspection, Opened, inspect};
use crate::opening::memory;
use crate::opening::memory::{MemoryPlan, RunSize};
use crate::opening::tokenizers;
use crate::tokenizers::ImageTokenizer;
use candle_core::Device;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Builder;

/// Rows that memory is planned for: two lanes of two branches, and a clean branch beside them.
const PLANNED_ROWS: usize = 5;
/// Positions that memory is planned for before a prompt is known.
const PLANNED_PROMPT: usize = 256;

/// What a person asks to open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OpenRequest {
    /// Weight files, an index, folders; the decoder among them, companions too if they lie elsewhere.
    pub paths: Vec<PathBuf>,
    /// The image tokenizer, where it is not found beside the decoder.
    pub tokenizer: Option<PathBuf>,
    /// How linear layers are stored; `None` is the number type of the file ([`memory::default_precision`]).
    pub precision: Option<Precision>,
    /// Rows and columns of the token grid, where the weights do not fix it; `None` is the guess.
    pub grid: Option<(usize, usize)>,
    /// Key of a training file whose weights are taken, for example `ema`.
    pub weight_set: Option<String>,
    /// Where the decoder is put.
    pub device: DeviceKind,
}

impl OpenRequest {
    /// Opens `paths` as they are.
    pub fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { paths: paths.into_iter().collect(), ..Self::default() }
    }
}

/// What opening depends on beside the files; given by the caller, so that tests can choose it.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Folders of the Hugging Face cache, where companions are looked for.
    pub caches: Vec<PathBuf>,
    /// Bytes of memory free; `None` is unknown and refuses nothing.
    pub free_memory: Option<u64>,
    /// Bytes more that closing the model in use would free.
    pub reclaimable: u64,
}

impl Surroundings {
    /// Those of this machine, now.
    pub fn of_this_machine() -> Self {
        Self { caches: cache_roots(), free_memory: memory::free_memory(), reclaimable: 0 }
    }

    /// The same for a decoder on a device: how much memory others than the CPU have is not known here,
    /// and theirs to refuse.
    pub(crate) fn on(self, device: DeviceKind) -> Self {
        Self { free_memory: self.free_memory.filter(|_| device == DeviceKind::Cpu), ..self }
    }
}

/// Opens a model. `progress` counts the bytes that are read and can cancel.
///
/// # Errors
/// Those of [`survey`]; something missing, with its file name and where it is published; not enough
/// memory, with the precisions that would fit; a grid the model does not draw; weights that are
/// damaged or do not fit; [`CheckpointError::Cancelled`].
pub fn open(
    request: &OpenRequest,
    surroundings: &Surroundings,
    progress: &Arc<LoadProgress>,
) -> Result<Model, OpenError> {
    let model = open_parts(request, surroundings, progress);
    // The tensor library wraps errors of reading; a person who cancelled only cancelled.
    match (model, progress.take_failure()) {
        (_, _) if progress.is_cancelled() => Err(CheckpointError::Cancelled.into()),
        (Err(_), Some(failure)) => Err(failure.into()),
        (model, _) => model,
    }
}

fn open_parts(
    request: &OpenRequest,
    surroundings: &Surroundings,
    progress: &Arc<LoadProgress>,
) -> Result<Model, OpenError> {
    let device = request.device.open()?;
    let inspection = look(request, surroundings)?;
    inspection.complete()?;
    let missing = || ModelError::Internal("a complete model lacks a part");
    let identified = inspection
        .decoder
        .as_ref()
        .map(|decoder| decoder.identified.clone())
        .ok_or_else(missing)?;
    check_grid(&identified, request.grid)?;
    let precision = request.precision.unwrap_or_else(|| memory::default_precision(&identified));
    request.device.check(precision)?;
    // The memory of other devices is theirs to refuse.
    if request.device == DeviceKind::Cpu {
        plan(&inspection, &identified, request, surroundings)
            .check(&identified.name, precision)
            .map_err(|error| {
                with_grid_that_fits(error, &inspection, &identified, request, surroundings)
            })?;
    }

    let Inspection { decoder, tokenizer, text_encoder, .. } = inspection;
    let (decoder, tokenizer) = (decoder.ok_or_else(missing)?, tokenizer.ok_or_else(missing)?);
    let files = [decoder.container.files(), tokenizer.container.files()].concat();
    let parts = Parts { decoder, tokenizer, text_encoder, identified, precision, device };
    let (parts, sha256) = while_hashing(&files, progress, || parts.load(request, progress))?;
    Ok(parts.into_model(request, sha256))
}

/// What is opened, before any weight is read.
struct Parts {
    decoder: Opened,
    tokenizer: Opened,
    text_encoder: Option<Opened>,
    identified: Identified,
    precision: Precision,
    device: Device,
}

/// Everything of a model but the hash of its files.
struct LoadedParts {
    decoder: LoadedDecoder,
    tokenizer: Box<dyn ImageTokenizer>,
    identified: Identified,
    precision: Precision,
}

impl Parts {
    fn load(
        self,
        request: &OpenRequest,
        progress: &Arc<LoadProgress>,
    ) -> Result<LoadedParts, ModelError> {
        let Self { decoder, tokenizer, text_encoder, identified, precision, device } = self;
        let tokenizer = tokenizers::load(tokenizer, progress)?;
        let part = DecoderPart {
            shapes: shapes_of(&decoder),
            folder: decoder.folder.clone(),
            weights: Weights::new(decoder.into_var_builder(progress), precision)
                .on(&device)
                .with_activations(memory::activation_number(&identified, precision)),
            grid: request.grid.or_else(|| identified.grid.map(|grid| (grid.rows, grid.columns))),
            tokenizer: tokenizer.info(),
            text_encoder,
            identified: &identified,
        };
        let decoder = decoders::load(part)?;
        let codes = decoder.decoder.info().codebook_size;
        check_codes(&identified.name, codes, tokenizer.as_ref())?;
        Ok(LoadedParts { decoder, tokenizer, identified, precision })
    }
}

impl LoadedParts {
    fn into_model(self, request: &OpenRequest, sha256: String) -> Model {
        let Self { decoder: LoadedDecoder { decoder, layout, conditions, mut defaults }, .. } =
            self;
        let name = card_name(&self.identified, layout.rows(), layout.columns());
        // Other weights of one file are another model, too.
        let weight_set = request.weight_set.as_deref();
        let name = weight_set.map_or(name.clone(), |set| format!("{name}, {set} weights"));
        // A filter that keeps every code is none.
        let codes = decoder.info().codebook_size;
        defaults.sampling.top_k = defaults.sampling.top_k.filter(|&k| k < codes);
        let card = ModelCard {
            identity: ModelIdentity {
                name,
                family: self.identified.family.to_string(),
                sha256,
                precision: self.precision,
                device: request.device,
            },
            decoder: decoder.info().clone(),
            tokenizer: self.tokenizer.info().clone(),
            layout,
            conditions,
            defaults,
            live: false,
        };
        Model { card: Arc::new(card), decoder, tokenizer: self.tokenizer }
    }
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

/// Headers only: what the request's paths are, with their companions.
pub(super) fn look(
    request: &OpenRequest,
    surroundings: &Surroundings,
) -> Result<Inspection, OpenError> {
    let options = InspectOptions {
        caches: surroundings.caches.clone(),
        weight_set: request.weight_set.clone(),
        tokenizer: request.tokenizer.clone(),
    };
    Ok(inspect(&request.paths, &options)?)
}

pub(super) fn plan(
    inspection: &Inspection,
    decoder: &Identified,
    request: &OpenRequest,
    surroundings: &Surroundings,
) -> MemoryPlan {
    let grid = request.grid.or(decoder.grid.map(|grid| (grid.rows, grid.columns)));
    let run = RunLength::of(decoder).size(grid);
    let identified = |part: &Option<Opened>| part.as_ref().map(|part| part.identified.clone());
    let (tokenizer, encoder) =
        (identified(&inspection.tokenizer), identified(&inspection.text_encoder));
    memory::plan(decoder, tokenizer.as_ref(), encoder.as_ref(), run, surroundings.free_memory)
}

/// What the length of a model's runs depends on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct RunLength {
    /// Positions before the image.
    prefix: usize,
    /// Image tokens, where the weights fix them.
    image_tokens: Option<usize>,
}

impl RunLength {
    pub(super) fn of(decoder: &Identified) -> Self {
        let Geometry::Decoder(geometry) = &decoder.geometry else { return Self::default() };
        let prefix = match geometry.conditioning {
            Conditioning::Classes(_) => 1,
            Conditioning::Caption { positions, .. } => positions,
            Conditioning::Prompt { .. } => PLANNED_PROMPT,
        };
        Self { prefix, image_tokens: geometry.image_tokens }
    }

    /// The size of a run that draws this grid.
    pub(super) fn size(self, grid: Option<(usize, usize)>) -> RunSize {
        // One more a row: forced row ends.
        let drawn = |(rows, columns): (usize, usize)| rows.saturating_mul(columns + 1);
        let tokens = self.image_tokens.or(grid.map(drawn)).unwrap_or_default();
        RunSize { rows: PLANNED_ROWS, positions: self.prefix.saturating_add(tokens) }
    }
}

/// A grid that was asked for must be one the model can draw.
fn check_grid(decoder: &Identified, asked: Option<(usize, usize)>) -> Result<(), ModelError> {
    let Some((rows, columns)) = asked else { return Ok(()) };
    // 256 by 256 tokens are more than any model has positions for.
    if !(1..=256).contains(&rows) || !(1..=256).contains(&columns) {
        return Err(ModelError::Config(format!(
            "a grid of {rows} × {columns} tokens; choose 1 to 256 rows and columns"
        )));
    }
    match decoder.grid {
        Some(grid)
            if grid.source == GridSource::Weights
                && (grid.rows, grid.columns) != (rows, columns) =>
        {
            Err(ModelError::Config(format!(
                "{} draws {} × {} tokens, which its weights fix; leave the grid of {rows} × {columns} out",
                decoder.name, grid.rows, grid.columns
            )))
        }
        _ => Ok(()),
    }
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

/// Names and shapes of an open checkpoint.
pub(super) fn shapes_of(opened: &Opened) -> TensorShapes {
    let entries = opened.container.entries().iter();
    entries.map(|entry| (entry.name.clone(), entry.shape.clone())).collect()
}

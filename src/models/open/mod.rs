//! From chosen paths to a running [`Model`]: what was found ([`survey`]), then the model itself
//! ([`open`]). The window, the command line and the tests open every family through these two.
//!
//! Order: inspection of headers, completeness, memory, image tokenizer, decoder, card. Weights are
//! read only once everything before has passed, so whatever is refused costs nothing.

mod captions;
mod decoders;
mod grid_that_fits;
mod tokenizers;

use crate::models::card::{Model, ModelCard, ModelIdentity};
use crate::models::checkpoint::memory::{self, MemoryPlan, RunSize};
use crate::models::checkpoint::{
    CheckpointError, Conditioning, ElementType, Geometry, GridGuess, GridSource, Identified,
    InspectOptions, Inspection, LoadProgress, Opened, bytes_text, cache_roots, inspect,
};
use crate::models::error::ModelError;
use crate::models::linear::Precision;
use crate::models::shapes::TensorShapes;
use crate::models::tokenizer::ImageTokenizer;
use decoders::DecoderPart;
use grid_that_fits::with_grid_that_fits;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;

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
    /// How linear layers are stored; `None` is the number type of the file ([`default_precision`]).
    pub precision: Option<Precision>,
    /// Rows and columns of the token grid, where the weights do not fix it; `None` is the guess.
    pub grid: Option<(usize, usize)>,
    /// Key of a training file whose weights are taken, for example `ema`.
    pub weight_set: Option<String>,
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
}

impl Surroundings {
    /// Those of this machine, now.
    pub fn of_this_machine() -> Self {
        Self { caches: cache_roots(), free_memory: memory::free_memory() }
    }
}

/// A precision as it is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrecisionOffer {
    /// How linear layers would be stored.
    pub precision: Precision,
    /// The most memory that is held at any time, in bytes.
    pub peak: u64,
    /// Whether that is free; `None` if unknown.
    pub fits: Option<bool>,
}

impl PrecisionOffer {
    /// Memory, speed and what it changes, in one line.
    pub fn cost(&self) -> String {
        format!("{}, {}", bytes_text(self.peak), precision_cost(self.precision))
    }
}

/// What a precision does to speed and numbers. The bounds are those of the rounding itself: bf16 keeps
/// 8 significant bits, 8-bit weights are 127 steps to either side of the largest of their row.
pub fn precision_cost(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "reads 4 bytes a weight, exact",
        Precision::Bf16 => {
            "reads 2 bytes a weight, each differs from f32 by at most 0.4 % of itself (exact for bf16 files)"
        }
        Precision::Int8 => {
            "reads 1 byte a weight, each differs from f32 by at most 0.4 % of the largest of its row"
        }
    }
}

/// What was found at the paths of a request, without any weight read.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelOffer {
    /// What was asked for.
    pub request: OpenRequest,
    /// Name of the decoder, or of what was chosen in its place.
    pub name: String,
    /// One line for each part that was found: "AliTok-L decoder, 318 M, f32, 1.27 GB".
    pub found: Vec<String>,
    /// What is missing, by its exact file name and where it is published; nothing can be opened
    /// while this is not empty.
    pub missing: Vec<String>,
    /// Files that were looked at and left out, with the reason.
    pub notes: Vec<String>,
    /// Every precision with its cost, the largest first.
    pub precisions: Vec<PrecisionOffer>,
    /// The precision that is taken if none is asked for.
    pub default_precision: Precision,
    /// The grid, and where it comes from.
    pub grid: Option<GridGuess>,
}

impl ModelOffer {
    /// Whether the grid can be changed.
    pub fn grid_is_free(&self) -> bool {
        self.grid.is_some_and(|grid| grid.source != GridSource::Weights)
    }

    /// Bytes that opening with `precision` takes at its peak.
    pub fn peak(&self, precision: Precision) -> Option<u64> {
        let offer = self.precisions.iter().find(|offer| offer.precision == precision)?;
        Some(offer.peak)
    }

    /// The precision that will be loaded.
    pub fn precision(&self) -> Precision {
        self.request.precision.unwrap_or(self.default_precision)
    }
}

/// Looks at a request and says what it is, what is missing, and what it would cost.
///
/// # Errors
/// A path that cannot be read or identified, or parts that do not belong together.
pub fn survey(
    request: &OpenRequest,
    surroundings: &Surroundings,
) -> Result<ModelOffer, ModelError> {
    let inspection = look(request, surroundings)?;
    let missing = match inspection.complete() {
        Ok(()) => Vec::new(),
        Err(CheckpointError::MissingCompanion(text)) => vec![text],
        Err(error) => return Err(error.into()),
    };
    let found = inspection.summary();
    let any = [&inspection.decoder, &inspection.tokenizer, &inspection.text_encoder];
    let name = any.into_iter().flatten().next().map(|part| part.identified.name.clone());
    let decoder = inspection.decoder.as_ref().map(|decoder| &decoder.identified);
    let mut offer = ModelOffer {
        request: request.clone(),
        name: name.unwrap_or_default(),
        found,
        missing,
        notes: inspection.notes.clone(),
        precisions: Vec::new(),
        default_precision: decoder.map_or(Precision::F32, default_precision),
        grid: decoder.and_then(|decoder| decoder.grid),
    };
    if let Some(opened) = inspection.decoder.as_ref()
        && let others @ [_, ..] = opened.container.alternatives()
    {
        offer.notes.push(format!(
            "the file holds other weights too ({}); --weight-set takes them",
            others.join(", ")
        ));
    }
    if let Some(decoder) = decoder {
        let plan = plan(&inspection, decoder, request, surroundings);
        offer.precisions = plan
            .choices
            .iter()
            .map(|choice| PrecisionOffer {
                precision: choice.precision,
                peak: choice.need.peak,
                fits: choice.fits,
            })
            .collect();
    }
    Ok(offer)
}

/// The precision that keeps the numbers of the file: bf16 for bf16 files, else f32.
pub fn default_precision(decoder: &Identified) -> Precision {
    match decoder.dtype {
        ElementType::Bf16 => Precision::Bf16,
        _ => Precision::F32,
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
) -> Result<Model, ModelError> {
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
) -> Result<Model, ModelError> {
    let inspection = look(request, surroundings)?;
    inspection.complete()?;
    let missing = || ModelError::Internal("a complete model lacks a part");
    let identified = inspection
        .decoder
        .as_ref()
        .map(|decoder| decoder.identified.clone())
        .ok_or_else(missing)?;
    check_grid(&identified, request.grid)?;
    let precision = request.precision.unwrap_or_else(|| default_precision(&identified));
    plan(&inspection, &identified, request, surroundings)
        .check(&identified.name, precision)
        .map_err(|error| {
            with_grid_that_fits(error, &inspection, &identified, request, surroundings)
        })?;

    let Inspection { decoder, tokenizer, text_encoder, .. } = inspection;
    let (decoder, tokenizer) = (decoder.ok_or_else(missing)?, tokenizer.ok_or_else(missing)?);
    let sha256 = sha256(&[&decoder, &tokenizer], progress)?;
    let tokenizer = tokenizers::load(tokenizer, progress)?;
    let part = DecoderPart {
        shapes: shapes_of(&decoder),
        folder: decoder.folder.clone(),
        builder: decoder.into_var_builder(progress),
        precision,
        grid: request.grid.or_else(|| identified.grid.map(|grid| (grid.rows, grid.columns))),
        tokenizer: tokenizer.info(),
        text_encoder,
        identified: &identified,
    };
    let loaded = decoders::load(part)?;
    check_codes(&identified.name, loaded.decoder.info().codebook_size, tokenizer.as_ref())?;
    let mut defaults = loaded.defaults;
    // A filter that keeps every code is none.
    let codes = loaded.decoder.info().codebook_size;
    defaults.sampling.top_k = defaults.sampling.top_k.filter(|&k| k < codes);
    let card = ModelCard {
        identity: ModelIdentity {
            name: card_name(&identified, loaded.layout.rows(), loaded.layout.columns()),
            family: identified.family.to_string(),
            sha256,
            precision,
        },
        decoder: loaded.decoder.info().clone(),
        tokenizer: tokenizer.info().clone(),
        layout: loaded.layout,
        conditions: loaded.conditions,
        defaults,
        live: false,
    };
    Ok(Model { card: Arc::new(card), decoder: loaded.decoder, tokenizer })
}

/// Headers only: what the request's paths are, with their companions.
fn look(request: &OpenRequest, surroundings: &Surroundings) -> Result<Inspection, ModelError> {
    let mut paths = request.paths.clone();
    paths.extend(request.tokenizer.clone());
    let options = InspectOptions {
        caches: surroundings.caches.clone(),
        weight_set: request.weight_set.clone(),
    };
    Ok(inspect(&paths, &options)?)
}

fn plan(
    inspection: &Inspection,
    decoder: &Identified,
    request: &OpenRequest,
    surroundings: &Surroundings,
) -> MemoryPlan {
    let tokens =
        match (&decoder.geometry, request.grid.or(decoder.grid.map(|g| (g.rows, g.columns)))) {
            (Geometry::Decoder(geometry), grid) => geometry
                .image_tokens
                // One more a row: forced row ends.
                .unwrap_or_else(|| {
                    grid.map_or(0, |(rows, columns)| rows.saturating_mul(columns + 1))
                }),
            _ => 0,
        };
    let prefix = match &decoder.geometry {
        Geometry::Decoder(geometry) => match geometry.conditioning {
            Conditioning::Classes(_) => 1,
            Conditioning::Caption { positions, .. } => positions,
            Conditioning::Prompt { .. } => PLANNED_PROMPT,
        },
        _ => 0,
    };
    let run = RunSize { rows: PLANNED_ROWS, positions: prefix.saturating_add(tokens) };
    let identified = |part: &Option<Opened>| part.as_ref().map(|part| part.identified.clone());
    let (tokenizer, encoder) =
        (identified(&inspection.tokenizer), identified(&inspection.text_encoder));
    memory::plan(decoder, tokenizer.as_ref(), encoder.as_ref(), run, surroundings.free_memory)
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

/// SHA-256 over all weight files, the decoder's first.
fn sha256(parts: &[&Opened], progress: &LoadProgress) -> Result<String, ModelError> {
    progress.expect(parts.iter().map(|part| part.container.file_bytes()).sum());
    let mut hash = Sha256::new();
    for part in parts {
        part.container.hash_into(&mut hash, progress)?;
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Names and shapes of an open checkpoint.
fn shapes_of(opened: &Opened) -> TensorShapes {
    let entries = opened.container.entries().iter();
    entries.map(|entry| (entry.name.clone(), entry.shape.clone())).collect()
}

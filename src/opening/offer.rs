//! What is shown before anything is loaded: what was found, what is missing, and every
//! precision with its cost. Headers are read, and a few rows of weights to measure rounding.

use crate::compute::device_kind::DeviceKind;
use crate::compute::precision::Precision;
use crate::models::families::FamilyDescription;
use crate::models::family::{GridGuess, GridSource};
use crate::opening::amounts::bytes_text;
use crate::opening::companions::MissingPart;
use crate::opening::error::OpenError;
use crate::opening::identify::Geometry;
use crate::opening::inspect::Inspection;
use crate::opening::memory;
use crate::opening::memory::{Choice, Footprint};
use crate::opening::opened::Opened;
use crate::opening::planning::{RunLength, look, plan};
use crate::opening::request::{OpenRequest, SystemResources};
use crate::opening::rounding;
use std::fmt;
use std::path::PathBuf;

/// A precision as it is offered.
#[derive(Debug, Clone, PartialEq)]
pub struct PrecisionOffer {
    /// How linear layers would be stored.
    pub precision: Precision,
    /// The most memory that is held at any time, in bytes, at the grid that is asked for.
    pub peak: u64,
    /// Whether that is free; `None` if unknown.
    pub fits: Option<bool>,
    /// Bytes of weights that decoding one token reads.
    pub step_bytes: u64,
    /// How often that goes into what f32 reads: an upper bound of what the precision gains in speed.
    pub reads_less: f64,
    /// By how much products with the model's own weights differ from those in f32, as a relative
    /// root mean square; `None` if it was not measured.
    pub difference: Option<f64>,
    footprint: Footprint,
}

impl PrecisionOffer {
    /// Memory, speed and what it changes, in one line.
    pub fn cost(&self) -> String {
        let read = bytes_text(self.step_bytes);
        let difference = self.difference_text().map(|text| format!(", {text}")).unwrap_or_default();
        let speed = match self.reads_less {
            less if less > 1.05 => {
                format!("reads {read} a token (up to {less:.1} × as fast as f32)")
            }
            _ => format!("reads {read} a token"),
        };
        format!("{}, {speed}{difference}", bytes_text(self.peak))
    }

    /// "products differ from f32 by about 0.9 %", if it was measured.
    pub fn difference_text(&self) -> Option<String> {
        Some(match percent(self.difference?) {
            Some(percent) => format!("products differ from f32 by about {percent}"),
            None => "the same products as f32".to_owned(),
        })
    }

    /// "about 0.9 %", "not at all", or that it was not measured.
    pub fn short_difference(&self) -> String {
        match self.difference.map(percent) {
            Some(Some(percent)) => format!("by about {percent}"),
            Some(None) => "not at all".to_owned(),
            None => "not measured".to_owned(),
        }
    }
}

/// "0.17 %", two digits that mean something; `None` for no difference at all.
fn percent(difference: f64) -> Option<String> {
    let percent = 100.0 * difference;
    if percent < 1e-6 {
        return None;
    }
    let decimals = (1.0 - percent.log10().floor()).clamp(0.0, 6.0) as usize;
    Some(format!("{percent:.decimals$} %"))
}

/// A part of a model that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPart {
    /// "RAR-L decoder, 462 M, f32, 1.85 GB"
    pub summary: String,
    /// Its file, or its first shard.
    pub path: PathBuf,
}

impl fmt::Display for FoundPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.summary)
    }
}

/// What was found at the paths of a request, without the weights being loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelOffer {
    /// What was asked for.
    pub request: OpenRequest,
    /// Name of the decoder, or of what was chosen in its place.
    pub name: String,
    /// Each part that was found, the decoder first.
    pub found: Vec<FoundPart>,
    /// Only an image tokenizer or a text encoder was chosen.
    pub without_decoder: bool,
    /// What is missing, by its exact file name and where it is published; nothing can be opened
    /// while this is not empty.
    pub missing: Vec<MissingPart>,
    /// Files that were looked at and left out, with the reason.
    pub notes: Vec<String>,
    /// Keys of all weights in a training file, those that are taken first; empty where there is
    /// nothing to choose. `None` are the file's own beside which others lie.
    pub weight_sets: Vec<Option<String>>,
    /// Every precision with its cost, the largest first.
    pub precisions: Vec<PrecisionOffer>,
    /// The precision that is taken if none is asked for.
    pub default_precision: Precision,
    /// The grid, and where it comes from.
    pub grid: Option<GridGuess>,
    /// Whether rows and columns have to be equal.
    pub square: bool,
    /// Side of the square of pixels that one token draws, if the tokenizer was found.
    pub pixels_per_token: Option<usize>,
    /// Bytes of memory free; `None` if unknown.
    pub free_memory: Option<u64>,
    /// Bytes more that closing the model in use would free.
    pub reclaimable: u64,
    length: RunLength,
}

impl ModelOffer {
    /// Whether nothing has to be added.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && !self.without_decoder
    }

    /// Whether the grid can be changed.
    pub fn grid_is_free(&self) -> bool {
        self.grid.is_some_and(|grid| grid.source != GridSource::Weights)
    }

    /// Every precision with its cost at another grid of rows and columns.
    pub fn precisions_at(&self, grid: (usize, usize)) -> Vec<PrecisionOffer> {
        let run = self.length.size(Some(grid));
        let mut precisions = self.precisions.clone();
        for offer in &mut precisions {
            offer.peak = offer.footprint.need(run).peak;
            offer.fits = self.free_memory.map(|free| offer.peak <= free);
        }
        precisions
    }

    /// Bytes that opening with `precision` takes at its peak.
    pub fn peak(&self, precision: Precision) -> Option<u64> {
        let offer = self.precisions.iter().find(|offer| offer.precision == precision)?;
        Some(offer.peak)
    }

    /// Whether `peak` bytes are there once the model in use is closed.
    pub fn fits_alone(&self, peak: u64) -> bool {
        self.free_memory.is_none_or(|free| peak <= free.saturating_add(self.reclaimable))
    }

    /// The precision that will be loaded.
    pub fn precision(&self) -> Precision {
        self.request.precision.unwrap_or(self.default_precision)
    }
}

/// Looks at a request and says what it is, what is missing, and what it would cost. Reads a few
/// megabytes of the decoder's weights to measure what rounding does to them.
///
/// # Errors
/// A path that cannot be read or identified, or parts that do not belong together.
pub fn survey(request: &OpenRequest, resources: &SystemResources) -> Result<ModelOffer, OpenError> {
    let inspection = look(request, resources)?;
    let mut offer = offer(&inspection, request, resources);
    // Other devices round what bf16 weights multiply, which a measurement on the CPU does not see.
    let decoder = inspection.decoder.as_ref().filter(|_| request.device == DeviceKind::Cpu);
    if let Some(decoder) = decoder {
        // Weights that cannot be read are an error once they are loaded.
        if let Ok(measured) = rounding::measure(decoder) {
            for precision in &mut offer.precisions {
                precision.difference = measured.of(precision.precision);
            }
        }
    }
    Ok(offer)
}

/// As [`survey`], without a measurement: reads nothing but headers.
///
/// # Errors
/// Those of [`survey`].
pub fn survey_headers(
    request: &OpenRequest,
    resources: &SystemResources,
) -> Result<ModelOffer, OpenError> {
    Ok(offer(&look(request, resources)?, request, resources))
}

fn offer(
    inspection: &Inspection,
    request: &OpenRequest,
    resources: &SystemResources,
) -> ModelOffer {
    let parts = [&inspection.decoder, &inspection.tokenizer, &inspection.text_encoder];
    let parts = || parts.into_iter().flatten();
    let decoder = inspection.decoder.as_ref().map(|decoder| &decoder.identified);
    let resources = &resources.clone().on(request.device);
    let choices = decoder.map(|decoder| {
        let mut choices = plan(inspection, decoder, request, resources).choices;
        choices.retain(|choice| request.device.check(choice.precision).is_ok());
        choices
    });
    ModelOffer {
        request: request.clone(),
        name: parts().next().map(|part| part.identified.name.clone()).unwrap_or_default(),
        found: parts().map(found_part).collect(),
        without_decoder: decoder.is_none(),
        missing: inspection.lacking(),
        notes: inspection.all_notes(),
        weight_sets: inspection
            .decoder
            .as_ref()
            .map_or_else(Vec::new, |decoder| weight_sets(request, decoder)),
        precisions: choices.map(|choices| precision_offers(&choices)).unwrap_or_default(),
        default_precision: decoder.map_or(Precision::F32, memory::default_precision),
        grid: decoder.and_then(|decoder| decoder.grid),
        square: decoder.is_some_and(|decoder| {
            matches!(decoder.family.description(), FamilyDescription::Decoder(family) if family.square_grid)
        }),
        pixels_per_token: inspection.tokenizer.as_ref().and_then(pixels_per_token),
        free_memory: resources.free_memory,
        reclaimable: resources.reclaimable,
        length: decoder.map_or_else(RunLength::default, RunLength::of),
    }
}

fn found_part(part: &Opened) -> FoundPart {
    FoundPart { summary: part.identified.summary(), path: part.container.path().to_path_buf() }
}

fn pixels_per_token(tokenizer: &Opened) -> Option<usize> {
    match &tokenizer.identified.geometry {
        Geometry::ImageTokenizer(geometry) => Some(geometry.pixels_per_token),
        _ => None,
    }
}

/// The weights of a training file to choose from.
fn weight_sets(request: &OpenRequest, decoder: &Opened) -> Vec<Option<String>> {
    let taken = decoder.container.weight_set().map(str::to_owned);
    let others = decoder.container.alternatives();
    // Chosen by a key beside weights that have none.
    let back = (request.weight_set.is_some() && others.is_empty()).then_some(None);
    let others: Vec<Option<String>> = others.iter().cloned().map(Some).chain(back).collect();
    if others.is_empty() { Vec::new() } else { [vec![taken], others].concat() }
}

fn precision_offers(choices: &[Choice]) -> Vec<PrecisionOffer> {
    let read_in_f32 = choices.iter().find(|choice| choice.precision == Precision::F32);
    let read_in_f32 = read_in_f32.map_or(0, |choice| choice.footprint.step_bytes);
    let offers = choices.iter().map(|choice| PrecisionOffer {
        precision: choice.precision,
        peak: choice.need.peak,
        fits: choice.fits,
        step_bytes: choice.footprint.step_bytes,
        reads_less: read_in_f32 as f64 / choice.footprint.step_bytes.max(1) as f64,
        difference: None,
        footprint: choice.footprint,
    });
    offers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_have_two_digits() {
        let text = |difference| percent(difference);
        assert_eq!(text(0.0), None);
        assert_eq!(text(0.00166).as_deref(), Some("0.17 %"));
        assert_eq!(text(0.0094).as_deref(), Some("0.94 %"));
        assert_eq!(text(0.0123).as_deref(), Some("1.2 %"));
        assert_eq!(text(0.31).as_deref(), Some("31 %"));
    }
}

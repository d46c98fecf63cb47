//! Says what a checkpoint is, from names, shapes, the JSON files beside it and its own name.
//!
//! Each family reads its sizes off a few tensors, then lists every tensor that a model of these sizes
//! loads; the file is accepted when all of them are there with these shapes. Other tensors are ignored,
//! as the authors' own programs do. So every size of a known family is accepted, published or not,
//! and a file that is nearly right is refused with what differs.

use crate::checkpoint::folder_config::FolderConfig;
use crate::checkpoint::headers::Headers;
use crate::checkpoint::manifest::{ExpectedTensor, mismatches};
use crate::checkpoint::shapes::{TensorShapes, pattern};
use crate::checkpoint::{CheckpointError, Container, ElementType, file_name};
use crate::compute::error::ModelError;
use crate::models::families::{self, Family, FamilyDescription};
use crate::models::family::{CompanionNeed, DecoderGeometry, GridGuess, Role};
use crate::opening::amounts::{bytes_text, count_text};
use crate::prompts::text_encoder::EncoderGeometry;
use crate::tokenizers::family::TokenizerGeometry;
use std::collections::HashSet;
use strum::VariantArray;

/// What a checkpoint is.
#[derive(Debug, Clone, PartialEq)]
pub struct Identified {
    /// Family.
    pub family: Family,
    /// Published name, for example "RAR-L", or the family with its sizes.
    pub name: String,
    /// Sizes.
    pub geometry: Geometry,
    /// Numbers in the tensors of the model, encoder halves of tokenizers included.
    pub parameters: u64,
    /// Number type of most of them.
    pub dtype: ElementType,
    /// Bytes they take in the file.
    pub bytes: u64,
    /// Bytes of the tensors that loading reads: what the progress bar counts.
    pub needed_bytes: u64,
    /// What stands before the family's names in the file.
    pub prefix: String,
    /// Every tensor that the model needs.
    pub tensors: Vec<ExpectedTensor>,
    /// Number of tensors in the file that belong to no part of the model.
    pub ignored: usize,
    /// Grid of a decoder.
    pub grid: Option<GridGuess>,
    /// What a decoder needs beside its own weights.
    pub companions: Vec<CompanionNeed>,
    /// What of its `config.json` is not understood.
    pub note: Option<String>,
}

/// Sizes of whatever was identified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Geometry {
    /// Draws codes.
    Decoder(DecoderGeometry),
    /// Turns codes to pixels.
    ImageTokenizer(TokenizerGeometry),
    /// Turns text to rows.
    TextEncoder(EncoderGeometry),
}

impl Identified {
    /// What it is for.
    pub fn role(&self) -> Role {
        self.family.role()
    }

    /// One line: "RAR-L decoder, 462 M, f32, 1.85 GB".
    pub fn summary(&self) -> String {
        // Some names end with what they are.
        let name = self.name.strip_suffix(" tokenizer").unwrap_or(&self.name);
        format!(
            "{name} {}, {}, {}, {}",
            self.role(),
            count_text(self.parameters),
            self.dtype,
            bytes_text(self.bytes)
        )
    }

    /// Sizes of a decoder, `None` for anything else.
    pub fn decoder(&self) -> Option<&DecoderGeometry> {
        match &self.geometry {
            Geometry::Decoder(geometry) => Some(geometry),
            _ => None,
        }
    }

    /// Codes that a decoder draws or a tokenizer knows, where the files tell.
    pub fn codebook_size(&self) -> Option<usize> {
        match &self.geometry {
            Geometry::Decoder(g) => g.codebook_size,
            Geometry::ImageTokenizer(g) => g.codebook_size,
            Geometry::TextEncoder(_) => None,
        }
    }
}

/// A model of a family, as the headers describe it.
struct Described {
    name: String,
    geometry: Geometry,
    tensors: Vec<ExpectedTensor>,
    /// Beginnings of the names of tensors that belong to it and are not needed.
    other_parts: &'static [&'static str],
    grid: Option<GridGuess>,
    companions: Vec<CompanionNeed>,
}

impl Described {
    fn of(family: Family, headers: &Headers<'_>) -> Result<Self, ModelError> {
        Ok(match family.description() {
            FamilyDescription::Decoder(family) => {
                let decoder = (family.describe)(headers)?;
                Self {
                    name: decoder.name,
                    geometry: Geometry::Decoder(decoder.geometry),
                    tensors: decoder.tensors,
                    other_parts: &[],
                    grid: Some(decoder.grid),
                    companions: decoder.companions,
                }
            }
            FamilyDescription::ImageTokenizer(family) => {
                let tokenizer = (family.describe)(headers)?;
                Self {
                    name: tokenizer.name,
                    geometry: Geometry::ImageTokenizer(tokenizer.geometry),
                    tensors: tokenizer.tensors,
                    other_parts: tokenizer.other_parts,
                    grid: None,
                    companions: Vec::new(),
                }
            }
            FamilyDescription::TextEncoder(family) => {
                let encoder = (family.describe)(headers)?;
                Self {
                    name: encoder.name,
                    geometry: Geometry::TextEncoder(encoder.geometry),
                    tensors: encoder.tensors,
                    other_parts: &[],
                    grid: None,
                    companions: Vec::new(),
                }
            }
        })
    }
}

/// Identifies `container`, with the JSON files beside it read into `config`.
///
/// # Errors
/// [`CheckpointError::Unknown`] with the nearest family and the first three mismatches, or a needed
/// tensor of a number type that cannot be read.
pub fn identify(
    container: &Container,
    config: &FolderConfig,
) -> Result<Identified, CheckpointError> {
    let mut nearest: Option<(f64, Family, Vec<String>)> = None;
    let mut not_understood = None;
    let file_name = file_name(container.path());
    for &family in Family::VARIANTS {
        let prefix = prefix_of(container, family.signature().tensor);
        let shapes = TensorShapes::of(container, prefix.unwrap_or_default());
        let headers = Headers { shapes: &shapes, config, file_name: &file_name };
        let mismatches = match prefix.map(|_| Described::of(family, &headers)) {
            Some(Ok(described)) => {
                let mismatches = mismatches(&described.tensors, &shapes);
                if mismatches.is_empty() {
                    let prefix = prefix.unwrap_or_default();
                    return Ok(accept(container, config, family, prefix, described));
                }
                let needed: HashSet<&str> =
                    described.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
                not_understood =
                    not_understood.or(container.not_understood(|name| needed.contains(name)));
                mismatches
            }
            // The tensors are this family's, so what is wrong is the file beside them.
            Some(Err(ModelError::Files(error))) if lacking(family, &shapes).is_empty() => {
                match error.downcast::<CheckpointError>() {
                    Ok(error) => return Err(*error),
                    Err(error) => vec![error.to_string()],
                }
            }
            Some(Err(error)) => {
                let mut missing = lacking(family, &shapes);
                missing.insert(0, reason(error));
                missing
            }
            None => {
                let mut missing = lacking(family, &shapes);
                if missing.is_empty() {
                    missing.push(format!("{} is missing", family.signature().tensor));
                }
                missing
            }
        };
        let likeness = likeness(family, &shapes);
        if nearest.as_ref().is_none_or(|(best, ..)| likeness > *best) {
            nearest = Some((likeness, family, mismatches));
        }
    }
    Err(not_understood.unwrap_or_else(|| unknown(container, nearest)))
}

/// What stands before `signature` in the file's names.
fn prefix_of<'a>(container: &'a Container, signature: &str) -> Option<&'a str> {
    let prefixes = container.entries().iter().filter_map(|entry| {
        let prefix = entry.name.strip_suffix(signature)?;
        (prefix.is_empty() || prefix.ends_with('.')).then_some(prefix)
    });
    prefixes.min_by_key(|prefix| prefix.len())
}

fn likeness(family: Family, shapes: &TensorShapes) -> f64 {
    let patterns = shapes.patterns();
    let typical = family.signature().typical;
    let found = typical.iter().filter(|name| patterns.contains(**name)).count();
    found as f64 / typical.len() as f64
}

/// Typical tensors of a family that are not there.
fn lacking(family: Family, shapes: &TensorShapes) -> Vec<String> {
    let patterns = shapes.patterns();
    let typical = family.signature().typical.iter().filter(|name| !patterns.contains(**name));
    typical.map(|name| format!("{name} is missing")).collect()
}

/// Why sizes could not be read, without what a running model would say around it.
fn reason(error: ModelError) -> String {
    match error {
        ModelError::Config(reason) | ModelError::Weights(reason) => reason,
        other => other.to_string(),
    }
}

fn accept(
    container: &Container,
    config: &FolderConfig,
    family: Family,
    prefix: &str,
    described: Described,
) -> Identified {
    let Described { name, geometry, tensors, other_parts, grid, companions } = described;
    let (mut parameters, mut bytes, mut needed_bytes, mut ignored) = (0, 0, 0, 0);
    let needed: HashSet<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    for entry in container.entries() {
        let name = entry.name.strip_prefix(prefix);
        let is_needed = name.is_some_and(|name| needed.contains(name));
        let belongs =
            name.is_some_and(|name| other_parts.iter().any(|part| name.starts_with(part)));
        if is_needed || belongs {
            parameters += entry.elements();
            bytes += entry.bytes();
        } else {
            ignored += 1;
        }
        if is_needed {
            needed_bytes += entry.bytes();
        }
    }
    let full_names: Vec<String> = needed.iter().map(|name| format!("{prefix}{name}")).collect();
    Identified {
        family,
        name,
        geometry,
        dtype: container.main_type(full_names.iter().map(String::as_str)),
        parameters,
        bytes,
        needed_bytes,
        prefix: prefix.to_owned(),
        tensors,
        ignored,
        grid,
        companions,
        note: note_on_config(family, config),
    }
}

fn note_on_config(family: Family, config: &FolderConfig) -> Option<String> {
    match family.description() {
        FamilyDescription::Decoder(family) => (family.note_on_config)(config),
        FamilyDescription::TextEncoder(family) => (family.note_on_config)(config),
        // Their sizes follow from their tensors.
        FamilyDescription::ImageTokenizer(_) => None,
    }
}

fn unknown(container: &Container, nearest: Option<(f64, Family, Vec<String>)>) -> CheckpointError {
    let path = container.path().to_path_buf();
    // Quantised and 8-bit files have the right names and no float tensors.
    let typical = nearest.as_ref().map_or(&[][..], |(_, family, _)| family.signature().typical);
    let missed = nearest.as_ref().map_or(&[][..], |(_, _, mismatches)| mismatches);
    // What identification looked for and did not find.
    let asked_for = |name: &str| {
        let (begin, quoted) = (format!("{name} "), format!("\"{name}\""));
        typical.contains(&pattern(name).as_str())
            || missed.iter().any(|what| what.starts_with(&begin) || what.contains(&quoted))
    };
    // Where no number can be read, nothing is near, and any weight will do as an example.
    let none_is_float = container.entries().iter().all(|entry| !entry.dtype.is_float());
    let unreadable = container.entries().iter().find(|entry| {
        let any = none_is_float && entry.shape.len() > 1;
        !entry.dtype.is_float() && (any || asked_for(&entry.name))
    });
    if let Some(error) = container.not_understood(asked_for) {
        return error;
    }
    let reason = match nearest {
        Some((likeness, family, mismatches)) if likeness >= 0.5 => {
            let shown: Vec<&str> = mismatches.iter().take(3).map(String::as_str).collect();
            let more = match mismatches.len() {
                0..=3 => String::new(),
                many => format!(" and {} more", many - 3),
            };
            format!(
                "this is most like {family}, but {}{more}; choose another file",
                shown.join(", ")
            )
        }
        _ => format!(
            "this is none of the models that the program draws with ({} and their tokenizers); choose \
             another file",
            decoder_families()
        ),
    };
    match unreadable {
        Some(entry) => CheckpointError::UnsupportedType {
            tensor: entry.name.clone(),
            dtype: entry.dtype.to_string(),
            path,
        },
        None => CheckpointError::Unknown { reason, path },
    }
}

/// Names of the families that draw, in one line.
fn decoder_families() -> String {
    let names: Vec<&str> = families::decoders().map(|family| family.signature.family).collect();
    names.join(", ")
}

//! Says what a checkpoint is, from names, shapes, the JSON files beside it and its own name.
//!
//! Each family reads its sizes off a few tensors, then lists every tensor that a model of these sizes
//! has; the file is accepted when all of them are there with these shapes. Other tensors are ignored,
//! as the authors' own programs do. So every size of a known family is accepted, published or not,
//! and a file that is nearly right is refused with what differs.

mod class_models;
mod family;
mod geometry;
mod names;
mod text_models;
mod tokenizers;

pub use family::{Family, Role};
pub use geometry::{
    Conditioning, Config, DecoderGeometry, EncoderGeometry, Geometry, TokenizerGeometry,
};
pub use names::{GridGuess, GridSource, bytes_text};

use crate::checkpoint::CheckpointError;
use crate::checkpoint::ElementType;
use crate::checkpoint::manifest::{ExpectedTensor, Manifest};
use crate::checkpoint::shapes::{TensorShapes, pattern};
use crate::checkpoint::{Container, file_name};
use strum::VariantArray;

/// What a checkpoint is.
#[derive(Debug, Clone, PartialEq)]
pub struct Identified {
    /// Family.
    pub family: Family,
    /// Published name, for example "AliTok-L", or the family with its sizes.
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
}

impl Identified {
    /// What it is for.
    pub fn role(&self) -> Role {
        self.family.role()
    }

    /// One line: "AliTok-L decoder, 318 M, f32, 1.27 GB".
    pub fn summary(&self) -> String {
        // Some names end with what they are.
        let name = self.name.strip_suffix(" tokenizer").unwrap_or(&self.name);
        format!(
            "{name} {}, {}, {}, {}",
            self.role(),
            names::count_text(self.parameters),
            self.dtype,
            bytes_text(self.bytes)
        )
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

/// Identifies `container`, with the JSON files beside it read into `config`.
///
/// # Errors
/// [`CheckpointError::Unknown`] with the nearest family and the first three mismatches, or a needed
/// tensor of a number type that cannot be read.
pub fn identify(container: &Container, config: &Config) -> Result<Identified, CheckpointError> {
    let mut nearest: Option<(f64, Family, Vec<String>)> = None;
    for &family in Family::VARIANTS {
        let prefix = prefix_of(container, family.signature());
        let shapes = TensorShapes::of(container, prefix.unwrap_or_default());
        let inferred = prefix.and_then(|_| family.infer(&shapes, config));
        let mismatches = match &inferred {
            Some((_, manifest)) => manifest.mismatches(&shapes),
            None => not_inferred(family, &shapes, prefix.is_some(), config),
        };
        if let (Some((geometry, manifest)), true) = (inferred, mismatches.is_empty()) {
            let prefix = prefix.unwrap_or_default();
            return accept(container, config, family, prefix, geometry, manifest);
        }
        let likeness = likeness(family, &shapes);
        if nearest.as_ref().is_none_or(|(best, ..)| likeness > *best) {
            nearest = Some((likeness, family, mismatches));
        }
    }
    Err(unknown(container, nearest))
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
    let typical = family.typical();
    let found = typical.iter().filter(|name| patterns.contains(**name)).count();
    found as f64 / typical.len() as f64
}

fn not_inferred(
    family: Family,
    shapes: &TensorShapes,
    signed: bool,
    config: &Config,
) -> Vec<String> {
    let patterns = shapes.patterns();
    let typical = family.typical().iter().filter(|name| !patterns.contains(**name));
    let mut missing: Vec<String> = typical.map(|name| format!("{name} is missing")).collect();
    if signed {
        missing.insert(0, family.missing_hint(config).to_owned());
    } else if missing.is_empty() {
        missing.push(format!("{} is missing", family.signature()));
    }
    missing
}

fn accept(
    container: &Container,
    config: &Config,
    family: Family,
    prefix: &str,
    geometry: Geometry,
    manifest: Manifest,
) -> Result<Identified, CheckpointError> {
    let Manifest { tensors, companions } = manifest;
    let (mut parameters, mut bytes, mut needed_bytes, mut ignored) = (0, 0, 0, 0);
    let needed: std::collections::HashSet<&str> =
        tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    for entry in container.entries() {
        let name = entry.name.strip_prefix(prefix);
        let is_needed = name.is_some_and(|name| needed.contains(name));
        let belongs = name.is_some_and(|name| companions.iter().any(|part| name.starts_with(part)));
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
    let path = container.path();
    Ok(Identified {
        name: names::model_name(family, &geometry, config),
        grid: names::guess_grid(family, &geometry, config, &file_name(path)),
        dtype: container.main_type(full_names.iter().map(String::as_str)),
        family,
        geometry,
        parameters,
        bytes,
        needed_bytes,
        prefix: prefix.to_owned(),
        tensors,
        ignored,
    })
}

fn unknown(container: &Container, nearest: Option<(f64, Family, Vec<String>)>) -> CheckpointError {
    let path = container.path().to_path_buf();
    // Quantised and 8-bit files have the right names and no float tensors.
    let typical = nearest.as_ref().map_or(&[][..], |(_, family, _)| family.typical());
    let unreadable = container
        .entries()
        .iter()
        .find(|entry| !entry.dtype.is_float() && typical.contains(&pattern(&entry.name).as_str()));
    let reason = match nearest {
        Some((likeness, family, mismatches)) if likeness >= 0.5 => {
            let shown: Vec<&str> = mismatches.iter().take(3).map(String::as_str).collect();
            let more = match mismatches.len() {
                0..=3 => String::new(),
                many => format!(" and {} more", many - 3),
            };
            format!("this is most like {family}, but {}{more}; choose another file", shown.join(", "))
        }
        _ => "this is none of the models that the program draws with (AliTok, RAR, LlamaGen, SimpleAR, \
              Lumina-mGPT and their tokenizers); choose another file"
            .to_owned(),
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

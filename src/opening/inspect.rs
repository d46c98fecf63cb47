//! From what a person chose to everything a model consists of, headers only.

use crate::checkpoint::files::{self, WeightFiles};
use crate::checkpoint::renamed::plain_name;
use crate::checkpoint::{CheckpointError, file_name};
use crate::models::family::{CompanionNeed, Conditioning, Role};
use crate::opening::companions::{self, MissingPart};
use crate::opening::opened::Opened;
use crate::opening::pairs::{check_pair, check_text_tokenizer};
use std::path::{Path, PathBuf};

/// Most files whose reasons for being left out are told one by one.
const MOST_NOTES: usize = 32;

/// How to look for what was not chosen.
#[derive(Debug, Clone, Default)]
pub struct InspectOptions {
    /// Folders of the Hugging Face cache, see [`crate::opening::companions::cache_roots`].
    pub caches: Vec<PathBuf>,
    /// Key of a training file whose weights the decoder takes, for example `ema`.
    pub weight_set: Option<String>,
    /// The image tokenizer: its file, or a folder that holds it.
    pub tokenizer: Option<PathBuf>,
}

/// What was found, before any weight is read.
#[derive(Debug, Default)]
pub struct Inspection {
    /// Draws codes; `None` if only tokenizers were chosen.
    pub decoder: Option<Opened>,
    /// Turns codes to pixels.
    pub tokenizer: Option<Opened>,
    /// Turns captions to rows.
    pub text_encoder: Option<Opened>,
    /// What the decoder needs and was not found.
    pub missing: Vec<CompanionNeed>,
    /// Files that were looked at and left out, with the reason.
    pub notes: Vec<String>,
    /// Those of them that are called like a part that is missing.
    faults: Vec<String>,
}

impl Inspection {
    /// What was found, one line each.
    pub fn summary(&self) -> Vec<String> {
        let opened = [&self.decoder, &self.tokenizer, &self.text_encoder].into_iter().flatten();
        opened.map(|opened| opened.identified.summary()).collect()
    }

    /// Everything needed is there.
    ///
    /// # Errors
    /// [`CheckpointError::MissingCompanion`] with the exact file name and where it is published, or a
    /// choice without a decoder.
    pub fn complete(&self) -> Result<(), CheckpointError> {
        let Some(decoder) = &self.decoder else {
            let found = self.summary().join(", ");
            let reason = format!("only {found} was chosen; choose a decoder as well");
            return Err(CheckpointError::MissingCompanion(reason));
        };
        let mut requests: Vec<String> = self.lacking().iter().map(MissingPart::to_string).collect();
        if requests.is_empty() {
            return Ok(());
        }
        // A part that is there and broken is not merely absent.
        if let Some(last) = requests.last_mut() {
            self.faults.iter().for_each(|fault| *last += &format!(". {fault}"));
        }
        let name = &decoder.identified.name;
        Err(CheckpointError::MissingCompanion(format!(
            "{name} needs {}",
            requests.join(". It needs ")
        )))
    }

    /// What the decoder and the text encoder need and was not found.
    pub fn lacking(&self) -> Vec<MissingPart> {
        let mut parts = Vec::new();
        if self.decoder.is_some() {
            parts.extend(self.missing.iter().map(MissingPart::from));
        }
        let without_text = self.decoder.as_ref().filter(|decoder| {
            decoder.identified.decoder().is_some_and(|geometry| {
                matches!(geometry.conditioning, Conditioning::Prompt { text_tokens: None })
            })
        });
        parts.extend(without_text.map(MissingPart::prompt_tokenizer));
        let encoder = self.text_encoder.as_ref();
        let without_text = encoder.filter(|encoder| encoder.config.text_tokens().is_none());
        parts.extend(without_text.map(MissingPart::caption_tokenizer));
        parts
    }

    /// Files that were left out, and what of the parts' configurations is not understood.
    pub fn all_notes(&self) -> Vec<String> {
        let parts = [&self.decoder, &self.tokenizer, &self.text_encoder].into_iter().flatten();
        let of_parts = parts.filter_map(|part| part.identified.note.clone());
        self.notes.iter().cloned().chain(of_parts).collect()
    }

    fn slot(&mut self, role: Role) -> &mut Option<Opened> {
        match role {
            Role::Decoder => &mut self.decoder,
            Role::ImageTokenizer => &mut self.tokenizer,
            Role::TextEncoder => &mut self.text_encoder,
        }
    }
}

/// Looks at the chosen files and folders, pairs decoder, tokenizer and text encoder, and finds what
/// was not chosen.
///
/// # Errors
/// A chosen file that cannot be read or identified, two of one kind, or a pair that does not fit.
/// What is merely missing is in [`Inspection::missing`].
pub fn inspect(paths: &[PathBuf], options: &InspectOptions) -> Result<Inspection, CheckpointError> {
    let mut found = Inspection::default();
    for path in paths {
        match files::resolve(path)? {
            WeightFiles::Several(files) => place_folder(&mut found, path, &files, options)?,
            _ => {
                let opened = Opened::open(path, options.weight_set.as_deref())
                    // Tokenizers have no such entry; only decoders keep averages.
                    .or_else(|error| match Opened::open(path, None) {
                        Ok(opened) if opened.identified.role() != Role::Decoder => Ok(opened),
                        _ => Err(error),
                    })?;
                place(&mut found, opened, path)?;
            }
        }
    }
    if let Some(tokenizer) = &options.tokenizer {
        place_tokenizer(&mut found, tokenizer)?;
    }
    for part in [&found.decoder, &found.text_encoder].into_iter().flatten() {
        check_text_tokenizer(part)?;
    }
    let Some(decoder) = &found.decoder else { return Ok(found) };
    let model = decoder.container.path().to_path_buf();
    for need in decoder.identified.companions.clone() {
        complete_need(&mut found, need, &model, options)?;
    }
    Ok(found)
}

/// Takes every checkpoint of a folder that can be identified; there may be only one of a kind.
fn place_folder(
    found: &mut Inspection,
    folder: &Path,
    files: &[PathBuf],
    options: &InspectOptions,
) -> Result<(), CheckpointError> {
    let mut first_error = None;
    let mut any = false;
    let mut tokenizers = Vec::new();
    for file in files {
        match Opened::open(file, options.weight_set.as_deref()) {
            // Two tokenizers in a folder are no fault: the decoder says later which one it needs.
            Ok(opened) if opened.identified.role() != Role::Decoder => {
                any = true;
                tokenizers.push(opened);
            }
            Ok(opened) => {
                any = true;
                place(found, opened, folder)?;
            }
            Err(error) => {
                found.notes.push(left_out(file, &error));
                first_error.get_or_insert(error);
            }
        }
    }
    // Without a decoder a lone tokenizer is what was chosen.
    if let Some(only) = tokenizers.pop()
        && tokenizers.is_empty()
        && found.decoder.is_none()
    {
        place(found, only, folder)?;
    }
    match first_error {
        Some(error) if !any => Err(error),
        _ => Ok(()),
    }
}

/// Takes the tokenizer at `path`; of a folder of several weight files the one that fits the decoder.
fn place_tokenizer(found: &mut Inspection, path: &Path) -> Result<(), CheckpointError> {
    let WeightFiles::Several(files) = files::resolve(path)? else {
        return place(found, Opened::open(path, None)?, path);
    };
    let decoder = found.decoder.as_ref().map(|decoder| decoder.identified.clone());
    let (mut fitting, mut others) = (Vec::new(), Vec::new());
    for file in &files {
        let opened = Opened::open(file, None);
        let opened = opened.and_then(|opened| match &decoder {
            _ if opened.identified.role() != Role::ImageTokenizer => {
                let reason = format!("this is no {}", Role::ImageTokenizer);
                Err(CheckpointError::Mismatch { reason, path: file.clone() })
            }
            Some(decoder) => check_pair(decoder, &opened).map(|()| opened),
            None => Ok(opened),
        });
        match opened {
            Ok(opened) => fitting.push(opened),
            Err(_) => others.push(file_name(file)),
        }
    }
    // The names under which the authors publish it tell one among several.
    let published: Vec<&str> = decoder.iter().flat_map(companions::tokenizer_names).collect();
    let named = |opened: &Opened| {
        published.contains(&plain_name(&file_name(opened.container.path())).as_str())
    };
    if fitting.len() > 1 && fitting.iter().filter(|opened| named(opened)).count() == 1 {
        fitting.retain(named);
    }
    let names = |opened: &[Opened]| {
        let names = opened.iter().map(|opened| file_name(opened.container.path()));
        names.collect::<Vec<_>>().join(", ")
    };
    let wanted = decoder.map_or("a decoder".into(), |decoder| decoder.name);
    let reason = match fitting.len() {
        1 => {
            let Some(opened) = fitting.pop() else { return Ok(()) };
            return place(found, opened, path);
        }
        0 => format!(
            "none of the weight files in this folder ({}) is an image tokenizer that fits {wanted}; choose its file",
            others.join(", ")
        ),
        _ => format!(
            "several weight files in this folder may be the image tokenizer of {wanted} ({}); choose one of them",
            names(&fitting)
        ),
    };
    Err(CheckpointError::Mismatch { reason, path: path.to_path_buf() })
}

fn place(found: &mut Inspection, opened: Opened, path: &Path) -> Result<(), CheckpointError> {
    let role = opened.identified.role();
    let slot = found.slot(role);
    if let Some(other) = slot {
        // The same weights in two containers are one model.
        if other.identified.geometry == opened.identified.geometry
            && other.identified.family == opened.identified.family
            && path.is_dir()
        {
            return Ok(());
        }
        let reason = format!(
            "two models of one kind were chosen, {} in {} and {} in {}; choose one {role}",
            other.identified.name,
            file_name(other.container.path()),
            opened.identified.name,
            file_name(opened.container.path())
        );
        return Err(CheckpointError::Mismatch { reason, path: path.to_path_buf() });
    }
    *slot = Some(opened);
    Ok(())
}

/// Checks a chosen companion, or looks for one.
fn complete_need(
    found: &mut Inspection,
    need: CompanionNeed,
    model: &Path,
    options: &InspectOptions,
) -> Result<(), CheckpointError> {
    let Some(decoder) = found.decoder.as_ref().map(|decoder| decoder.identified.clone()) else {
        return Ok(());
    };
    if let Some(chosen) = found.slot(need.role) {
        return check_pair(&decoder, chosen);
    }
    let mut more = 0;
    for candidate in companions::candidates(&need, model, &options.caches) {
        let opened = Opened::open(&candidate, None).and_then(|opened| {
            check_pair(&decoder, &opened)?;
            Ok(opened)
        });
        match opened {
            Ok(opened) => {
                *found.slot(need.role) = Some(opened);
                return Ok(());
            }
            // One line each would hide what matters where a folder is crowded.
            Err(_) if found.notes.len() >= MOST_NOTES => more += 1,
            Err(error) => {
                let note = left_out(&candidate, &error);
                if need.file_names.contains(&file_name(&candidate).as_str()) {
                    found.faults.push(note.clone());
                }
                // A chosen folder has been looked through before.
                if !found.notes.contains(&note) {
                    found.notes.push(note);
                }
            }
        }
    }
    if more > 0 {
        found.notes.push(format!("{more} more weight files were looked at and left out"));
    }
    found.missing.push(need);
    Ok(())
}

/// Says once which file it is and why.
fn left_out(file: &Path, error: &CheckpointError) -> String {
    let text = error.to_string();
    let reason = text.strip_suffix(&format!(": {}", file.display())).unwrap_or(&text);
    format!("{} was left out: {reason}", file_name(file))
}

//! The model inside the binary: `assets/emoji-scenes`, opened by the code that opens files.
//!
//! Nothing here knows the model's sizes or words; another model with the same files takes its place.

use crate::checkpoint::folder::ModelFolder;
use crate::checkpoint::{CheckpointError, Container, LoadProgress};
use crate::compute::device_kind::DeviceKind;
use crate::compute::error::ModelError;
use crate::compute::precision::Precision;
use crate::models::card::{Model, ModelCard, ModelIdentity};
use crate::opening::error::OpenError;
use crate::opening::memory::default_precision;
use crate::opening::opened::Opened;
use crate::opening::parts::{DecoderParts, OpenedDecoder, Parts};
use crate::opening::request::OpenRequest;
use std::sync::Arc;

const NAME: &str = "Emoji scenes";

static DECODER: &[u8] = include_bytes!("../../assets/emoji-scenes/model.safetensors");
static IMAGE_TOKENIZER: &[u8] =
    include_bytes!("../../assets/emoji-scenes/image_tokenizer.safetensors");

/// The files beside the weights.
static FOLDER: ModelFolder = ModelFolder::Embedded(&[
    ("config.json", include_bytes!("../../assets/emoji-scenes/config.json")),
    ("tokenizer.json", include_bytes!("../../assets/emoji-scenes/tokenizer.json")),
    ("image_tokenizer.json", include_bytes!("../../assets/emoji-scenes/image_tokenizer.json")),
    ("grammar.json", include_bytes!("../../assets/emoji-scenes/grammar.json")),
    ("drawn_well.json", include_bytes!("../../assets/emoji-scenes/drawn_well.json")),
]);

/// Other devices round what bf16 weights multiply. In f32 they draw what the CPU draws.
const PRECISION_ON_A_DEVICE: Precision = Precision::F32;

/// Loads the built-in model.
///
/// # Errors
/// The embedded files contradict each other, which only a faulty build can cause.
pub fn load() -> Result<Model, ModelError> {
    load_on(DeviceKind::Cpu)
}

/// [`load`] with the decoder on a device.
///
/// # Errors
/// Those of [`DeviceKind::open`], too.
pub fn load_on(device: DeviceKind) -> Result<Model, ModelError> {
    let Model { card, decoder, tokenizer } = open_on(device).map_err(|error| match error {
        OpenError::Checkpoint(error) => error.into(),
        OpenError::Model(error) => error,
    })?;
    let card = ModelCard::clone(&card);
    let identity = ModelIdentity { name: NAME.into(), ..card.identity };
    let card = Arc::new(ModelCard { identity, live: true, ..card });
    Ok(Model { card, decoder, tokenizer })
}

/// The decoder of the built-in model alone, on a device.
///
/// # Errors
/// Those of [`load_on`].
pub fn load_decoder_on(device: DeviceKind) -> Result<OpenedDecoder, ModelError> {
    let parts = DecoderParts { decoder: part("model.safetensors", DECODER)?, text_encoder: None };
    let precision = precision(&parts.decoder, device);
    let request = OpenRequest { device, ..OpenRequest::default() };
    let opened = parts.into_decoder(&request, precision, &Arc::new(LoadProgress::default()))?;
    Ok(OpenedDecoder { name: NAME.into(), ..opened })
}

fn open_on(device: DeviceKind) -> Result<Model, OpenError> {
    let parts = Parts {
        decoder: part("model.safetensors", DECODER)?,
        tokenizer: part("image_tokenizer.safetensors", IMAGE_TOKENIZER)?,
        text_encoder: None,
    };
    let precision = precision(&parts.decoder, device);
    let request = OpenRequest { device, ..OpenRequest::default() };
    parts.into_model(&request, precision, &Arc::new(LoadProgress::default()))
}

fn part(name: &str, bytes: &'static [u8]) -> Result<Opened, CheckpointError> {
    Opened::identify(Container::embedded(name, bytes)?, FOLDER.clone())
}

/// The decoder's weights are bf16 in the file: exact, and half the memory traffic of f32.
fn precision(decoder: &Opened, device: DeviceKind) -> Precision {
    match device {
        DeviceKind::Cpu => default_precision(&decoder.identified),
        _ => PRECISION_ON_A_DEVICE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::card::Conditions;

    #[test]
    fn the_card_describes_the_embedded_files() {
        let model = load().unwrap();
        let card = &model.card;
        assert_eq!(card.decoder.codebook_size, card.tokenizer.codebook_size);
        assert_eq!(card.identity.sha256.len(), 64);
        let Conditions::Prompts(book) = &card.conditions else { panic!("no prompts") };
        for seed in 0..200 {
            let prompt = book.random_prompt(seed).unwrap();
            let check = book.check(&prompt).unwrap();
            assert!(check.unknown_words.is_empty() && check.tokens <= check.limit, "{prompt}");
        }
    }
}

//! Which tokenizers and text encoders belong to which decoder, by family, code counts and widths.

use crate::checkpoint::CheckpointError;
use crate::models::families::{Family, FamilyDescription};
use crate::models::family::{Conditioning, Role};
use crate::opening::identify::{Geometry, Identified};
use crate::opening::opened::Opened;

/// Whether a tokenizer or text encoder belongs to a decoder.
///
/// # Errors
/// [`CheckpointError::Mismatch`] with what differs.
pub(super) fn check_pair(decoder: &Identified, companion: &Opened) -> Result<(), CheckpointError> {
    let other = &companion.identified;
    let mismatch = |what: String| {
        let path = companion.container.path().to_path_buf();
        Err(CheckpointError::Mismatch { reason: what, path })
    };
    if let (Geometry::Decoder(g), Geometry::TextEncoder(encoder)) =
        (&decoder.geometry, &other.geometry)
    {
        check_text_tokenizer(companion)?;
        return match g.conditioning {
            Conditioning::Caption { width, .. } if width != encoder.hidden => mismatch(format!(
                "{} wants captions of width {width} and {} gives {}; choose the text encoder it was trained with",
                decoder.name, other.name, encoder.hidden
            )),
            _ => Ok(()),
        };
    }
    if other.role() == Role::Decoder {
        let reason = format!("it holds a decoder too, {}; choose it alone to open it", other.name);
        return mismatch(reason);
    }
    if let (Some(drawn), Some(known)) = (decoder.codebook_size(), other.codebook_size())
        && drawn != known
    {
        return mismatch(format!(
            "{} draws {drawn} codes and {} knows {known}; choose the image tokenizer it was trained with",
            decoder.name, other.name
        ));
    }
    if let (Geometry::Decoder(g), Some(known)) = (&decoder.geometry, other.codebook_size())
        && decoder.codebook_size().is_none()
        && g.vocabulary < known
    {
        return mismatch(format!(
            "{} has a vocabulary of {}, without room for the {known} codes of {}; choose the image tokenizer it was trained with",
            decoder.name, g.vocabulary, other.name
        ));
    }
    if !belong_together(decoder.family, other.family) {
        return mismatch(format!(
            "{} does not belong to {}; choose the image tokenizer it was trained with",
            other.name, decoder.name
        ));
    }
    Ok(())
}

/// Whether models of the decoder's family draw with tokenizers of the other.
fn belong_together(decoder: Family, tokenizer: Family) -> bool {
    match (decoder.description(), tokenizer.description()) {
        (FamilyDescription::Decoder(decoder), FamilyDescription::ImageTokenizer(tokenizer)) => {
            decoder.tokenizers.iter().any(|&family| std::ptr::eq(family, tokenizer))
        }
        _ => false,
    }
}

/// The text tokenizer beside a prompt model or a text encoder must be readable and not name ids beyond
/// its vocabulary.
pub(super) fn check_text_tokenizer(part: &Opened) -> Result<(), CheckpointError> {
    let name = &part.identified.name;
    let vocabulary = match &part.identified.geometry {
        Geometry::Decoder(decoder) => match decoder.conditioning {
            Conditioning::Prompt { .. } => decoder.vocabulary,
            _ => return Ok(()),
        },
        Geometry::TextEncoder(encoder) => encoder.vocabulary,
        Geometry::ImageTokenizer(_) => return Ok(()),
    };
    if let Some(fault) = part.config.text_tokenizer_fault() {
        return Err(CheckpointError::Beside(fault.to_owned()));
    }
    let Some(ids) = part.config.text_tokens().filter(|&ids| ids > vocabulary) else {
        return Ok(());
    };
    let reason = format!(
        "the text tokenizer has {ids} ids and {name} only {vocabulary}; put that of this model beside it"
    );
    Err(CheckpointError::Mismatch { reason, path: part.folder.path("") })
}

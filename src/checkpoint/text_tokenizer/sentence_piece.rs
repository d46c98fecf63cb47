//! T5's tokenizer from `spiece.model`: pieces with scores, of which a text takes the likeliest.

use crate::checkpoint::folder::ModelFolder;
use crate::checkpoint::text_tokenizer::added_tokens::{AddedToken, TokenizerConfig};
use crate::checkpoint::text_tokenizer::protobuf::{Field, Fields};
use crate::checkpoint::text_tokenizer::{charsmap, fault};
use crate::compute::error::ModelError;
use serde_json::{Value, json};
use tokenizers::normalizers::precompiled::Precompiled;

const FILE: &str = "spiece.model";
/// Places for masked words that T5 knows beyond its pieces, where no configuration says how many.
const EXTRA_IDS: u64 = 100;
/// Most of these that are believed.
const MAX_EXTRA_IDS: u64 = 10_000;
/// What stands for a blank in pieces.
const BLANK: &str = "▁";

/// Kinds of pieces, as the format numbers them.
const ORDINARY: u64 = 1;
const UNKNOWN: u64 = 2;
const CONTROL: u64 = 3;
const OF_THE_USER: u64 = 4;
/// The kind of model that takes the likeliest pieces.
const UNIGRAM: u64 = 1;

/// The tokenizer in the form of `tokenizer.json`; `None` without the file.
///
/// # Errors
/// A damaged file, or a tokenizer of another class or kind.
pub(super) fn convert(folder: &ModelFolder) -> Result<Option<Value>, ModelError> {
    let Some(bytes) = folder.read(FILE)? else { return Ok(None) };
    fault::refuse_other_kind(folder, FILE, &bytes)?;
    let config = TokenizerConfig::of(folder)?;
    config.expect_class(folder, "T5Tokenizer")?;
    let wrong = |what: String| {
        fault::wrong(folder, FILE, format!("{FILE} cannot be used ({what}); download it again"))
    };
    let model = Model::parse(&bytes).map_err(wrong)?;
    let tokenizer = model
        .tokenizer(folder, &config)?
        .ok_or_else(|| wrong("its map of characters leads out of itself".into()))?;
    Ok(Some(tokenizer))
}

struct Piece<'a> {
    text: &'a str,
    score: f32,
    kind: u64,
}

/// What a model holds, as far as it concerns how text becomes ids.
struct Model<'a> {
    pieces: Vec<Piece<'a>>,
    unknown: u64,
    falls_back_to_bytes: bool,
    begins_with_blank: bool,
    charsmap: &'a [u8],
}

impl<'a> Model<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let mut model = Self {
            pieces: Vec::new(),
            unknown: 0,
            falls_back_to_bytes: false,
            begins_with_blank: true,
            charsmap: &[],
        };
        for field in Fields::of(bytes) {
            match field.ok_or("it is cut short")? {
                (1, Field::Bytes(piece)) => model.pieces.push(Piece::parse(piece)?),
                (2, Field::Bytes(trainer)) => model.read_trainer(trainer)?,
                (3, Field::Bytes(normalizer)) => model.read_normalizer(normalizer)?,
                _ => {}
            }
        }
        if model.pieces.is_empty() {
            return Err("it holds no pieces".into());
        }
        if model.unknown >= model.pieces.len() as u64 {
            return Err(format!("piece {} for what is unknown is missing", model.unknown));
        }
        Ok(model)
    }

    fn read_trainer(&mut self, message: &[u8]) -> Result<(), String> {
        for field in Fields::of(message) {
            match field.ok_or("its settings are cut short")? {
                (3, Field::Number(kind)) if kind != UNIGRAM => {
                    return Err(
                        "it is of another kind than T5's, whose pieces have likelihoods".into()
                    );
                }
                (35, Field::Number(switch)) => self.falls_back_to_bytes = switch != 0,
                (40, Field::Number(id)) => self.unknown = id,
                _ => {}
            }
        }
        Ok(())
    }

    fn read_normalizer(&mut self, message: &'a [u8]) -> Result<(), String> {
        for field in Fields::of(message) {
            match field.ok_or("its settings are cut short")? {
                (2, Field::Bytes(map)) => self.charsmap = map,
                (3, Field::Number(switch)) => self.begins_with_blank = switch != 0,
                _ => {}
            }
        }
        Ok(())
    }

    /// The form of `tokenizer.json`; `None` if the map of characters is damaged.
    fn tokenizer(
        &self,
        folder: &ModelFolder,
        config: &TokenizerConfig,
    ) -> Result<Option<Value>, ModelError> {
        let extra = match config.number("extra_ids") {
            _ if self.pieces.iter().any(|piece| piece.text == "<extra_id_0>") => 0,
            extra => extra.unwrap_or(EXTRA_IDS),
        };
        if extra > MAX_EXTRA_IDS {
            let reason = format!("{extra} extra_ids are more than any T5 has; download it again");
            return Err(fault::wrong(folder, "tokenizer_config.json", reason));
        }
        let extra: Vec<String> =
            (0..extra).rev().map(|index| format!("<extra_id_{index}>")).collect();
        let own = self.pieces.iter().map(|piece| (piece.text, f64::from(piece.score)));
        let vocabulary: Vec<(&str, f64)> =
            own.chain(extra.iter().map(|name| (name.as_str(), 0.0))).collect();
        let ids =
            vocabulary.iter().zip(0..).map(|((name, _), id)| ((*name).to_owned(), id)).collect();
        let mut added = config.added_tokens(folder, &ids)?;
        self.add(&mut added, &extra);
        let mut normalizers = Vec::new();
        if !self.charsmap.is_empty() {
            let map = Some(self.charsmap).filter(|map| charsmap::is_sound(map));
            let Some(map) = map.and_then(|map| Precompiled::from(map).ok()) else {
                return Ok(None);
            };
            normalizers.push(json!(map));
        }
        normalizers.push(json!({ "type": "Strip", "strip_left": false, "strip_right": true }));
        normalizers
            .push(json!({ "type": "Replace", "pattern": { "Regex": " {2,}" }, "content": BLANK }));
        let scheme = match (self.begins_with_blank, config.switch("legacy")) {
            (false, _) => "never",
            (true, Some(false)) => "first",
            (true, _) => "always",
        };
        let blanks = json!({
            "type": "Metaspace", "replacement": BLANK, "prepend_scheme": scheme, "split": true,
        });
        Ok(Some(json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": added,
            "normalizer": { "type": "Sequence", "normalizers": normalizers },
            "pre_tokenizer": blanks,
            "post_processor": null,
            "decoder": blanks,
            "model": {
                "type": "Unigram",
                "unk_id": self.unknown,
                "vocab": vocabulary,
                "byte_fallback": self.falls_back_to_bytes,
            },
        })))
    }

    /// Adds the tokens that the model itself keeps apart from its pieces, and the extra ones.
    fn add(&self, added: &mut Vec<AddedToken>, extra: &[String]) {
        let own = self.pieces.iter().zip(0u32..).filter_map(|(piece, id)| match piece.kind {
            UNKNOWN | CONTROL => Some(AddedToken::new(id, piece.text, true)),
            OF_THE_USER => Some(AddedToken::new(id, piece.text, false).not_normalized()),
            _ => None,
        });
        let first = self.pieces.len() as u32;
        let extra = extra.iter().zip(first..).map(|(name, id)| AddedToken::new(id, name, true));
        for token in own.chain(extra) {
            if !added.iter().any(|known| known.is(&token)) {
                added.push(token);
            }
        }
        added.sort_by_key(AddedToken::id);
    }
}

impl<'a> Piece<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, String> {
        let mut piece = Self { text: "", score: 0.0, kind: ORDINARY };
        for field in Fields::of(message) {
            match field.ok_or("a piece is cut short")? {
                (1, Field::Bytes(text)) => {
                    piece.text = std::str::from_utf8(text).map_err(|_| "a piece is not UTF-8")?;
                }
                (2, value) => piece.score = value.float().ok_or("a score is not a number")?,
                (3, Field::Number(kind)) => piece.kind = kind,
                _ => {}
            }
        }
        if piece.text.is_empty() || !piece.score.is_finite() {
            return Err("a piece has no text or no score".into());
        }
        Ok(piece)
    }
}

//! The table of families: a new one adds its name and its line.

use crate::checkpoint::headers::Signature;
use crate::models::family::{DecoderFamily, Download, Role};
use crate::models::{alitok, llamagen, lumina, rar, simple_ar};
use crate::prompts::text_encoder::{self, TextEncoderFamily};
use crate::tokenizers;
use crate::tokenizers::family::TokenizerFamily;
use std::fmt;
use strum::VariantArray;

/// What a checkpoint is of. Files are compared with the families in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::VariantArray)]
pub enum Family {
    /// AliTok's decoder.
    AliTok,
    /// RAR's decoder, and RobusTok's of the same layout.
    Rar,
    /// LlamaGen's GPT, class- or caption-conditional.
    LlamaGen,
    /// SimpleAR's decoder and the built-in model's.
    SimpleAr,
    /// Lumina-mGPT 2.0.
    Lumina,
    /// AliTok's image tokenizer.
    AliTokTokenizer,
    /// MaskGIT-VQGAN, RAR's image tokenizer.
    MaskGitVqgan,
    /// LlamaGen's VQ-16 and VQ-8.
    LlamaGenVq,
    /// Cosmos DV, SimpleAR's image tokenizer.
    Cosmos,
    /// MoVQGAN, Lumina's image tokenizer.
    MoVqgan,
    /// The built-in model's image tokenizer.
    FsqConv,
    /// T5's encoder, for LlamaGen's captions.
    T5Encoder,
}

/// The description of a family.
#[derive(Clone, Copy)]
pub enum FamilyDescription {
    /// Draws codes.
    Decoder(&'static DecoderFamily),
    /// Turns codes to pixels.
    ImageTokenizer(&'static TokenizerFamily),
    /// Turns text to rows.
    TextEncoder(&'static TextEncoderFamily),
}

impl Family {
    /// The family's description, from its folder.
    pub fn description(self) -> FamilyDescription {
        use FamilyDescription::{Decoder, ImageTokenizer, TextEncoder};
        match self {
            Self::AliTok => Decoder(&alitok::description::FAMILY),
            Self::Rar => Decoder(&rar::description::FAMILY),
            Self::LlamaGen => Decoder(&llamagen::description::FAMILY),
            Self::SimpleAr => Decoder(&simple_ar::description::FAMILY),
            Self::Lumina => Decoder(&lumina::description::FAMILY),
            Self::AliTokTokenizer => ImageTokenizer(&tokenizers::alitok::description::FAMILY),
            Self::MaskGitVqgan => ImageTokenizer(&tokenizers::maskgit_vqgan::description::FAMILY),
            Self::LlamaGenVq => ImageTokenizer(&tokenizers::llamagen_vq::description::FAMILY),
            Self::Cosmos => ImageTokenizer(&tokenizers::cosmos::description::FAMILY),
            Self::MoVqgan => ImageTokenizer(&tokenizers::movq::description::FAMILY),
            Self::FsqConv => ImageTokenizer(&tokenizers::conv_fsq::description::FAMILY),
            Self::T5Encoder => TextEncoder(&text_encoder::T5),
        }
    }

    /// What its checkpoints are for.
    pub fn role(self) -> Role {
        match self.description() {
            FamilyDescription::Decoder(_) => Role::Decoder,
            FamilyDescription::ImageTokenizer(_) => Role::ImageTokenizer,
            FamilyDescription::TextEncoder(_) => Role::TextEncoder,
        }
    }

    /// How its files are recognised.
    pub fn signature(self) -> &'static Signature {
        match self.description() {
            FamilyDescription::Decoder(family) => &family.signature,
            FamilyDescription::ImageTokenizer(family) => &family.signature,
            FamilyDescription::TextEncoder(family) => &family.signature,
        }
    }
}

/// Families that draw codes.
pub fn decoders() -> impl Iterator<Item = &'static DecoderFamily> {
    Family::VARIANTS.iter().filter_map(|family| match family.description() {
        FamilyDescription::Decoder(family) => Some(family),
        _ => None,
    })
}

/// The files of all models that can be opened, as their authors publish them.
pub fn downloads() -> impl Iterator<Item = &'static Download> {
    decoders().flat_map(|family| family.downloads)
}

impl fmt::Display for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.signature().family)
    }
}

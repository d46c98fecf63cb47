//! Image tokenizers: codes to pixels and back. A folder a tokenizer; `layers` is what the convolutional
//! ones are made of.

pub mod alitok;
pub mod codebook;
pub mod conv_fsq;
pub mod convolutional;
pub mod cosmos;
pub mod family;
pub mod fsq;
pub mod grid;
pub mod image_tokenizer;
pub mod layers;
pub mod llamagen_vq;
pub mod maskgit_vqgan;
pub mod movq;
pub mod pixels;
pub mod quantizer;
mod sizes;

pub use image_tokenizer::{ImageTokenizer, TokenizerInfo};

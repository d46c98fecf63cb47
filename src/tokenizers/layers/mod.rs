//! Layers of image tokenizers on feature maps, channels last: convolutions, norms, attention, changes
//! of size, and the networks that are built from them.

pub mod attention;
pub mod conv2d;
pub mod convolution_spec;
pub mod feature_map;
mod haar;
pub mod layer;
pub mod network;
pub mod norm;
pub mod resample;
mod winograd;

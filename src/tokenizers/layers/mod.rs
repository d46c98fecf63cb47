//! Layers of image tokenizers.

pub mod attention;
pub mod conv2d;
pub mod feature_map;
pub(super) mod haar;
pub mod residual;
pub mod winograd;

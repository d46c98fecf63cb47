//! The lanes' images, the heat map over them, and how they are compared.

pub mod comparison;
pub mod geometry;
pub mod image_texture;
pub mod lane_header;
pub mod lane_paint;
pub mod lanes_view;
pub mod overlay;
pub mod overlay_controls;
pub mod stage;

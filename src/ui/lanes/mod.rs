//! The lanes' images.

pub mod colour_bar;
pub mod comparison;
pub mod controls;
pub mod geometry;
pub mod header;
pub mod overlay;
pub mod paint;
pub mod panel;
pub mod stage;
pub mod textures;
pub mod viewport;

//! The window. One file a panel; panels read and change [`state::State`] and ask for everything else
//! by [`action::Action`]. Nothing here computes or reads files: the engine does.

pub mod action;
pub mod centre;
pub mod comparison;
pub mod geometry;
pub mod image_texture;
pub mod inspector;
pub mod lane_header;
pub mod lane_paint;
pub mod lanes_view;
pub mod overlay;
pub mod overlay_controls;
pub mod plot_data;
pub mod plot_parts;
pub mod plots;
pub mod stage;
pub mod state;
pub mod theme;
pub mod timeline;
pub mod token_text;
pub mod top_tokens;
pub mod view;

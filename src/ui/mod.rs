//! The window. One file a panel; panels read and change [`state::State`] and ask for everything else
//! by [`action::Action`]. Nothing here computes or reads files: the engine does.

pub mod action;
pub mod actions;
pub mod app;
pub mod centre;
pub mod class_field;
pub mod comparison;
pub mod controls;
pub mod fonts;
pub mod geometry;
pub mod history;
pub mod image_texture;
pub mod inspector;
pub mod lane_header;
pub mod lane_paint;
pub mod lanes_view;
pub mod live;
pub mod method_panel;
pub mod notices;
pub mod overlay;
pub mod overlay_controls;
pub mod panels;
pub mod persistence;
pub mod plot_data;
pub mod plot_parts;
pub mod plots;
pub mod prompt_field;
pub mod saving;
pub mod scenarios;
pub mod schedule_plot;
pub mod settings_panel;
pub mod shortcuts;
pub mod state;
pub mod status_bar;
pub mod theme;
pub mod timeline;
pub mod token_text;
pub mod top_bar;
pub mod top_tokens;
pub mod view;
pub mod writers;

/// Opens the window.
///
/// # Errors
/// The system gives no window.
pub fn run() -> anyhow::Result<()> {
    anyhow::bail!("stub")
}

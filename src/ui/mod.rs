//! The window. A folder a panel; panels read and change [`state::state::State`] and ask for everything
//! else by [`app::action::Action`]. Nothing here computes or reads files: the engine does.

pub mod action;
pub mod app;
pub mod commands;
pub mod history;
pub mod inspector;
pub mod kit;
pub mod lanes;
pub mod notices;
pub mod open_model;
pub mod plots;
pub mod scenarios;
pub mod settings;
pub mod state;
pub mod status_bar;
pub mod theme;
pub mod timeline;
pub mod top_bar;

//! The window. A folder a panel; a panel keeps its own state, is given what it reads, and asks for everything
//! else by [`action::Action`]. Panels do not know each other; what they share is [`state::shared::Shared`].
//! Nothing here computes or reads files: the engine does.

pub mod action;
pub mod app;
pub mod commands;
pub mod file_dialog;
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

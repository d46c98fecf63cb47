//! The window's own file dialog, for systems that offer none.

pub mod dialog;
pub mod folder;
pub mod list;
pub mod panel;
pub mod question;

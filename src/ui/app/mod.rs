//! The application: state, the engine behind it, what panels ask for, and what is kept.

pub mod action;
pub mod actions;
pub mod app;
pub mod live;
pub mod opening;
pub mod panels;
pub mod persistence;
pub mod saving;
pub mod window;
pub mod writers;

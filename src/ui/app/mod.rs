//! The application: state, the engine behind it, what panels ask for, and what is kept.

pub mod arrangement;
pub mod carry_out;
pub mod dialogs;
pub mod inputs;
pub mod layout;
pub mod live;
pub mod opening;
pub mod persistence;
pub mod portal;
pub mod saving;
pub mod screen;
pub mod state;
pub mod studio;
pub mod window;
pub mod writers;

//! The window. One file a panel; panels read and change [`state::State`] and ask for everything else
//! by [`action::Action`]. Nothing here computes or reads files: the engine does.

pub mod action;
pub mod state;
pub mod theme;
pub mod view;

/// Opens the window.
///
/// # Errors
/// The system gives no window.
pub fn run() -> anyhow::Result<()> {
    anyhow::bail!("stub")
}

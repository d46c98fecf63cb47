//! What stands over the window for its commands: the sheet of shortcuts and the palette.

use crate::ui::action::Action;
use crate::ui::commands::palette::{Outcome, Palette};
use crate::ui::commands::sheet;
use crate::ui::commands::situation::Situation;
use egui::Context;

/// The sheet and the palette, and whether they are open.
#[derive(Debug, Default)]
pub struct CommandsPanel {
    /// The sheet of shortcuts is open.
    pub sheet_open: bool,
    palette: Option<Palette>,
}

impl CommandsPanel {
    /// Whether keys go to one of them.
    pub fn is_open(&self) -> bool {
        self.sheet_open || self.palette.is_some()
    }

    /// Opens or closes the sheet.
    pub fn toggle_sheet(&mut self) {
        self.sheet_open = !self.sheet_open;
    }

    /// Opens or closes the palette.
    pub fn toggle_palette(&mut self) {
        self.palette = if self.palette.is_some() { None } else { Some(Palette::default()) };
    }

    /// Shows what is open; the command that was chosen.
    pub fn show(&mut self, ctx: &Context, situation: &Situation) -> Option<Action> {
        if self.sheet_open && sheet::show(ctx) {
            self.sheet_open = false;
        }
        let outcome = self.palette.as_mut()?.show(ctx, situation);
        if !matches!(outcome, Outcome::Open) {
            self.palette = None;
        }
        match outcome {
            Outcome::Chosen(action) => Some(action),
            Outcome::Open | Outcome::Left => None,
        }
    }
}

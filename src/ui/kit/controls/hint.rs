//! Tooltips: what a control does, then the paper's term, then the keys that do the same.

use crate::ui::kit::keys;
use crate::ui::theme::palette;
use egui::{KeyboardShortcut, Response, RichText, Ui};

/// A tooltip.
#[derive(Debug, Clone, Copy)]
pub struct Hint {
    /// What the control does, in one sentence.
    pub does: &'static str,
    /// The paper's term and equation; empty where there is none.
    pub term: &'static str,
    /// Shortcuts of the same.
    pub keys: &'static [KeyboardShortcut],
}

impl Hint {
    /// A hint for a control without a shortcut.
    pub const fn new(does: &'static str, term: &'static str) -> Self {
        Self { does, term, keys: &[] }
    }

    /// Shows itself when the pointer rests on a control.
    pub fn on(self, response: Response) -> Response {
        let content = move |ui: &mut Ui| {
            ui.spacing_mut().item_spacing.y = 4.0;
            ui.label(self.does);
            let keys = keys::texts(ui.ctx(), self.keys);
            for line in [self.term, keys.as_str()] {
                if !line.is_empty() {
                    ui.label(RichText::new(line).color(palette(ui.ctx()).secondary).small());
                }
            }
        };
        response.on_hover_ui(content)
    }
}

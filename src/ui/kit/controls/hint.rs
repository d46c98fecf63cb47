//! Tooltips in two parts: what a control does, then the paper's term.

use crate::ui::theme::palette;
use egui::{Response, RichText, Ui};

/// A tooltip: what the control does, then the paper's term and equation.
#[derive(Debug, Clone, Copy)]
pub struct Hint {
    /// What it does, in one sentence.
    pub does: &'static str,
    /// The paper's term and equation; empty where there is none.
    pub term: &'static str,
}

impl Hint {
    /// A hint.
    pub const fn new(does: &'static str, term: &'static str) -> Self {
        Self { does, term }
    }

    /// Shows itself when the pointer rests on a control, and why the control is off if it is.
    pub fn on(self, response: Response) -> Response {
        let content = move |ui: &mut Ui| {
            ui.spacing_mut().item_spacing.y = 4.0;
            ui.label(self.does);
            if !self.term.is_empty() {
                ui.label(RichText::new(self.term).color(palette(ui.ctx()).secondary).small());
            }
        };
        response.on_hover_ui(content)
    }
}

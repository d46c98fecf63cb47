//! Notices: small cards at the lower right that can be copied and dismissed. Information goes by
//! itself after a while, what went wrong stays.

use crate::ui::action::Action;
use crate::ui::kit::controls;
use crate::ui::kit::controls::Hint;
use crate::ui::theme::palette;
use egui::{Align2, Area, Frame, Id, Label, Order, Stroke, vec2};
use egui_material_icons::icons::{
    ICON_CHECK_CIRCLE, ICON_CLOSE, ICON_CONTENT_COPY, ICON_ERROR, ICON_WARNING,
};
use std::time::{Duration, Instant};

/// How long information stays.
const STAYS: Duration = Duration::from_secs(6);
/// Most cards at once; the newest are shown.
const SHOWN: usize = 4;
const WIDTH: f32 = 360.0;

const COPY: Hint = Hint::new("Puts the message on the clipboard.", "");
const DISMISS: Hint = Hint::new("Puts the message away.", "");

/// How grave a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// Something was done.
    Info,
    /// Something is not as asked.
    Warning,
    /// Something failed.
    Error,
}

/// A message that can be dismissed and copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How grave.
    pub kind: NoticeKind,
    /// What is wrong, then what to do.
    pub message: String,
    /// When it appeared; information goes by itself after a while.
    pub since: Instant,
}

/// The messages.
#[derive(Debug, Default)]
pub struct NoticesPanel {
    /// Oldest first.
    pub list: Vec<Notice>,
}

impl NoticesPanel {
    /// Adds a message.
    pub fn notify(&mut self, kind: NoticeKind, message: impl Into<String>) {
        self.list.push(Notice { kind, message: message.into(), since: Instant::now() });
    }

    /// Shows the cards above everything, at the lower right of `inside`.
    pub fn show(&mut self, ctx: &egui::Context, inside: egui::Rect) -> Vec<Action> {
        let mut actions = Vec::new();
        self.expire(ctx, Instant::now());
        if self.list.is_empty() {
            return actions;
        }
        let mut dismissed = None;
        let from_corner =
            inside.right_bottom() - ctx.content_rect().right_bottom() - vec2(12.0, 12.0);
        Area::new(Id::unique("notices"))
            .order(Order::Foreground)
            .anchor(Align2::RIGHT_BOTTOM, from_corner)
            .show(ctx, |ui| {
                ui.set_width(WIDTH);
                let hidden = self.list.len().saturating_sub(SHOWN);
                if hidden > 0 {
                    let text = format!("{hidden} earlier");
                    ui.label(egui::RichText::new(text).small().weak());
                }
                for (index, notice) in self.list.iter().enumerate().skip(hidden) {
                    let colours = palette(ui.ctx());
                    let (icon, colour) = match notice.kind {
                        NoticeKind::Info => (ICON_CHECK_CIRCLE, colours.good),
                        NoticeKind::Warning => (ICON_WARNING, colours.warning),
                        NoticeKind::Error => (ICON_ERROR, colours.error),
                    };
                    let frame = Frame::new()
                        .fill(colours.raised)
                        .stroke(Stroke::new(1.0, colour))
                        .corner_radius(8)
                        .inner_margin(10)
                        .shadow(ui.visuals().popup_shadow);
                    frame.show(ui, |ui| {
                        ui.horizontal_top(|ui| {
                            ui.label(icon.rich_text().size(18.0).color(colour));
                            let width = WIDTH - 20.0 - 18.0 - 2.0 * 26.0 - 4.0 * 8.0;
                            ui.allocate_ui(vec2(width, 0.0), |ui| {
                                ui.set_width(width);
                                ui.add(Label::new(&notice.message).wrap().selectable(true));
                            });
                            ui.spacing_mut().item_spacing.x = 0.0;
                            if controls::icon_button(ui, ICON_CONTENT_COPY, "Copy message", COPY)
                                .clicked()
                            {
                                actions.push(Action::Copy(notice.message.clone()));
                            }
                            if controls::icon_button(ui, ICON_CLOSE, "Dismiss message", DISMISS)
                                .clicked()
                            {
                                dismissed = Some(index);
                            }
                        });
                    });
                }
            });
        if let Some(index) = dismissed {
            self.list.remove(index);
        }
        actions
    }

    /// Takes away information that has been there long enough.
    fn expire(&mut self, ctx: &egui::Context, now: Instant) {
        let age = |since: Instant| now.saturating_duration_since(since);
        self.list.retain(|notice| notice.kind != NoticeKind::Info || age(notice.since) < STAYS);
        let infos = self.list.iter().filter(|notice| notice.kind == NoticeKind::Info);
        if let Some(next) = infos.map(|notice| STAYS.saturating_sub(age(notice.since))).min() {
            ctx.request_repaint_after(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn information_goes_and_errors_stay() {
        let ctx = egui::Context::default();
        let mut notices = NoticesPanel::default();
        notices.notify(NoticeKind::Info, "Saved.");
        notices.notify(NoticeKind::Error, "Could not save.");
        notices.expire(&ctx, Instant::now());
        assert_eq!(notices.list.len(), 2);
        notices.expire(&ctx, Instant::now() + STAYS);
        let left: Vec<_> = notices.list.iter().map(|notice| notice.kind).collect();
        assert_eq!(left, [NoticeKind::Error]);
    }
}

//! Notices: small cards at the lower right that can be copied and dismissed. Information goes by
//! itself after a while, what went wrong stays.

use crate::ui::action::Action;
use crate::ui::kit::controls;
use crate::ui::kit::controls::Hint;
use crate::ui::app::state::{NoticeKind, State};
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

/// Shows the cards above everything, at the lower right of `inside`.
pub fn show(ctx: &egui::Context, state: &mut State, inside: egui::Rect) {
    expire(ctx, state, Instant::now());
    if state.notices.is_empty() {
        return;
    }
    let mut dismissed = None;
    let from_corner = inside.right_bottom() - ctx.content_rect().right_bottom() - vec2(12.0, 12.0);
    Area::new(Id::unique("notices"))
        .order(Order::Foreground)
        .anchor(Align2::RIGHT_BOTTOM, from_corner)
        .show(ctx, |ui| {
            ui.set_width(WIDTH);
            let hidden = state.notices.len().saturating_sub(SHOWN);
            if hidden > 0 {
                let text = format!("{hidden} earlier");
                ui.label(egui::RichText::new(text).small().weak());
            }
            for (index, notice) in state.notices.iter().enumerate().skip(hidden) {
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
                            state.actions.push(Action::Copy(notice.message.clone()));
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
        state.notices.remove(index);
    }
}

/// Takes away information that has been there long enough.
fn expire(ctx: &egui::Context, state: &mut State, now: Instant) {
    let age = |since: Instant| now.saturating_duration_since(since);
    state.notices.retain(|notice| notice.kind != NoticeKind::Info || age(notice.since) < STAYS);
    let infos = state.notices.iter().filter(|notice| notice.kind == NoticeKind::Info);
    if let Some(next) = infos.map(|notice| STAYS.saturating_sub(age(notice.since))).min() {
        ctx.request_repaint_after(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn information_goes_and_errors_stay() {
        let ctx = egui::Context::default();
        let mut state = State::default();
        state.notify(NoticeKind::Info, "Saved.");
        state.notify(NoticeKind::Error, "Could not save.");
        expire(&ctx, &mut state, Instant::now());
        assert_eq!(state.notices.len(), 2);
        expire(&ctx, &mut state, Instant::now() + STAYS);
        let left: Vec<_> = state.notices.iter().map(|notice| notice.kind).collect();
        assert_eq!(left, [NoticeKind::Error]);
    }
}

//! What a run takes of this machine: folded away, below the settings of the run. It changes how long a
//! run takes and nothing of what it draws.

use crate::compute::device_kind::DeviceKind;
use crate::compute::linear::{default_decoder_threads, most_decoder_threads};
use crate::ui::action::Action;
use crate::ui::kit::controls;
use crate::ui::kit::controls::{Hint, NumberField};
use crate::ui::kit::fonts;
use crate::ui::settings::form::Form;
use crate::ui::settings::rows::COUNT_WIDTH;
use egui::{Align, CollapsingHeader, Layout, Ui};

const DEVICE: Hint = Hint::new(
    "Where decoders run; chosen with --device when the program is started. Image tokenizers stay on the CPU.",
    "",
);

const THREADS: Hint = Hint::new(
    "Threads that decode, from the next run on. The tokens are the same with any number.",
    "A step reads every weight once, so more threads than memory can feed gain nothing, and the window and its previews need a core of their own.",
);

/// Shows the part.
pub fn show(ui: &mut Ui, form: &mut Form) {
    let changed = form.decoder_threads.is_some();
    let title = if changed { "This machine (changed)" } else { "This machine" };
    CollapsingHeader::new(fonts::group(title)).id_salt("machine").show_unindented(ui, |ui| {
        if form.device != DeviceKind::Cpu {
            ui.horizontal(|ui| {
                DEVICE.on(ui.label("Decodes on"));
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    DEVICE.on(ui.label(form.device.label()));
                });
            });
        }
        let shown = ui.horizontal(|ui| {
            THREADS.on(ui.label("Decoder threads"));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.spacing_mut().item_spacing.x = 4.0;
                let (usual, most) = (default_decoder_threads(), most_decoder_threads());
                let mut threads = form.decoder_threads.unwrap_or(usual);
                let range = 1..=most.max(usual);
                let number = NumberField {
                    name: "Decoder threads",
                    hint: THREADS,
                    read: &|text| controls::read_count(text, &range),
                    write: &|threads: usize| threads.to_string(),
                    suffix: &format!(" of {most}"),
                    range: range.clone(),
                    speed: 0.05,
                    width: COUNT_WIDTH,
                };
                let shown = number.show(ui, &mut threads);
                if shown.response.changed() {
                    let choice = (threads != usual).then_some(threads);
                    form.actions.push(Action::SetDecoderThreads(choice));
                }
                if controls::reset_button(ui, changed, "the decoder threads") {
                    form.actions.push(Action::SetDecoderThreads(None));
                }
                shown
            })
        });
        shown.inner.inner.message(ui);
    });
}

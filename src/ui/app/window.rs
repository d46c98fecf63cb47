//! The real window: eframe's options and the engine behind [`StudioApp`].

use crate::compute::device_kind::DeviceKind;
use crate::engine::{Engine, EngineOptions};
use crate::ui::app::persistence::StoredSettings;
use crate::ui::app::screen;
use crate::ui::app::studio::StudioApp;
use crate::ui::kit::system_fonts;
use anyhow::{Context as _, Result, anyhow};
use std::sync::Arc;

const TITLE: &str = "SoftCFG Studio";

/// Opens the window with all decoders on `device`, and returns when it is closed.
///
/// # Errors
/// The device cannot be used; the system gives no window or no threads.
pub fn run(device: DeviceKind) -> Result<()> {
    device.open()?;
    let viewport = egui::ViewportBuilder::default()
        .with_title(TITLE)
        .with_app_id("softcfg-studio")
        .with_inner_size(screen::OPENS_WITH)
        .with_min_inner_size(screen::SMALLEST);
    let options = eframe::NativeOptions {
        viewport,
        persist_window: false,
        // `system_fonts` of the kit looks for them instead, without holding a frame.
        system_font_fallback: false,
        ..Default::default()
    };
    eframe::run_native(
        TITLE,
        options,
        Box::new(|creation| {
            let ctx = creation.egui_ctx.clone();
            let waker = Arc::new(move || ctx.request_repaint());
            let engine = Engine::start(EngineOptions { decoder_threads: None, waker })
                .context("no threads could be started to decode with")?;
            engine.set_device(device);
            let stored =
                StoredSettings::default_file().map(StoredSettings::load).unwrap_or_default();
            let app = StudioApp::new(&creation.egui_ctx, engine, stored);
            let find_fonts = Box::new(system_fonts::of_the_system);
            let app = app.with_model_opener(Box::new(Engine::survey_model));
            Ok(Box::new(app.with_system_fonts(&creation.egui_ctx, find_fonts)))
        }),
    )
    .map_err(|error| {
        anyhow!(
            "the window could not be opened ({}); a screen and OpenGL are needed, see “On a bare Linux” in \
             the README, or run without a window: softcfg-studio generate",
            without_source_place(&error.to_string())
        )
    })
}

/// The message of a window library without the place in its source that stands before the reason,
/// "os error at /…/mod.rs:765: ".
fn without_source_place(message: &str) -> &str {
    let place = message.rsplit_once(".rs:").map(|(_, line_and_reason)| line_and_reason);
    place.and_then(|rest| rest.split_once(": ")).map_or(message, |(_, reason)| reason)
}

//! Opening models in the window: chosen and dropped files are looked at, the dialog decides, the engine
//! loads.

use crate::models::open::{ModelOffer, OpenRequest};
use crate::ui::app::StudioApp;
use crate::ui::open_dialog::OpenDialog;
use egui::Context;
use std::path::PathBuf;
use std::sync::Arc;

impl StudioApp {
    pub(super) fn open_model(&mut self, files: Vec<PathBuf>) {
        if self.open_model.is_none() {
            return;
        }
        let dialog = self.state.shell.opening.take();
        let files = dialog.map(|dialog| dialog.with_more(files.clone())).unwrap_or(files);
        // Looking at other files stops a model that is being loaded.
        self.forget_loading();
        self.state.shell.surveying = true;
        if let Some(opener) = &self.open_model {
            opener(&self.engine, files);
        }
    }

    pub(super) fn model_found(&mut self, offer: Arc<ModelOffer>) {
        self.state.shell.surveying = false;
        self.state.shell.opening = Some(OpenDialog::new(offer));
    }

    pub(super) fn load_model(&mut self, request: OpenRequest) {
        self.forget_loading();
        self.opening = Some(request.clone());
        self.engine.open_model(request);
    }

    pub(super) fn forget_loading(&mut self) {
        self.opening = None;
        self.state.shell.loading = None;
    }

    /// Files and folders dropped onto the window are opened like chosen ones.
    pub(super) fn take_dropped_files(&mut self, ctx: &Context) {
        let dropped: Vec<PathBuf> = ctx.input(|input| {
            input.raw.dropped_files.iter().map(|file| file.path().to_path_buf()).collect()
        });
        if !dropped.is_empty() {
            self.open_model(dropped);
        }
    }
}

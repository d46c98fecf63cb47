//! Opening models in the window: chosen and dropped files are looked at, the dialog decides, the engine
//! loads.

use crate::opening::offer::ModelOffer;
use crate::opening::request::OpenRequest;
use crate::ui::app::studio::StudioApp;
use crate::ui::notices::panel::NoticeKind;
use crate::ui::open_model::words::capital;
use crate::ui::state::model::ModelStatus;
use egui::Context;
use std::path::PathBuf;
use std::sync::Arc;

impl StudioApp {
    pub(super) fn show_open_dialog(&mut self) {
        if self.open_model.is_some() {
            self.state.panels.open_model.dialog.get_or_insert_default();
        }
    }

    /// Looks at files or folders; together with those in the dialog if they lack something, and alone if
    /// they do not go with them.
    pub(super) fn open_model(&mut self, paths: Vec<PathBuf>) {
        let dialog = self.state.panels.open_model.dialog.as_ref();
        let request = dialog.map(|dialog| dialog.with_more(paths.clone()));
        let alone = dialog.and_then(|dialog| dialog.another_model(paths.clone()));
        self.survey_model(request.unwrap_or_else(|| OpenRequest::new(paths)));
        if let Some(dialog) = &mut self.state.panels.open_model.dialog {
            dialog.alone = alone;
        }
    }

    pub(super) fn survey_model(&mut self, request: OpenRequest) {
        if self.open_model.is_none() {
            return;
        }
        // Looking at other files stops a model that is being loaded.
        self.forget_loading();
        self.state.progress.surveying = true;
        self.state.panels.open_model.dialog.get_or_insert_default().look();
        if let Some(opener) = &self.open_model {
            opener(&self.engine, request);
        }
    }

    pub(super) fn model_found(&mut self, offer: Arc<ModelOffer>) {
        self.state.progress.surveying = false;
        // Without a dialog the person has changed their mind.
        if let Some(dialog) = &mut self.state.panels.open_model.dialog {
            dialog.show_offer(offer);
        }
    }

    /// Files that are no model are named in the dialog, a model that cannot be loaded in a notice.
    pub(super) fn model_failed(&mut self, message: String) {
        let state = &mut self.state;
        let surveyed = std::mem::take(&mut state.progress.surveying);
        if surveyed {
            let alone =
                state.panels.open_model.dialog.as_mut().and_then(|dialog| dialog.alone.take());
            if let Some(request) = alone {
                self.survey_model(request);
            } else if let Some(dialog) = &mut state.panels.open_model.dialog {
                dialog.fail(message);
            }
            return;
        }
        state.progress.loading = None;
        self.opening = None;
        // The model before, if there is one, stays.
        if state.card().is_none() {
            state.model = ModelStatus::Failed(message.clone());
        }
        state.notify(NoticeKind::Error, capital(&message));
    }

    pub(super) fn load_model(&mut self, request: OpenRequest) {
        self.forget_loading();
        self.opening = Some(request.clone());
        self.engine.open_model(request);
    }

    pub(super) fn forget_loading(&mut self) {
        self.opening = None;
        self.state.progress.loading = None;
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

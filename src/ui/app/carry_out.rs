//! What panels asked for during a frame, carried out after it, in one place.

use crate::engine::settings::RunSettings;
use crate::engine::trace::{RunId, RunStatus};
use crate::ui::action::Action;
use crate::ui::app::saving::{ImageJob, Job, Outcome, OverlayCells};
use crate::ui::app::studio::StudioApp;
use crate::ui::notices::panel::NoticeKind;
use crate::ui::plots::data;
use crate::ui::scenarios::table as scenarios;
use crate::ui::settings::panel as settings_panel;
use crate::ui::settings::prompt_field;
use crate::ui::state::dice;
use crate::ui::state::run_view::RunView;
use crate::ui::state::view::Overlay;
use egui::Context;

impl StudioApp {
    /// Carries out and forgets what was asked for.
    pub(super) fn carry_out(&mut self, ctx: &Context) {
        for action in std::mem::take(&mut self.state.actions) {
            self.carry_out_one(ctx, action);
        }
    }

    fn carry_out_one(&mut self, ctx: &Context, action: Action) {
        let Some(action) = self.state.apply(action) else { return };
        match action {
            Action::Generate => {
                if !self.state.seed_locked {
                    self.state.settings.shared.sampling.seed = dice::seed();
                }
                self.generate(ctx, false);
            }
            Action::Cancel => {
                if let Some(id) = self.state.running().map(|run| run.record.id) {
                    self.state.progress.stopping = Some(id);
                    self.engine.cancel(id);
                }
            }
            Action::SetPaused(paused) => {
                if let Some(id) = self.state.running().map(|run| run.record.id) {
                    if paused { self.engine.pause(id) } else { self.engine.resume(id) }
                }
            }
            Action::DecodeStep => {
                if let Some(id) = self.state.running().map(|run| run.record.id) {
                    self.state.shared.cursor.following = true;
                    self.engine.step_once(id);
                }
            }
            Action::RestoreSettings(id) => self.restore(id),
            Action::ApplyScenario(index) => self.apply_scenario(ctx, index),
            Action::EditPrompt => {
                ctx.memory_mut(|memory| memory.request_focus(prompt_field::id()));
            }
            Action::SaveImage { run, lane, with_overlay } => {
                self.save_image(ctx, run, lane, with_overlay);
            }
            Action::SaveTrace { run } => {
                if let Some(view) = self.run(run) {
                    let job = Job::Trace(view.record.clone());
                    self.save(ctx, job);
                }
            }
            Action::SavePlotData { run } => {
                if let Some(view) = self.run(run) {
                    let tab = self.state.shared.view.plot_tab;
                    let name = format!("{}.csv", tab.label().to_lowercase());
                    let text = data::csv(tab, view);
                    self.save(ctx, Job::Text { name, text });
                }
            }
            Action::SavePlotPicture if self.state.arrangement.plots_rect.is_none() => {
                // Once they are there.
                self.state.arrangement.show_plots();
                self.state.actions.push(Action::SavePlotPicture);
                ctx.request_repaint();
            }
            Action::SavePlotPicture => {
                let (sender, waker) = (self.screenshot.0.clone(), ctx.clone());
                ctx.request_screenshot(move |image| {
                    // One picture at a time: a second one before the first is taken is dropped.
                    let _ = sender.try_send(image);
                    waker.request_repaint();
                });
            }
            Action::RequestPreview { run, lane, steps } => {
                if let Some(view) = self.run(run) {
                    self.engine.request_preview(&view.record, lane, steps);
                }
            }
            Action::RequestSwatches(codes) => self.engine.request_swatches(codes),
            Action::Copy(text) => ctx.copy_text(text),
            Action::OpenModel => self.show_open_dialog(),
            Action::ChooseModelFiles => self.save(ctx, Job::ChooseFiles),
            Action::ChooseModelFolder => self.save(ctx, Job::ChooseFolder),
            Action::LookAtModel(paths) => self.open_model(paths),
            Action::SurveyModel(request) => self.survey_model(request),
            Action::LoadModel(request) => self.load_model(request),
            Action::CancelLoad => self.engine.cancel_load(),
            Action::SetDecoderThreads(threads) => {
                self.state.decoder_threads = threads;
                self.engine.set_decoder_threads(threads);
            }
            Action::LoadBuiltin => {
                self.forget_loading();
                self.engine.load_builtin();
            }
            // `State::apply` has carried these out.
            Action::ShowRun(_)
            | Action::DismissScenario
            | Action::NewSeed
            | Action::ToggleLive
            | Action::MoveCursor(_)
            | Action::TogglePlay
            | Action::Unpin
            | Action::SetOverlay(_)
            | Action::SetComparison(_)
            | Action::SetPlotTab(_)
            | Action::FitImages
            | Action::SetTheme(_)
            | Action::SetZoom(_)
            | Action::ToggleSheet
            | Action::TogglePalette => {}
        }
    }

    fn run(&self, id: RunId) -> Option<&RunView> {
        RunView::find(&self.state.runs, id)
    }

    /// Checks the settings and starts a run with them; what is wrong goes under the fields.
    pub(super) fn generate(&mut self, ctx: &Context, by_live: bool) {
        let Some(card) = self.state.card().cloned() else {
            let message =
                "There is no model yet. Wait until it is loaded, or choose one at the top left.";
            self.state.notify(NoticeKind::Warning, message);
            return;
        };
        let spec = match self.state.settings.validate(&card) {
            Ok(spec) => spec,
            Err(errors) => {
                self.state.problems = errors;
                return;
            }
        };
        self.live.settle(&self.state.settings);
        if by_live {
            self.drop_superseded();
        }
        let mut view = RunView::new(self.engine.generate(spec));
        view.by_live = by_live;
        let id = view.record.id;
        self.state.runs.push(view);
        self.state.show_run(id);
        self.state.progress.stopping = None;
        ctx.request_repaint();
    }

    /// A run that Live started and Live stops is a movement of the hand, not a result: it leaves the
    /// history.
    fn drop_superseded(&mut self) {
        let history = &mut self.state.panels.history;
        self.state.runs.retain(|run| {
            // One that was paused was being looked at.
            let keep = !run.by_live || run.status.is_over() || run.status == RunStatus::Paused;
            if !keep {
                history.forget(run.record.id);
            }
            keep
        });
    }

    fn restore(&mut self, id: RunId) {
        let Some(run) = self.run(id) else { return };
        let spec = run.record.spec.clone();
        let in_use = self.state.card().map(|card| card.identity.clone());
        let unlike = in_use.map_or_else(
            || {
                Some(format!(
                    "the run was made with {}. Open it to repeat the run.",
                    spec.model.name
                ))
            },
            |in_use| spec.model.unlike(&in_use),
        );
        self.state.settings = RunSettings::of_run(&spec);
        if let Some(card) = self.state.card().cloned() {
            settings_panel::fit_to_model(&mut self.state.settings, &card);
        }
        // The run is there already: Live has nothing to add to it.
        self.live.settle(&self.state.settings);
        let (kind, message) = match unlike {
            None => (NoticeKind::Info, "The run's settings are back in the panel.".to_owned()),
            Some(reason) => (NoticeKind::Warning, format!("The settings are back, but {reason}")),
        };
        self.state.notify(kind, message);
    }

    fn apply_scenario(&mut self, ctx: &Context, index: usize) {
        let Some(scenario) = scenarios::all().get(index) else { return };
        scenario.apply(&mut self.state.settings, &mut self.state.shared.view);
        self.state.scenario = Some(index);
        self.generate(ctx, false);
    }

    fn save_image(&mut self, ctx: &Context, run: RunId, lane: usize, with_overlay: bool) {
        let mut overlay = None;
        if with_overlay {
            overlay = self.overlay_cells(run, lane);
            if overlay.is_none() {
                let message = "There is no overlay over this image. Show the run and choose an overlay, or save the image without.";
                self.state.notify(NoticeKind::Warning, message);
                return;
            }
        }
        let Some(view) = self.run(run) else { return };
        let newest = view.lanes.get(lane).and_then(|lane| lane.newest.clone());
        let Some((steps, image)) = newest else {
            let message = "There is no image of this lane yet. Wait for its first rows.";
            self.state.notify(NoticeKind::Warning, message);
            return;
        };
        let job = ImageJob { record: view.record.clone(), lane, image, steps, overlay };
        self.save(ctx, Job::Image(job));
    }

    /// The overlay over a lane of the run in view, if there is one.
    fn overlay_cells(&self, run: RunId, lane: usize) -> Option<OverlayCells> {
        let state = &self.state;
        let shown = state.shown_run().filter(|shown| shown.record.id == run)?;
        let view = &state.shared.view;
        if view.overlay == Overlay::Off {
            return None;
        }
        let colour = |step| state.panels.lanes.overlay_colour(lane, step, view.colour_map);
        let colours = (0..shown.steps()).map(colour).collect();
        Some(OverlayCells { colours, opacity: view.opacity })
    }

    fn save(&mut self, ctx: &Context, job: Job) {
        let waker = ctx.clone();
        if let Err(message) = self.saving.start(job, move || waker.request_repaint()) {
            self.state.notify(NoticeKind::Warning, message);
        }
    }

    /// Handles finished dialogs and the screenshot that was asked for.
    pub(super) fn finish_saving(&mut self, ctx: &Context) {
        match self.saving.poll() {
            Some(Outcome::Saved(file)) => {
                self.state.notify(NoticeKind::Info, format!("Saved {}", file.display()));
            }
            Some(Outcome::Failed(message)) => self.state.notify(NoticeKind::Error, message),
            Some(Outcome::Chosen(files)) => self.open_model(files),
            Some(Outcome::Dismissed) | None => {}
        }
        if let Some(question) = self.saving.question() {
            self.state.panels.file_dialog.ask(ctx, question);
        }
        self.state.progress.saving = self.saving.busy();
        self.save_plot_picture(ctx);
    }

    fn save_plot_picture(&mut self, ctx: &Context) {
        let Ok(shot) = self.screenshot.1.try_recv() else { return };
        let Some(rect) = self.state.arrangement.plots_rect else { return };
        let part = shot.region(&rect, Some(ctx.pixels_per_point()));
        let [width, height] = part.size.map(|side| side as u32);
        let bytes: Vec<u8> =
            part.pixels.iter().flat_map(|pixel| [pixel.r(), pixel.g(), pixel.b()]).collect();
        if let Some(image) = image::RgbImage::from_raw(width, height, bytes) {
            self.save(ctx, Job::Picture { name: "plot.png".into(), image });
        }
    }
}

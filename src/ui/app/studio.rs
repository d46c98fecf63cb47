//! The application: what the engine says goes into the state, the panels show it, what they ask for
//! is carried out. `logic` runs also while the window is hidden; `ui` only paints.

use crate::engine::events::{Event, Preview};
use crate::engine::settings::RunSettings;
use crate::engine::trace::RunStatus;
use crate::engine::worker::Engine;
use crate::models::card::ModelCard;
use crate::opening::request::OpenRequest;
use crate::ui::app::live::{LiveDebounce, Poll};
use crate::ui::app::persistence::{SettingsWriter, StoredSettings};
use crate::ui::app::saving::Saving;
use crate::ui::app::screen::FitScreen;
use crate::ui::app::state::State;
use crate::ui::app::writers::ExportWriters;
use crate::ui::app::{inputs, layout, portal};
use crate::ui::kit::system_fonts::{FindFonts, SystemFonts};
use crate::ui::notices::panel::NoticeKind;
use crate::ui::settings::panel as settings_panel;
use crate::ui::state::model::{ModelStatus, RecentModel};
use crate::ui::state::run_view::RunView;
use crate::ui::state::shared::Shared;
use crate::ui::theme;
use crossbeam_channel::{Receiver, Sender, bounded};
use egui::{ColorImage, Context};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest that one frame spends on the engine's events; the rest waits for the next.
const EVENT_BUDGET: Duration = Duration::from_millis(4);
/// How often the settings are looked at for keeping.
const KEEP_INTERVAL: Duration = Duration::from_secs(1);
/// Pictures at other cursor positions that a lane keeps; scrubbing asks again for older ones.
const PICTURES_KEPT: usize = 64;

/// Looks at model files; absent where the engine offers none.
pub type ModelOpener = Box<dyn Fn(&Engine, OpenRequest)>;

/// The window.
pub struct StudioApp {
    /// All that panels see.
    pub state: State,
    pub(super) engine: Engine,
    pub(super) live: LiveDebounce,
    pub(super) saving: Saving,
    /// Pictures of the window that were asked for.
    pub(super) screenshot: (Sender<Arc<ColorImage>>, Receiver<Arc<ColorImage>>),
    pub(super) open_model: Option<ModelOpener>,
    /// Fonts for scripts that the embedded ones lack; absent where tests want none.
    system_fonts: Option<SystemFonts>,
    fit_screen: FitScreen,
    /// What is being loaded, to be remembered once it is there.
    pub(super) opening: Option<OpenRequest>,
    /// Settings and model of the last check.
    checked: Option<(RunSettings, Arc<ModelCard>)>,
    writer: Option<SettingsWriter>,
    /// As last kept.
    kept: StoredSettings,
    looked_at: Instant,
    /// Live as the person last set it; the model decides until then.
    live_choice: Option<bool>,
    live_before: bool,
    /// Decode unasked as soon as a model is there.
    first_start: bool,
}

impl StudioApp {
    /// A window on an engine whose waker repaints `ctx`. Starts to load the built-in model.
    pub fn new(ctx: &Context, engine: Engine, stored: StoredSettings) -> Self {
        theme::install(ctx);
        // The keys are commands of ours, and what they choose is kept.
        ctx.options_mut(|options| options.zoom_with_keyboard = false);
        let mut state = State {
            settings: stored.settings.clone(),
            seed_locked: stored.seed_locked,
            live: stored.live.unwrap_or(false),
            shared: Shared { view: stored.view.clone(), ..Shared::default() },
            theme: stored.theme,
            zoom: stored.zoom,
            decoder_threads: stored.decoder_threads,
            device: engine.device(),
            ..State::default()
        };
        state.arrangement.sizes = stored.panels;
        state.recent = stored.recent_models.clone();
        if let Some(problem) = &stored.problem {
            state.notify(NoticeKind::Warning, problem.as_str());
        }
        let writer = stored.file.clone().and_then(|file| match SettingsWriter::start(file) {
            Ok(writer) => Some(writer),
            Err(error) => {
                let message =
                    format!("The settings of this session will not be kept: no thread ({error}).");
                state.notify(NoticeKind::Warning, message);
                None
            }
        });
        let repainted = ctx.clone();
        let waker = Arc::new(move || repainted.request_repaint());
        let mut live = LiveDebounce::default();
        live.settle(&state.settings);
        if stored.decoder_threads.is_some() {
            engine.set_decoder_threads(stored.decoder_threads);
        }
        engine.load_builtin();
        Self {
            live_before: state.live,
            state,
            engine,
            live,
            saving: Saving::new(Arc::new(ExportWriters), portal::shows_dialogs, waker),
            screenshot: bounded(1),
            open_model: None,
            system_fonts: None,
            fit_screen: FitScreen::default(),
            opening: None,
            checked: None,
            writer,
            live_choice: stored.live,
            first_start: stored.first_start,
            kept: stored,
            looked_at: Instant::now(),
        }
    }

    /// Lets people open model files.
    pub fn with_model_opener(mut self, opener: ModelOpener) -> Self {
        self.open_model = Some(opener);
        self.state.can_open_models = true;
        self
    }

    /// Looks for fonts where characters are missing.
    pub fn with_system_fonts(mut self, ctx: &Context, find: FindFonts) -> Self {
        self.system_fonts = Some(SystemFonts::new(ctx, find));
        self
    }

    /// Other dialogs than the system's, for tests.
    pub fn with_saving(mut self, saving: Saving) -> Self {
        self.saving = saving;
        self
    }

    /// Everything of a frame but the painting.
    pub fn update(&mut self, ctx: &Context) {
        ctx.set_theme(self.state.theme.egui());
        ctx.set_zoom_factor(self.state.zoom.factor());
        self.fit_screen.follow(ctx);
        self.drain(ctx);
        self.take_dropped_files(ctx);
        self.refresh_runs();
        inputs::advance_playback(ctx, &mut self.state);
        self.check_settings();
        self.follow_live(ctx);
        self.finish_saving(ctx);
        self.keep_settings(ctx);
    }

    /// The panels, and after them what they asked for.
    pub fn paint(&mut self, ui: &mut egui::Ui) {
        let ctx = ui.ctx().clone();
        // Focus moves on once a frame; a frame that egui lays out twice is one frame.
        if ctx.current_pass_index() == 0 {
            self.state.shared.focus.begin_frame();
        }
        layout::show(ui, &mut self.state);
        self.carry_out(&ctx);
        let missing = self.system_fonts.as_mut().and_then(|fonts| fonts.follow(&ctx));
        if let Some(message) = missing {
            self.state.notify(NoticeKind::Warning, message);
        }
    }

    fn drain(&mut self, ctx: &Context) {
        let begin = Instant::now();
        while let Some(event) = self.engine.next_event() {
            self.take(ctx, event);
            if begin.elapsed() > EVENT_BUDGET {
                ctx.request_repaint();
                break;
            }
        }
    }

    fn take(&mut self, ctx: &Context, event: Event) {
        let state = &mut self.state;
        match event {
            Event::ModelReady(card) => self.model_ready(ctx, card),
            Event::ModelFailed { message } => self.model_failed(message),
            Event::ModelFound(offer) => self.model_found(offer),
            Event::LoadProgress { name, fraction } => {
                state.progress.loading = Some((name, fraction));
            }
            Event::LoadCancelled => {
                state.progress.loading = None;
                self.opening = None;
                let message = "Loading was cancelled. The model that was open stays open.";
                state.notify(NoticeKind::Info, message);
            }
            Event::RunPaused(id) => {
                let run = state.runs.iter_mut().rev().find(|run| run.record.id == id);
                run.into_iter().for_each(RunView::refresh);
            }
            Event::RunEnded(id) => {
                if state.progress.stopping == Some(id) {
                    state.progress.stopping = None;
                }
                let run = RunView::find_mut(&mut state.runs, id);
                let Some(run) = run else { return };
                run.refresh();
                let failure = match &run.status {
                    RunStatus::Failed(message) => Some(message.clone()),
                    _ => None,
                };
                if let Some(message) = failure {
                    state.notify(NoticeKind::Error, message);
                }
            }
            Event::Preview(preview) => self.take_preview(preview),
            Event::Swatches(swatches) => {
                state.swatches.extend(swatches.into_iter().map(|one| (one.code, one.image)));
            }
            Event::Problem { message } => state.notify(NoticeKind::Error, message),
        }
    }

    fn model_ready(&mut self, ctx: &Context, card: Arc<ModelCard>) {
        let state = &mut self.state;
        state.progress.loading = None;
        if let Some(request) = self.opening.take() {
            let name = card.identity.name.clone();
            RecentModel::remember(&mut state.recent, name, request);
        }
        // Another model brings its own settings; the one of the start keeps those of the last session.
        let switched = state.card().is_some_and(|before| before.identity != card.identity);
        settings_panel::fit_to_model(&mut state.settings, &card);
        state.live = self.live_choice.unwrap_or(card.live);
        self.live_before = state.live;
        state.swatches.clear();
        if self.first_start || switched {
            let defaults = &card.defaults;
            state.settings.shared.adopt(defaults);
        }
        state.model = ModelStatus::Ready(card);
        self.live.settle(&self.state.settings);
        if std::mem::take(&mut self.first_start) {
            self.generate(ctx, false);
        }
    }

    fn take_preview(&mut self, Preview { run, lane, steps, image }: Preview) {
        let (shown, position) = (self.state.shared.shown, self.state.shared.cursor.position);
        let Some(view) = RunView::find_mut(&mut self.state.runs, run) else { return };
        let Some(lane) = view.lanes.get_mut(lane) else { return };
        if lane.newest.as_ref().is_none_or(|(newest, _)| steps >= *newest) {
            lane.newest = Some((steps, image.clone()));
        }
        let asked_for = shown == Some(run) && (steps == position || view.status.is_over());
        if asked_for {
            if lane.at_cursor.len() >= PICTURES_KEPT {
                lane.at_cursor.clear();
            }
            lane.at_cursor.insert(steps, image);
        }
    }

    fn refresh_runs(&mut self) {
        let shown = self.state.shared.shown;
        for run in &mut self.state.runs {
            let in_view = shown == Some(run.record.id);
            if !run.status.is_over() || (in_view && run.steps_done() < run.steps_done) {
                run.refresh();
            }
        }
        let state = &mut self.state;
        if let Some(run) = state.shared.run(&state.runs).filter(|_| state.shared.cursor.following) {
            state.shared.cursor.position = run.steps_done();
        }
    }

    /// Checks the settings whenever they or the model have changed.
    fn check_settings(&mut self) {
        let Some(card) = self.state.card() else { return };
        let same = self.checked.as_ref().is_some_and(|(settings, checked)| {
            *settings == self.state.settings && Arc::ptr_eq(checked, card)
        });
        if same {
            return;
        }
        let card = card.clone();
        self.state.problems = self.state.settings.validate(&card).err().unwrap_or_default();
        self.checked = Some((self.state.settings.clone(), card));
    }

    fn follow_live(&mut self, ctx: &Context) {
        if self.state.live != self.live_before {
            self.live_before = self.state.live;
            self.live_choice = Some(self.state.live);
        }
        let ready = self.state.card().is_some() && self.state.problems.is_empty();
        let now = ctx.input(|input| input.time);
        match self.live.poll(now, &self.state.settings, self.state.live && ready) {
            Poll::Idle => {}
            Poll::Wait(rest) => ctx.request_repaint_after(rest),
            Poll::Fire => self.generate(ctx, true),
        }
    }

    fn storable(&self) -> StoredSettings {
        StoredSettings {
            settings: self.state.settings.clone(),
            live: self.live_choice,
            seed_locked: self.state.seed_locked,
            view: self.state.shared.view.clone(),
            theme: self.state.theme,
            zoom: self.state.zoom,
            panels: self.state.arrangement.sizes,
            decoder_threads: self.state.decoder_threads,
            recent_models: self.state.recent.clone(),
            ..self.kept.clone()
        }
    }

    fn keep_settings(&mut self, ctx: &Context) {
        let Some(writer) = &self.writer else { return };
        if let Some(message) = writer.failure() {
            self.state.notify(NoticeKind::Warning, message);
        }
        let since = self.looked_at.elapsed();
        if since < KEEP_INTERVAL {
            if ctx.input(|input| !input.events.is_empty()) {
                ctx.request_repaint_after(KEEP_INTERVAL - since);
            }
            return;
        }
        self.looked_at = Instant::now();
        let now = self.storable();
        if now != self.kept
            && let Some(writer) = &self.writer
            && writer.offer(now.clone())
        {
            self.kept = now;
        }
    }
}

impl Drop for StudioApp {
    fn drop(&mut self) {
        let now = self.storable();
        if let Some(writer) = &mut self.writer {
            writer.finish(now);
        }
    }
}

impl eframe::App for StudioApp {
    fn logic(&mut self, ctx: &Context, _frame: &mut eframe::Frame) {
        self.update(ctx);
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        if let Some(seconds) = frame.info().cpu_usage {
            let smoothed = &mut self.state.progress.frame_ms;
            *smoothed = egui::lerp(*smoothed..=seconds * 1e3, 0.1);
        }
        self.paint(ui);
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        visuals.panel_fill.to_normalized_gamma_f32()
    }

    // Panel sizes are kept with the other settings; the rest of egui's memory is of one session.
    fn persist_egui_memory(&self) -> bool {
        false
    }
}

//! Opening a model in the window: what was found, what is missing, loading, drawing with it, recent
//! models, and files that are none.

use egui::{Key, Modifiers, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use image::RgbImage;
use softcfg_studio::engine::trace::{RunRecord, RunStatus};
use softcfg_studio::engine::{Engine, EngineOptions};
use softcfg_studio::export::png;
use softcfg_studio::opening::request::OpenRequest;
use softcfg_studio::prompts::condition::Condition;
use softcfg_studio::ui::app::dialogs::Dialogs;
use softcfg_studio::ui::app::persistence::StoredSettings;
use softcfg_studio::ui::app::saving::{ImageJob, Saving, Writers};
use softcfg_studio::ui::app::studio::StudioApp;
use softcfg_studio::ui::file_dialog::question::FileKind;
use softcfg_studio::ui::state::model::RecentModel;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

type Window = Harness<'static, StudioApp>;

/// Answers the dialogs with these files or folders, one after the other.
struct Answers(Mutex<Vec<PathBuf>>);

impl Dialogs for Answers {
    fn save(&self, _: &str, _: &str, _: &'static [FileKind]) -> Option<PathBuf> {
        None
    }
    fn open(&self, _: &str) -> Option<Vec<PathBuf>> {
        let mut answers = self.0.lock().expect("no panic");
        (!answers.is_empty()).then(|| vec![answers.remove(0)])
    }
    fn folder(&self, title: &str) -> Option<PathBuf> {
        self.open(title)?.pop()
    }
}

struct NoWriters;

impl Writers for NoWriters {
    fn image(&self, _: &ImageJob, _: &Path) -> Result<(), String> {
        Err("not here".into())
    }
    fn trace(&self, _: &RunRecord, _: &Path) -> Result<(), String> {
        Err("not here".into())
    }
    fn text(&self, _: &str, _: &Path) -> Result<(), String> {
        Err("not here".into())
    }
    fn picture(&self, _: &RgbImage, _: &Path) -> Result<(), String> {
        Err("not here".into())
    }
}

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(path)
}

/// A window whose built-in model is there, and whose file dialog gives these files.
fn window(files: &[&str]) -> Window {
    let answers = Answers(Mutex::new(files.iter().map(|file| golden(file)).collect()));
    let dialogs = Arc::new(answers);
    let stored =
        StoredSettings { live: Some(false), first_start: false, ..StoredSettings::default() };
    let mut window = Harness::builder()
        .with_size(vec2(1400.0, 900.0))
        .with_max_steps(30)
        .build_eframe(move |creation| {
            let ctx = creation.egui_ctx.clone();
            let waker = Arc::new(move || ctx.request_repaint());
            let options = EngineOptions { decoder_threads: Some(1), waker };
            let engine = Engine::start(options).expect("threads");
            StudioApp::new(&creation.egui_ctx, engine, stored.clone())
                .with_saving(Saving::with_dialogs(Arc::new(NoWriters), dialogs.clone()))
                .with_model_opener(Box::new(Engine::survey_model))
        });
    wait(&mut window, "the built-in model", |app| app.state.model_is_ready());
    window
}

fn wait(window: &mut Window, what: &str, mut done: impl FnMut(&StudioApp) -> bool) {
    let begun = Instant::now();
    while !done(window.state()) {
        assert!(begun.elapsed() < PATIENCE, "{what} did not happen in {PATIENCE:?}");
        window.step();
        std::thread::sleep(Duration::from_millis(2));
    }
    window.step();
    window.step();
}

/// Opens the dialog and presses one of its buttons.
fn choose(window: &mut Window, button: &str) {
    window.key_press_modifiers(Modifiers::COMMAND, Key::O);
    wait(window, "the dialog", |app| app.state.panels.open_model.dialog.is_some());
    window.get_by_label(button).click();
    window.step();
}

/// The dialog shows what was found, or why nothing was.
fn looked(app: &StudioApp) -> bool {
    app.state.panels.open_model.dialog.as_ref().is_some_and(|dialog| dialog.has_answer())
}

fn name(app: &StudioApp) -> String {
    app.state.card().map(|card| card.identity.name.clone()).unwrap_or_default()
}

#[test]
fn a_model_is_found_completed_opened_and_drawn_with() {
    let mut window = window(&["rar/model/rar_tiny.bin", "rar_tokenizer/maskgit_vqgan_tiny.bin"]);
    let before = name(window.state());
    choose(&mut window, "Choose files…");
    wait(&mut window, "the offer", looked);
    assert!(
        window.query_all_by_label_contains("RAR (width 32, 3 layers) decoder").next().is_some()
    );
    let missing = "maskgit-vqgan-imagenet-f16-256.bin";
    assert!(window.query_all_by_label_contains(missing).next().is_some());
    assert_eq!(name(window.state()), before, "nothing was loaded");

    window.get_by_label("Choose the missing file…").click();
    wait(&mut window, "the pair", |app| {
        app.state.panels.open_model.dialog.as_ref().is_some_and(|dialog| dialog.is_complete())
    });
    assert!(window.query_by_label("Choose the missing file…").is_none());
    assert!(window.query_all_by_label_contains("MaskGIT-VQGAN image tokenizer").next().is_some());
    assert!(window.query_all_by_label_contains("bf16, 16 bit").next().is_some());
    window.get_by_label("Open").click();
    wait(&mut window, "the model", |app| name(app) != before);

    let app = window.state();
    assert!(name(app).starts_with("RAR"), "{}", name(app));
    assert!(app.state.progress.loading.is_none() && app.state.panels.open_model.dialog.is_none());
    assert_eq!(app.state.recent.len(), 1);
    assert_eq!(app.state.settings.shared.condition, Condition::Class(0));
    let defaults = &app.state.card().expect("a model").defaults;
    assert_eq!(app.state.settings.shared.guidance.scale.guidance_scale, defaults.guidance_scale);
    window.get_by_label("Generate").click();
    wait(&mut window, "the run", |app| {
        app.state.shown_run().is_some_and(|run| run.status == RunStatus::Finished)
    });
    let run = window.state().state.shown_run().expect("a run");
    assert_eq!(run.steps_done(), 64);
    wait(&mut window, "the pixels", |app| {
        let run = app.state.shown_run().expect("a run");
        run.lanes.iter().all(|lane| lane.newest.as_ref().is_some_and(|(steps, _)| *steps == 64))
    });
}

#[test]
fn a_file_that_is_no_model_leaves_everything_as_it_was() {
    let mut window = window(&["rar/model/config.json", "lumina/tiny"]);
    let before = name(window.state());
    choose(&mut window, "Choose files…");
    wait(&mut window, "the refusal", looked);
    let problem = |app: &StudioApp| {
        let dialog = app.state.panels.open_model.dialog.as_ref().expect("the dialog stays");
        dialog.problem().map(str::to_owned)
    };
    let app = window.state();
    assert!(problem(app).is_some_and(|text| text.contains("config.json")));
    assert_eq!(name(app), before);
    assert!(app.state.panels.notices.list.is_empty() && !app.state.progress.surveying);
    // Another choice from the same dialog.
    window.get_by_label("Choose folder…").click();
    wait(&mut window, "the folder", |app| looked(app) && problem(app).is_none());
    assert!(window.query_all_by_label_contains("Lumina-mGPT").next().is_some());
    window.get_by_label("Cancel").click();
    wait(&mut window, "the end of the dialog", |app| app.state.panels.open_model.dialog.is_none());
    window.get_by_label("Generate").click();
    wait(&mut window, "a run", |app| app.state.runs.len() == 1);
}

#[test]
fn the_dialog_can_be_left_and_nothing_is_loaded() {
    let mut window = window(&["alitok/model/alitok_tiny.bin"]);
    let before = name(window.state());
    choose(&mut window, "Choose files…");
    wait(&mut window, "the offer", looked);
    window.get_by_label("Cancel").click();
    wait(&mut window, "the end of the dialog", |app| app.state.panels.open_model.dialog.is_none());
    assert_eq!(name(window.state()), before);
    assert!(window.state().state.recent.is_empty());
}

/// A file manager's gift.
#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }
    fn bytes(&self) -> Result<Vec<u8>, String> {
        Err("only the path is read".into())
    }
}

#[test]
fn a_folder_dropped_onto_the_window_is_looked_at() {
    let mut window = window(&[]);
    window.input_mut().dropped_files.push(Arc::new(Dropped(golden("lumina/tiny"))));
    wait(&mut window, "the offer", looked);
    assert!(window.query_all_by_label_contains("Lumina-mGPT").next().is_some());
    assert!(window.query_all_by_label_contains("movqgan_270M.ckpt").next().is_some());
    // The grid is a guess here, so it can be changed.
    window.get_by_label("Rows");
    window.key_press(Key::Escape);
    wait(&mut window, "the end of the dialog", |app| app.state.panels.open_model.dialog.is_none());
}

#[test]
fn a_picture_of_this_program_dropped_onto_the_window_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let picture = folder.path().join("cat.png");
    let file = std::fs::File::create(&picture).expect("a file");
    png::encode(file, &RgbImage::new(2, 2), &[(png::DESCRIPTION_KEYWORD, "{}")])
        .expect("a picture");
    let mut window = window(&[]);
    window.input_mut().dropped_files.push(Arc::new(Dropped(picture)));
    wait(&mut window, "the refusal", looked);
    let told = "a picture that this program drew";
    assert!(window.query_all_by_label_contains(told).next().is_some());
}

#[test]
fn what_a_drop_does_is_shown_while_files_are_over_the_window() {
    let mut window = window(&["alitok/model/alitok_tiny.bin"]);
    let over = |window: &mut Window| {
        let path = Some(PathBuf::from("/models/AliTok.pth"));
        let file = egui::HoveredFile { path, ..egui::HoveredFile::default() };
        window.input_mut().hovered_files = vec![file];
        window.run_steps(2);
    };
    assert!(window.query_by_label("Drop to open a model").is_none());
    over(&mut window);
    window.get_by_label("Drop to open a model");
    window.get_by_label("AliTok.pth");
    window.input_mut().hovered_files.clear();
    choose(&mut window, "Choose files…");
    wait(&mut window, "the offer", looked);
    assert!(window.query_by_label("Drop to open a model").is_none());
    over(&mut window);
    window.get_by_label("Drop to add what is missing");
}

#[test]
fn weights_of_a_training_file_are_chosen_in_the_dialog() {
    let mut window = window(&["llamagen/containers/train_full.pt"]);
    // Its number of heads stands in no tensor.
    choose(&mut window, "Choose files…");
    wait(&mut window, "the refusal", looked);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("train.pt");
    std::fs::copy(golden("llamagen/containers/train_full.pt"), &file).expect("a copy");
    std::fs::write(folder.path().join("config.json"), r#"{"n_head": 2}"#).expect("a file");
    window.input_mut().dropped_files.push(Arc::new(Dropped(file)));
    let found = |app: &StudioApp| {
        let dialog = app.state.panels.open_model.dialog.as_ref();
        dialog.is_some_and(|dialog| looked(app) && dialog.problem().is_none())
    };
    wait(&mut window, "the offer", found);
    let chosen = |window: &Window, set: &str| {
        let dialog = window.state().state.panels.open_model.dialog.as_ref().expect("the dialog");
        dialog.weight_set() == Some(set)
    };
    assert!(chosen(&window, "model"));
    window.get_by_label("ema").click();
    wait(&mut window, "the other weights", |app| {
        found(app)
            && app
                .state
                .panels
                .open_model
                .dialog
                .as_ref()
                .is_some_and(|d| d.weight_set() == Some("ema"))
    });
    window.get_by_label("model");
}

#[test]
fn a_recent_model_is_opened_from_the_menu() {
    let mut window = window(&[]);
    let before = name(window.state());
    let mut request = OpenRequest::new([golden("llamagen/c2i_tiny/c2i_tiny.pt")]);
    request.tokenizer = Some(golden("llamagen/vq16_tiny/vq16_tiny.pt"));
    let recent = &mut window.state_mut().state.recent;
    RecentModel::remember(recent, "My LlamaGen".into(), request);
    window.get_by_label("Model").click();
    wait(&mut window, "the menu", |_| true);
    window.get_by_label("My LlamaGen").click();
    wait(&mut window, "the model", |app| name(app) != before);
    assert!(name(window.state()).starts_with("LlamaGen"));
    // Remembered once, under the name it has now.
    let recent = &window.state().state.recent;
    assert_eq!(recent.len(), 1);
    assert_eq!(recent[0].name, name(window.state()));
}

//! Files are chosen and saved where the system offers no file dialog (ssh -X, WSL, bare window managers).

use crate::window::{CTRL, Window, decode, notices, wait, window};
use egui::accesskit::Role;
use egui::{Event, Key, Modifiers};
use egui_kittest::kittest::Queryable;
use softcfg_studio::opening::request::OpenRequest;
use softcfg_studio::ui::app::persistence::StoredSettings;
use softcfg_studio::ui::app::saving::Saving;
use softcfg_studio::ui::app::writers::ExportWriters;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// A window on a system that shows no file dialogs; what is to be opened goes to the list.
fn without_system_dialogs(looked_at: Arc<Mutex<Vec<OpenRequest>>>) -> Window {
    window((1400.0, 900.0), StoredSettings::default(), move |ctx, app| {
        let (ctx, looked_at) = (ctx.clone(), looked_at.clone());
        let waker = Arc::new(move || ctx.request_repaint());
        app.with_saving(Saving::new(Arc::new(ExportWriters), || false, waker)).with_model_opener(
            Box::new(move |_, request| looked_at.lock().expect("no panic").push(request)),
        )
    })
}

fn is_open(window: &Window) -> bool {
    window.state().state.panels.file_dialog.is_open()
}

fn asked(window: &mut Window) {
    wait(window, "the dialog", is_open);
    window.run_steps(3);
}

/// Types over what is in the field for the name, and presses Enter.
fn enter(window: &mut Window, text: &str) {
    window.key_press_modifiers(CTRL, Key::A);
    window.step();
    window.event(Event::Text(text.into()));
    window.step();
    window.key_press(Key::Enter);
    window.step();
}

fn save_trace(window: &mut Window) {
    window.key_press_modifiers(CTRL | Modifiers::SHIFT, Key::S);
    asked(window);
}

fn typed(path: &Path) -> &str {
    path.to_str().expect("Unicode")
}

// Source: PolyMeilex/rfd#242 (no dialog opens, and the answer is that of a dialog that was closed).
#[test]
fn a_person_saves_a_trace_over_ssh_where_no_portal_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("trace of mine.csv");
    let mut window = without_system_dialogs(Arc::default());
    decode(&mut window);
    save_trace(&mut window);
    assert!(window.query_by_label_contains("The system offers no file dialog").is_some());
    // Without its ending, which is that of the first kind.
    enter(&mut window, typed(&file.with_extension("")));
    wait(&mut window, "saving", |window| file.exists() && !is_open(window));
    let text = std::fs::read_to_string(&file).expect("text");
    assert!(text.lines().count() > 2 * 256, "{} lines", text.lines().count());
    wait(&mut window, "the notice", |window| notices(window).iter().any(|it| it.contains("Saved")));

    // Once more under the same name: asked first, and the reason for the dialog is not said again.
    std::fs::write(&file, "mine").expect("a file");
    save_trace(&mut window);
    assert!(window.query_by_label_contains("The system offers no file dialog").is_none());
    enter(&mut window, typed(&file));
    wait(&mut window, "the question", |window| {
        window.query_by_label_contains("is there already").is_some()
    });
    assert_eq!(std::fs::read_to_string(&file).expect("text"), "mine");
    window.get_by_label("Replace").click();
    wait(&mut window, "saving again", |window| !is_open(window));
    wait(&mut window, "the file", |_| std::fs::read_to_string(&file).is_ok_and(|it| it == text));
}

// Source: found in use.
#[test]
fn a_person_who_leaves_the_dialog_saves_nothing_and_can_ask_again() {
    let mut window = without_system_dialogs(Arc::default());
    decode(&mut window);
    for _ in 0..2 {
        save_trace(&mut window);
        window.get_by_label("Cancel").click();
        wait(&mut window, "leaving", |window| !is_open(window));
        wait(&mut window, "the thread", |window| !window.state().state.progress.saving);
    }
    assert_eq!(notices(&window), Vec::<String>::new());
}

// Source: PolyMeilex/rfd#194.
#[test]
fn a_person_chooses_model_files_over_ssh_where_no_portal_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join("llamagen");
    std::fs::create_dir(&model).expect("a folder");
    for name in ["c2i_B_256.pt", "vq_ds16_c2i.pt", "notes.txt"] {
        std::fs::write(model.join(name), b"weights").expect("a file");
    }
    let looked_at = Arc::new(Mutex::new(Vec::new()));
    let mut window = without_system_dialogs(looked_at.clone());
    window.key_press_modifiers(CTRL, Key::O);
    window.run_steps(3);
    window.get_by_label("Choose files…").click();
    asked(&mut window);
    // The folders of a typed path are gone into, what begins as typed is listed, Tab completes it.
    window.event(Event::Text(format!("{}/lla", typed(folder.path()))));
    wait(&mut window, "the list", |window| window.query_by_label("llamagen").is_some());
    window.key_press(Key::Tab);
    wait(&mut window, "the files", |window| window.query_by_label("c2i_B_256.pt").is_some());
    assert!(window.query_by_label("notes.txt").is_none(), "not a kind of weights");
    window.get_by_role_and_label(Role::Button, "c2i_B_256.pt").click();
    window.step();
    window.get_by_role_and_label(Role::Button, "vq_ds16_c2i.pt").click_modifiers(CTRL);
    window.run_steps(2);
    window.get_by_label("Open").click();
    wait(&mut window, "looking", |_| !looked_at.lock().expect("no panic").is_empty());
    let request = looked_at.lock().expect("no panic").remove(0);
    assert_eq!(request.paths, ["c2i_B_256.pt", "vq_ds16_c2i.pt"].map(|name| model.join(name)));
}

// Source: found in use.
#[test]
fn a_person_chooses_a_folder_that_is_not_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let looked_at = Arc::new(Mutex::new(Vec::new()));
    let mut window = without_system_dialogs(looked_at.clone());
    window.key_press_modifiers(CTRL, Key::O);
    window.run_steps(3);
    window.get_by_label("Choose folder…").click();
    asked(&mut window);
    enter(&mut window, typed(&folder.path().join("absent")));
    wait(&mut window, "the message", |window| {
        window.query_by_label_contains("There is nothing there").is_some()
    });
    assert!(is_open(&window));
    // The folder in view is taken without a name.
    window.key_press_modifiers(CTRL, Key::A);
    window.step();
    window.key_press(Key::Backspace);
    window.run_steps(2);
    window.get_by_label("Choose this folder").click();
    wait(&mut window, "looking", |_| !looked_at.lock().expect("no panic").is_empty());
    let request = looked_at.lock().expect("no panic").remove(0);
    assert_eq!(request.paths, [folder.path()]);
}

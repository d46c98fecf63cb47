//! Every panel, built from plain data: what each paints and what a screen reader reads, while there is
//! no run, while one is decoded, when it is done and when it has failed, in the dark and the light theme.
//!
//! What is painted is compared with `recorded/<panel>.txt`: the text in the order it is painted, each with
//! its colour by the colour's name in the palette, so that both themes give the same file; then the
//! accessibility tree. `UPDATE_SNAPSHOTS=1 cargo test --test panels` writes the files anew.

mod listing;
#[path = "../ui_fixture/mod.rs"]
mod ui_fixture;

use egui::{Pos2, Rect, Ui, Vec2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::NodeT;
use softcfg_studio::compute::layout::TokenLayout;
use softcfg_studio::engine::trace::RunStatus;
use softcfg_studio::guidance::Preset;
use softcfg_studio::models::card::ModelCard;
use softcfg_studio::opening::builtin;
use softcfg_studio::ui::action::Action;
use softcfg_studio::ui::app::inputs;
use softcfg_studio::ui::app::state::State;
use softcfg_studio::ui::notices::panel::NoticeKind;
use softcfg_studio::ui::scenarios::{note, table as scenarios};
use softcfg_studio::ui::state::model::ModelStatus;
use softcfg_studio::ui::theme;
use softcfg_studio::ui::theme::{DARK, LIGHT, ThemeChoice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A panel by name, as the window shows it, in about its usual size.
struct Panel {
    name: &'static str,
    size: Vec2,
    show: fn(&mut Ui, &mut State),
}

const PANELS: [Panel; 13] = [
    Panel { name: "top_bar", size: vec2(1400.0, 36.0), show: inputs::top_bar },
    Panel { name: "settings", size: vec2(290.0, 900.0), show: inputs::settings },
    Panel { name: "scenario", size: vec2(760.0, 80.0), show: scenario },
    Panel { name: "lanes", size: vec2(760.0, 480.0), show: inputs::lanes },
    Panel { name: "timeline", size: vec2(760.0, 40.0), show: inputs::timeline },
    Panel { name: "plots", size: vec2(760.0, 240.0), show: inputs::plots },
    Panel { name: "inspector", size: vec2(320.0, 760.0), show: inputs::inspector },
    Panel { name: "history", size: vec2(1400.0, 76.0), show: inputs::history },
    Panel { name: "status_bar", size: vec2(1400.0, 22.0), show: inputs::status_bar },
    Panel { name: "notices", size: vec2(500.0, 300.0), show: notices },
    Panel { name: "open_model", size: vec2(760.0, 640.0), show: open_model },
    Panel { name: "shortcuts", size: vec2(800.0, 640.0), show: shortcuts },
    Panel { name: "palette", size: vec2(700.0, 560.0), show: palette },
];

fn scenario(ui: &mut Ui, _: &mut State) {
    note::show(ui, &scenarios::all()[0]);
}

fn notices(ui: &mut Ui, state: &mut State) {
    let inside = Rect::from_min_size(Pos2::ZERO, vec2(500.0, 300.0));
    inputs::notices(ui.ctx(), state, inside);
}

fn open_model(ui: &mut Ui, state: &mut State) {
    state.panels.open_model.dialog.get_or_insert_default();
    inputs::open_model(ui.ctx(), state);
}

fn shortcuts(ui: &mut Ui, state: &mut State) {
    state.panels.commands.sheet_open = true;
    inputs::commands(ui.ctx(), state);
}

fn palette(ui: &mut Ui, state: &mut State) {
    if !state.panels.commands.is_open() {
        state.apply(Action::TogglePalette);
    }
    inputs::commands(ui.ctx(), state);
}

/// What the window holds.
#[derive(Debug, Clone, Copy)]
enum Case {
    Empty,
    Running,
    Done,
    Failed,
}

const CASES: [Case; 4] = [Case::Empty, Case::Running, Case::Done, Case::Failed];

fn card() -> Arc<ModelCard> {
    static CARD: OnceLock<Arc<ModelCard>> = OnceLock::new();
    let load = || builtin::load().expect("the built-in model").card.clone();
    CARD.get_or_init(load).clone()
}

fn state(case: Case, theme: ThemeChoice) -> State {
    let lanes = [Preset::Cfg, Preset::SoftCfg];
    let layout = || TokenLayout::raster(16, 16);
    let mut state = match case {
        Case::Empty => State::default(),
        Case::Running | Case::Failed => ui_fixture::state(&lanes, layout(), 103),
        Case::Done => ui_fixture::state(&lanes, layout(), 256),
    };
    if let Some(run) = state.runs.first_mut() {
        run.elapsed = Duration::from_secs(2);
        run.steps_done = run.steps_done();
        run.tokens_that_differ = 40;
    }
    match case {
        Case::Empty => {}
        Case::Running | Case::Done => state.model = ModelStatus::Ready(card()),
        Case::Failed => {
            let message = "The decoder ran out of memory. Close other programs and try again.";
            state.model = ModelStatus::Failed(message.into());
            state.runs[0].status = RunStatus::Failed(message.into());
            state.notify(NoticeKind::Error, message);
        }
    }
    state.can_open_models = true;
    state.theme = theme;
    state
}

fn shown(panel: &'static Panel, case: Case, theme: ThemeChoice) -> Harness<'static, State> {
    let mut harness = Harness::builder()
        .with_size(panel.size)
        .with_max_steps(8)
        .with_theme(theme.egui())
        .with_context_setup(theme::install)
        .build_ui_state(|ui, state| (panel.show)(ui, state), state(case, theme));
    harness.run_steps(4);
    harness
}

fn recorded(panel: &Panel) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/panels/recorded");
    folder.join(format!("{}.txt", panel.name))
}

#[test]
fn panels_paint_and_name_what_is_recorded() {
    let update = std::env::var_os("UPDATE_SNAPSHOTS").is_some();
    let mut changed = Vec::new();
    for panel in &PANELS {
        let mut text = String::new();
        for case in CASES {
            let dark = listing::of(&shown(panel, case, ThemeChoice::Dark), &DARK);
            let light = listing::of(&shown(panel, case, ThemeChoice::Light), &LIGHT);
            assert_eq!(
                dark, light,
                "{} {case:?}: the themes differ in more than colours",
                panel.name
            );
            text.push_str(&format!("=== {case:?}\n{dark}\n"));
        }
        let file = recorded(panel);
        if update {
            std::fs::write(&file, &text).expect("the folder can be written to");
        } else if std::fs::read_to_string(&file).ok().as_deref() != Some(text.as_str()) {
            let new = file.with_extension("new.txt");
            std::fs::write(&new, &text).expect("the folder can be written to");
            changed.push(format!("{} is not {}", new.display(), file.display()));
        }
    }
    assert!(changed.is_empty(), "look at what changed:\n{}", changed.join("\n"));
}

#[test]
fn whatever_can_be_used_has_a_name() {
    let mut nameless = Vec::new();
    for panel in &PANELS {
        for case in CASES {
            let harness = shown(panel, case, ThemeChoice::Dark);
            let mut controls = 0;
            for node in harness.root().children_recursive() {
                let node = node.accesskit_node();
                if !listing::is_control(node.role()) {
                    continue;
                }
                controls += 1;
                if node.label().is_none_or(|label| label.trim().is_empty()) {
                    let value = node.value().unwrap_or_default();
                    nameless.push(format!("{} {case:?}: {:?} {value}", panel.name, node.role()));
                }
            }
            let silent = ["status_bar", "notices", "inspector", "history", "shortcuts"];
            let silent = silent.contains(&panel.name);
            assert!(controls > 0 || silent, "{} {case:?} has no controls", panel.name);
        }
    }
    assert!(nameless.is_empty(), "controls without a name:\n{}", nameless.join("\n"));
}

#[test]
fn nothing_is_painted_outside_its_panel() {
    for panel in &PANELS {
        for case in CASES {
            let harness = shown(panel, case, ThemeChoice::Dark);
            let screen = Rect::from_min_size(Pos2::ZERO, panel.size).expand(1.0);
            for node in harness.root().children_recursive() {
                let node = node.accesskit_node();
                let Some(place) = node.bounding_box() else { continue };
                let (from, to) = ((place.x0, place.y0), (place.x1, place.y1));
                let rect = Rect::from_min_max(
                    Pos2::new(from.0 as f32, from.1 as f32),
                    Pos2::new(to.0 as f32, to.1 as f32),
                );
                let seen = rect.is_positive() && listing::is_control(node.role());
                // Lists and panels that scroll go on below.
                let scrolls =
                    rect.top() > screen.bottom() || matches!(panel.name, "settings" | "palette");
                assert!(
                    !seen || scrolls || screen.contains_rect(rect),
                    "{} {case:?}: {:?} {:?} at {rect:?}",
                    panel.name,
                    node.role(),
                    node.label()
                );
            }
        }
    }
}

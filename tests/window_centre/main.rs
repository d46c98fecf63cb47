//! The centre of the window through its accessible names: scrubbing, focus and pins, overlays,
//! comparisons, plots, and layouts that are not square or not full.

mod plot_tests;
#[path = "../ui_fixture/mod.rs"]
mod ui_fixture;

use egui::{Key, Pos2, Rect, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use softcfg_studio::compute::layout::TokenLayout;
use softcfg_studio::engine::quantities::quantity::Axis;
use softcfg_studio::guidance::Preset;
use softcfg_studio::ui::action::Action;
use softcfg_studio::ui::app::inputs;
use softcfg_studio::ui::app::state::State;
use softcfg_studio::ui::commands::keyboard::Keyboard;
use softcfg_studio::ui::lanes::geometry::{LaneGeometry, content_size};
use softcfg_studio::ui::state::view::{Comparison, Overlay};
use softcfg_studio::ui::timeline::bar;
use ui_fixture::{DIVERGENCE, state};

const PAIR: [Preset; 2] = [Preset::Cfg, Preset::SoftCfg];
const ALL: [Preset; 4] = [Preset::None, Preset::Cfg, Preset::SoftCfg, Preset::SoftCfgNoStepNorm];

/// The centre's panels as the window arranges them.
fn window(state: State, size: (f32, f32)) -> Harness<'static, State> {
    let fonts = |ctx: &egui::Context| {
        egui_material_icons::initialize(ctx);
        let mut fonts = egui::FontDefinitions::default();
        for family in fonts.families.values_mut() {
            family.push("Hack".into());
        }
        ctx.set_fonts(fonts);
        egui_material_icons::initialize(ctx);
    };
    let app = |ui: &mut egui::Ui, state: &mut State| {
        let ctx = ui.ctx().clone();
        state.shared.focus.begin_frame();
        inputs::keys(&ctx, state, Keyboard::now(&ctx, bar::id()));
        let asked = std::mem::take(&mut state.actions);
        state.actions = asked.into_iter().filter_map(|action| state.apply(action)).collect();
        inputs::advance_playback(&ctx, state);
        egui::Panel::right("inspector")
            .exact_size(300.0)
            .show(ui, |ui| inputs::inspector(ui, state));
        egui::Panel::bottom("plots").exact_size(220.0).show(ui, |ui| inputs::plots(ui, state));
        egui::Panel::bottom("timeline").exact_size(40.0).show(ui, |ui| inputs::timeline(ui, state));
        egui::CentralPanel::default().show(ui, |ui| inputs::lanes(ui, state));
    };
    let mut harness = Harness::builder()
        .with_size(vec2(size.0, size.1))
        .with_max_steps(20)
        .with_context_setup(fonts)
        .build_ui_state(app, state);
    harness.run();
    harness
}

fn square() -> TokenLayout {
    TokenLayout::raster(16, 16)
}

/// Where a lane's token lies, from the image's place alone.
fn middle_of(image: Rect, layout: &TokenLayout, step: usize) -> Pos2 {
    let geometry = LaneGeometry::new(layout, image, 1.0, (0.5, 0.5));
    geometry.rect_of_step(step).expect("the step has a place").center()
}

fn hover(harness: &mut Harness<'_, State>, name: &str, layout: &TokenLayout, step: usize) -> Pos2 {
    let image = harness.get_by_label(name).rect();
    let at = middle_of(image, layout, step);
    harness.hover_at(at);
    harness.run();
    at
}

fn click(harness: &mut Harness<'_, State>, at: Pos2) {
    for pressed in [true, false] {
        harness.event(egui::Event::PointerButton {
            pos: at,
            button: egui::PointerButton::Primary,
            pressed,
            modifiers: egui::Modifiers::default(),
        });
    }
    harness.run();
}

#[test]
fn hovering_a_token_tells_the_inspector() {
    let mut harness = window(state(&PAIR, square(), 256), (1100.0, 900.0));
    harness.get_by_label("Token 255: row 15, column 15");
    hover(&mut harness, "CFG image", &square(), 103);
    assert_eq!(harness.state().shared.focus.focus(), Some(103));
    assert_eq!(harness.state().shared.focus.lane(), Some(0));
    let code = harness.state().runs[0].lanes[0].records[103].token;
    assert!(harness.query_all_by_label("Token 103: row 6, column 7").count() >= 2);
    assert!(harness.query_all_by_label(&code.to_string()).next().is_some());
    let confidence = harness.state().runs[0].lanes[0].records[103].confidence;
    let shown = format!("confidence {confidence:.3}");
    assert!(harness.query_by_label(&shown).is_some(), "the tooltip has the overlay's value");
}

#[test]
fn a_click_pins_and_escape_lets_go() {
    let mut harness = window(state(&PAIR, square(), 256), (1100.0, 900.0));
    let at = hover(&mut harness, "SoftCFG image", &square(), 40);
    click(&mut harness, at);
    assert_eq!(harness.state().shared.focus.pinned, Some(40));
    harness.hover_at(Pos2::new(5.0, 895.0));
    harness.run();
    assert_eq!(harness.state().shared.focus.focus(), Some(40));
    harness.get_by_label("Token 40: row 2, column 8");
    harness.key_press(Key::Escape);
    harness.run();
    assert_eq!(harness.state().shared.focus.pinned, None);
    harness.get_by_label("Token 255: row 15, column 15");
}

#[test]
fn keys_and_the_bar_move_one_cursor() {
    let mut harness = window(state(&PAIR, square(), 256), (1100.0, 900.0));
    harness.key_press(Key::ArrowLeft);
    harness.run();
    assert_eq!(harness.state().shared.cursor.position, 255);
    assert!(!harness.state().shared.cursor.following);
    harness.key_press(Key::ArrowUp);
    harness.run();
    assert_eq!(harness.state().shared.cursor.position, 239);
    harness.key_press(Key::Home);
    harness.run();
    assert_eq!(harness.state().shared.cursor.position, 0);
    harness.get_by_label("No token is drawn at the cursor.");
    harness.get_by_label("Step cursor").set_value_accesskit(104.0);
    harness.run();
    assert_eq!(harness.state().shared.cursor.position, 104);
    harness.get_by_label("Token 103: row 6, column 7");
    harness.get_by_label("Step forward").click();
    harness.run();
    assert_eq!(harness.state().shared.cursor.position, 105);
    harness.key_press(Key::End);
    harness.run();
    assert_eq!(
        (harness.state().shared.cursor.position, harness.state().shared.cursor.following),
        (256, true)
    );
}

#[test]
fn dragging_the_bar_scrubs_and_asks_for_pixels_once() {
    let mut harness = window(state(&PAIR, square(), 256), (1100.0, 900.0));
    harness.state_mut().actions.clear();
    let bar = harness.get_by_label("Step cursor").rect();
    click(&mut harness, bar.center());
    assert_eq!(harness.state().shared.cursor.position, 128);
    harness.run();
    let asked: Vec<_> = harness
        .state()
        .actions
        .iter()
        .filter(|action| matches!(action, Action::RequestPreview { .. }))
        .cloned()
        .collect();
    let wanted = |lane| Action::RequestPreview { run: 1, lane, steps: 128 };
    assert_eq!(asked, [wanted(0), wanted(1)]);
}

#[test]
fn playback_moves_on_and_stops_at_the_end() {
    let mut harness = window(state(&PAIR, square(), 256), (1100.0, 900.0));
    harness.state_mut().shared.view.play_speed = 400.0;
    harness.key_press(Key::Space);
    harness.step();
    assert!(harness.state().shared.cursor.playing);
    let early = harness.state().shared.cursor.position;
    assert!(early < 200, "starts over from the beginning, was {early}");
    harness.run_steps(12);
    assert_eq!(harness.state().shared.cursor.position, 256);
    assert!(!harness.state().shared.cursor.playing);
}

#[test]
fn a_running_run_is_followed_until_the_person_moves() {
    let mut harness = window(state(&PAIR, square(), 60), (1100.0, 900.0));
    let grow = |harness: &mut Harness<'_, State>, step: usize| {
        let state = harness.state_mut();
        for (lane, kind) in PAIR.into_iter().enumerate() {
            let record = ui_fixture::record(kind, lane, &square(), step);
            state.runs[0].lanes[lane].records.push(record);
        }
        harness.run();
    };
    grow(&mut harness, 60);
    assert_eq!(harness.state().shared.cursor.position, 61);
    harness.key_press(Key::ArrowLeft);
    harness.run();
    grow(&mut harness, 61);
    assert_eq!(harness.state().shared.cursor.position, 60);
    harness.key_press(Key::End);
    harness.run();
    grow(&mut harness, 62);
    assert_eq!(harness.state().shared.cursor.position, 63);
}

#[test]
fn overlays_are_switched_and_have_a_colour_bar() {
    let mut harness = window(state(&PAIR, square(), 256), (1100.0, 900.0));
    for (name, overlay) in [
        ("Overlay entropy", Overlay::Entropy),
        ("Overlay weight", Overlay::Weight),
        ("Overlay ‖Δ‖", Overlay::Delta),
    ] {
        harness.get_by_label(name).click();
        harness.run();
        assert_eq!(harness.state().shared.view.overlay, overlay);
        assert!(harness.query_by_label_contains("Colour bar: ").is_some(), "{name}");
    }
    harness.get_by_label("Lock range").click();
    harness.run();
    let locked = harness.state().shared.view.locked_range.expect("the range is kept");
    assert!(locked.0 < locked.1);
    harness.get_by_label("Overlay off").click();
    harness.run();
    assert!(harness.query_by_label_contains("Colour bar: ").is_none());
    assert_eq!(harness.state().shared.view.locked_range, None);
}

#[test]
fn the_wheel_zooms_all_lanes_and_a_double_click_fits() {
    let mut harness = window(state(&PAIR, square(), 256), (1100.0, 900.0));
    let at = hover(&mut harness, "CFG image", &square(), 20);
    harness.event(egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Line,
        delta: vec2(0.0, 4.0),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Wheel,
        modifiers: egui::Modifiers::default(),
    });
    harness.run_steps(10);
    assert!(harness.state().shared.view.zoom > 1.2, "{}", harness.state().shared.view.zoom);
    assert_eq!(harness.state().shared.focus.focus(), Some(20), "the token stays under the pointer");
    click(&mut harness, at);
    click(&mut harness, at);
    harness.get_by_label("Fit images").click();
    harness.run();
    assert_eq!(
        (harness.state().shared.view.zoom, harness.state().shared.view.centre),
        (1.0, (0.5, 0.5))
    );
}

#[test]
fn lanes_are_compared_in_one_place() {
    let mut state = state(&PAIR, square(), 256);
    state.shared.view.comparison = Comparison::Wipe;
    let mut harness = window(state, (1100.0, 900.0));
    let image = harness.get_by_label("CFG and SoftCFG images").rect();
    harness.hover_at(image.left_center() + vec2(20.0, 0.0));
    harness.run();
    assert_eq!(harness.state().shared.focus.lane(), Some(0));
    harness.hover_at(image.right_center() - vec2(20.0, 0.0));
    harness.run();
    assert_eq!(harness.state().shared.focus.lane(), Some(1));
    harness.drag_at(image.center() - vec2(0.0, 60.0));
    harness.run();
    harness.hover_at(image.left_center() + vec2(0.25 * image.width(), -60.0));
    harness.run();
    assert!(
        (harness.state().shared.view.wipe - 0.25).abs() < 0.02,
        "{}",
        harness.state().shared.view.wipe
    );
    harness.drop_at(image.left_center());
    harness.run();

    harness.state_mut().shared.view.comparison = Comparison::Flip;
    harness.run();
    harness.get_by_label("CFG image");
    harness.event(egui::Event::ModifiersChanged(egui::Modifiers::ALT));
    harness.run();
    harness.get_by_label("SoftCFG image");
    assert!(harness.query_by_label("CFG image").is_none());
    harness.event(egui::Event::ModifiersChanged(egui::Modifiers::NONE));

    harness.state_mut().shared.view.comparison = Comparison::Difference;
    harness.run();
    harness.get_by_label("difference of CFG and SoftCFG");
    let lanes = &harness.state().runs[0].lanes;
    let pairs = lanes[0].records.iter().zip(&lanes[1].records);
    let differ = pairs.filter(|(a, b)| a.token != b.token).count();
    assert!(differ > 0);
    harness.get_by_label(&format!("{differ} of 256 tokens differ"));
}

#[test]
fn four_lanes_and_grids_of_any_shape_fit() {
    for (kinds, layout) in [
        (&ALL[..], square()),
        (&ALL[..], TokenLayout::raster(12, 20)),
        (&PAIR[..], TokenLayout::with_prefix(17, 16, 16)),
        (&PAIR[..], TokenLayout::with_row_ends(6, 5, 1)),
        (&ALL[..1], TokenLayout::raster(3, 40)),
    ] {
        let done = layout.len() - 1;
        let mut harness = window(state(kinds, layout.clone(), done), (1000.0, 760.0));
        let names: Vec<_> =
            kinds.iter().map(|kind| format!("{} image", kind.info().label)).collect();
        let images: Vec<Rect> =
            names.iter().map(|name| harness.get_by_label(name).rect()).collect();
        let shape = content_size(&layout);
        for (index, image) in images.iter().enumerate() {
            assert!((image.aspect_ratio() - shape.x / shape.y).abs() < 0.01, "{image:?}");
            for other in &images[..index] {
                assert!(!image.shrink(1.0).intersects(*other), "{image:?} {other:?}");
            }
        }
        for step in [0, done / 2, done - 1] {
            hover(&mut harness, &names[kinds.len() - 1], &layout, step);
            assert_eq!(harness.state().shared.focus.focus(), Some(step), "{layout:?}");
        }
    }
}

#[test]
fn odd_data_does_no_harm() {
    let empty = State::default();
    let none_done = state(&PAIR, square(), 0);
    let no_cells = state(&PAIR, TokenLayout::raster(0, 0), 0);
    let mut no_lanes = state(&[], square(), 0);
    no_lanes.shared.focus.pinned = Some(4000);
    let mut not_finite = state(&PAIR, square(), 30);
    for record in &mut not_finite.runs[0].lanes[1].records {
        record.entropy_guided = f32::NAN;
        record.confidence = f32::INFINITY;
        record.delta = Some(f32::NAN);
    }
    let mut uneven = state(&PAIR, square(), 30);
    uneven.runs[0].lanes[1].records.truncate(12);
    for state in [empty, none_done, no_cells, no_lanes, not_finite, uneven] {
        let mut harness = window(state, (900.0, 700.0));
        for overlay in [Overlay::Weight, Overlay::Entropy, Overlay::Delta] {
            harness.state_mut().shared.view.overlay = overlay;
            for tab in [Axis::Entropy, Axis::Scale, Axis::Delta, Axis::Budget] {
                harness.state_mut().shared.view.plot_tab = tab;
                harness.run();
            }
        }
        for comparison in [Comparison::Wipe, Comparison::Flip, Comparison::Difference] {
            harness.state_mut().shared.view.comparison = comparison;
            harness.hover_at(Pos2::new(300.0, 200.0));
            harness.run();
        }
    }
}

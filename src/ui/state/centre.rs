//! What the panels of the centre keep between frames, and the small controls they share. Nothing
//! here lasts over a session: textures, caches, the plot's legend.

use crate::engine::settings::RunSettings;
use crate::guidance::presets::PresetInfo;
use crate::guidance::{Guidance, Preset};
use crate::ui::inspector::inspector::InspectorState;
use crate::ui::lanes::comparison::Pair;
use crate::ui::lanes::image_texture::LaneTextures;
use crate::ui::lanes::overlay::OverlayCache;
use crate::ui::plots::plots::PlotState;
use crate::ui::state::state::{LaneView, RunView};
use crate::ui::state::view::Cursor;
use crate::ui::theme::Palette;
use crate::ui::timeline::timeline::Playback;
use egui::{Button, Color32, Rect, Response, RichText, Role, Sense, Ui, WidgetInfo, vec2};
use egui_material_icons::MaterialIcon;

/// Textures and caches of lanes, plots and inspector.
#[derive(Default)]
pub struct CentreState {
    /// Pixels on the graphics card.
    pub textures: LaneTextures,
    /// Heat maps on the graphics card.
    pub overlay: OverlayCache,
    /// Which two lanes wipe, flip and difference compare.
    pub pair: Pair,
    /// Legend and cached curves.
    pub plots: PlotState,
    /// Lane in view and swatches.
    pub inspector: InspectorState,
    /// Fractions of a step that playback still owes.
    pub playback: Playback,
    /// The preview asked for last, per lane, so that each is asked for once.
    pub previews_asked: Vec<(crate::engine::trace::RunId, usize)>,
}

/// Name and colour of a lane as it was run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LaneName {
    /// Its guidance.
    pub guidance: Guidance,
    /// What is known of the preset that describes it.
    pub info: &'static PresetInfo,
    /// "SoftCFG"
    pub label: &'static str,
    /// The same everywhere.
    pub colour: Color32,
}

impl LaneName {
    /// Name of a lane guided so.
    pub fn new(guidance: Guidance, palette: &Palette) -> Self {
        let preset = Preset::of(&guidance);
        let info = preset.info();
        Self { guidance, info, label: info.label, colour: palette.lane(preset) }
    }

    /// Names of all lanes of a run.
    pub fn of_run(run: &RunView, palette: &Palette) -> Vec<Self> {
        let lanes = run.record.lanes().iter();
        lanes.map(|lane| Self::new(lane.settings.guidance, palette)).collect()
    }

    /// Names of the lanes that the next run will have.
    pub fn of_settings(settings: &RunSettings, palette: &Palette) -> Vec<Self> {
        let lanes = settings.lanes.iter();
        lanes.map(|&preset| Self::new(settings.guidance(preset), palette)).collect()
    }
}

/// Tokens that can be looked at: those at or before the cursor that every lane has drawn.
pub fn steps_shown(run: &RunView, cursor: &Cursor) -> usize {
    cursor.position.min(run.steps_done())
}

/// The token to speak of: the one in focus, else the one at the cursor.
pub fn step_in_view(run: &RunView, cursor: &Cursor, focus: Option<usize>) -> Option<usize> {
    focus.filter(|&step| step < run.steps()).or_else(|| steps_shown(run, cursor).checked_sub(1))
}

/// Whether two lanes drew different tokens at a step that both have done.
pub fn tokens_differ(a: &LaneView, b: &LaneView, step: usize) -> bool {
    matches!((a.records.get(step), b.records.get(step)), (Some(a), Some(b)) if a.token != b.token)
}

/// A button that is an icon; `name` is what a screen reader says.
pub fn icon_button(ui: &mut Ui, icon: MaterialIcon, name: &str, tooltip: &str) -> Response {
    let response = ui.add(Button::new(icon.rich_text().size(16.0)).min_size(vec2(28.0, 26.0)));
    name_button(ui, &response, name);
    response.on_hover_text(tooltip)
}

/// An icon that is on or off.
pub fn icon_toggle(
    ui: &mut Ui,
    icon: MaterialIcon,
    on: &mut bool,
    name: &str,
    tooltip: &str,
) -> Response {
    let text = icon.rich_text().size(16.0);
    let button = Button::new(text).selected(*on).min_size(vec2(28.0, 26.0));
    let mut response = ui.add(button);
    if response.clicked() {
        *on = !*on;
        response.mark_changed();
    }
    let (enabled, selected) = (ui.is_enabled(), *on);
    response.widget_info(|| WidgetInfo::selected(Role::CheckBox, enabled, selected, name));
    response.on_hover_text(tooltip)
}

/// One of several texts of which one is chosen.
pub fn choice<T: PartialEq>(
    ui: &mut Ui,
    current: &mut T,
    value: T,
    text: &str,
    name: &str,
    tooltip: &str,
) -> Response {
    let selected = *current == value;
    let mut response = ui.add(Button::selectable(selected, text).min_size(vec2(0.0, 26.0)));
    if response.clicked() && !selected {
        *current = value;
        response.mark_changed();
    }
    let enabled = ui.is_enabled();
    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, enabled, selected, name));
    response.on_hover_text(tooltip)
}

/// A lane's dot and name.
pub fn lane_label(ui: &mut Ui, name: &LaneName) -> Response {
    let from_right = ui.layout().prefer_right_to_left();
    if !from_right {
        lane_dot(ui, name.colour);
    }
    let label = egui::Label::new(RichText::new(name.label).strong()).truncate();
    let response = ui.add(label).on_hover_text(name.info.explanation);
    if from_right {
        lane_dot(ui, name.colour);
    }
    response
}

/// The dot beside a lane's name.
pub fn lane_dot(ui: &mut Ui, colour: Color32) -> Rect {
    let (rect, _) = ui.allocate_exact_size(vec2(10.0, 14.0), Sense::hover());
    ui.painter().circle_filled(rect.center(), 4.5, colour);
    rect
}

/// Less important text.
pub fn secondary(text: impl Into<String>, palette: &Palette) -> RichText {
    RichText::new(text).color(palette.secondary).small()
}

fn name_button(ui: &Ui, response: &Response, name: &str) {
    let enabled = ui.is_enabled();
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, name));
}

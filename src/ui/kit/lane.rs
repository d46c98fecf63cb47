//! What the panels of the centre keep between frames, and the small controls they share. Nothing
//! here lasts over a sitting: textures, caches, the plot's legend.

use crate::engine::settings::LaneKind;
use crate::ui::inspector::panel::InspectorState;
use crate::ui::lanes::comparison::Pair;
use crate::ui::lanes::textures::LaneTextures;
use crate::ui::lanes::overlay::OverlayCache;
use crate::ui::plots::panel::PlotState;
use crate::ui::app::state::{LaneView, RunView};
use crate::ui::state::view::Cursor;
use crate::ui::theme::Palette;
use crate::ui::timeline::panel::Playback;
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
    pub kind: LaneKind,
    /// Whether its weights are step-normalized.
    pub step_norm: bool,
    /// "SoftCFG"
    pub label: &'static str,
    /// The same everywhere.
    pub colour: Color32,
}

impl LaneName {
    /// Name of a lane.
    pub fn new(kind: LaneKind, step_norm: bool, palette: &Palette) -> Self {
        let label = kind.label(step_norm);
        Self { kind, step_norm, label, colour: palette.lane(kind, step_norm) }
    }

    /// Names of all lanes of a run.
    pub fn of_run(run: &RunView, palette: &Palette) -> Vec<Self> {
        let spec = &run.record.spec;
        let lanes = run.record.lanes().iter();
        lanes.map(|&kind| Self::new(kind, spec.step_norm(kind), palette)).collect()
    }

    /// Name above narrow images, which the lane's colour helps to tell.
    pub fn narrow(&self) -> &'static str {
        match self.kind {
            LaneKind::SoftCfgNoStepNorm => "No step norm",
            _ => self.label,
        }
    }

    /// Name for narrow columns.
    pub fn short(&self) -> &'static str {
        match (self.kind, self.step_norm) {
            (LaneKind::None, _) => "None",
            (LaneKind::Cfg, _) => "CFG",
            (LaneKind::SoftCfg, true) => "Soft",
            (LaneKind::SoftCfg, false) | (LaneKind::SoftCfgNoStepNorm, _) => "Soft −N",
        }
    }

    /// What the lane's unconditional branch is, in a few words.
    pub fn summary(&self) -> &'static str {
        match (self.kind, self.step_norm) {
            (LaneKind::None, _) => "conditional branch alone",
            (LaneKind::Cfg, _) => "plain unconditional branch",
            (LaneKind::SoftCfg, true) => "confident tokens weigh less",
            (LaneKind::SoftCfg, false) | (LaneKind::SoftCfgNoStepNorm, _) => {
                "confident tokens weigh less, unlimited"
            }
        }
    }

    /// The same in the paper's terms.
    pub fn explanation(&self) -> &'static str {
        match (self.kind, self.step_norm) {
            (LaneKind::None, _) => "Samples from the conditional logits z_c without guidance.",
            (LaneKind::Cfg, _) => {
                "Classifier-free guidance: z_u + scale_s (z_c - z_u), the unconditional branch as it is."
            }
            (LaneKind::SoftCfg, true) => {
                "SoftCFG: the unconditional branch sees each drawn token's value times ŵ, less the more confident the model was of it (Eq. 3), with step normalization (Eq. 9)."
            }
            (LaneKind::SoftCfg, false) | (LaneKind::SoftCfgNoStepNorm, _) => {
                "SoftCFG without step normalization: the unconditional branch sees each drawn token's value times w = 1 - confidence (Eq. 3); the total is not limited."
            }
        }
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
    let response = ui.add(label).on_hover_text(name.explanation());
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

//! What the viewports of one frame share: the run, what is drawn of it at the cursor, and textures
//! brought up to date before anything is painted.

use crate::compute::layout::TokenLayout;
use crate::engine::trace::RunId;
use crate::ui::action::Action;
use crate::ui::kit::lane::LaneName;
use crate::ui::lanes::comparison::{CellContent, Pair};
use crate::ui::lanes::overlay::OverlayCache;
use crate::ui::lanes::paint::Marks;
use crate::ui::lanes::textures::{LaneTextures, needs_request, pixels_for, texture_options};
use crate::ui::state::cursor::Cursor;
use crate::ui::state::run_view::RunView;
use crate::ui::state::view::{Comparison, Overlay, ViewSettings};
use crate::ui::theme::Palette;
use egui::{Color32, TextureId, Ui};

/// Textures of the lanes in view.
#[derive(Default)]
pub struct Pictures {
    /// Pixels.
    pub textures: LaneTextures,
    /// Heat maps.
    pub overlay: OverlayCache,
}

/// Everything the viewports of one frame have in common.
pub struct Stage<'a> {
    /// The run in view.
    pub run: Option<&'a RunView>,
    /// Which step draws which cell.
    pub layout: &'a TokenLayout,
    /// Names of the lanes.
    pub names: &'a [LaneName],
    /// Tokens drawn at the cursor.
    pub shown: usize,
    /// Marks on the tokens.
    pub marks: Marks,
    /// For each lane the first token drawn that differs from the first lane's.
    pub divergences: Vec<Option<usize>>,
    /// Colours.
    pub palette: &'static Palette,
    /// Per lane: tokens the pixels hold, and their texture.
    pub pixels: Vec<Option<(usize, TextureId)>>,
    /// Per lane: the heat map.
    pub heat: Vec<Option<TextureId>>,
    /// The pixel difference of the pair.
    pub difference: Option<TextureId>,
}

/// The marks on the tokens of a run.
pub fn marks(run: Option<&RunView>, cursor: &Cursor, focus: Option<usize>) -> Marks {
    let Some(run) = run else { return Marks::default() };
    let newest = run.steps_done();
    let decoding = !run.status.is_over() && cursor.following && newest < run.steps();
    Marks { focus: focus.filter(|&step| step < run.steps()), drawing: decoding.then_some(newest) }
}

/// For each lane the first token that differs from the first lane's, once it is drawn.
pub fn divergences(run: Option<&RunView>, shown: usize) -> Vec<Option<usize>> {
    let steps = run.map_or(&[][..], |run| &run.divergences).iter();
    steps.map(|step| step.filter(|&step| step < shown)).collect()
}

impl Stage<'_> {
    /// Where the lanes of a viewport part from the first one, with their colours. The first one alone
    /// shows where every other leaves it.
    pub fn divergences_in(&self, content: CellContent) -> Vec<(usize, Color32)> {
        let seen = |lane: usize| match content {
            CellContent::Lane(0) | CellContent::Flip { front: 0, .. } => true,
            CellContent::Lane(own) | CellContent::Flip { front: own, .. } => lane == own,
            CellContent::Wipe(pair) | CellContent::Difference(pair) => {
                lane == pair.a || lane == pair.b
            }
        };
        let lanes = self.divergences.iter().zip(self.names).enumerate();
        let seen = lanes.filter(|(lane, _)| seen(*lane));
        seen.filter_map(|(_, (step, name))| Some(((*step)?, name.colour))).collect()
    }
}

/// Brings the textures of what is in view up to date.
pub fn upload(
    ui: &Ui,
    run: &RunView,
    stage: &mut Stage,
    pictures: &mut Pictures,
    view: &ViewSettings,
    contents: &[CellContent],
    token: f32,
) {
    let ctx = ui.ctx();
    let Pictures { textures, overlay } = pictures;
    let differences = view.comparison == Comparison::Difference && run.lanes.len() >= 2;
    let heat_on = view.overlay != Overlay::Off && !differences;
    if view.overlay != Overlay::Off {
        overlay.update_values(run, view.overlay, stage.shown, view.locked_range);
    }
    let image_width = token * stage.layout.columns() as f32 * ctx.pixels_per_point();
    let options = |width: u32| texture_options(image_width / width.max(1) as f32, view.smooth);
    for lane in lanes_in_view(contents) {
        let Some(lane_view) = run.lanes.get(lane) else { continue };
        if let Some((held, image)) = pixels_for(lane_view, stage.shown) {
            if image.width() == 0 || image.height() == 0 {
                continue;
            }
            let slot = textures.lane(lane);
            let name = format!("lane {lane}");
            let texture = slot.update(ctx, &name, image, options(image.width()), heat_on);
            stage.pixels[lane] = Some((held, texture));
        }
        if heat_on {
            let (layout, map) = (stage.layout, view.colour_map);
            stage.heat[lane] = overlay.texture(ctx, lane, layout, map, stage.shown);
        }
    }
    if let [CellContent::Difference(pair)] = contents {
        let pixels = |lane: usize| pixels_for(run.lanes.get(lane)?, stage.shown);
        if let (Some((_, a)), Some((_, b))) = (pixels(pair.a), pixels(pair.b)) {
            let options = options(a.width());
            let map = view.colour_map;
            stage.difference = Some(textures.difference(ctx, a, b, map, options));
        }
    }
}

fn lanes_in_view(contents: &[CellContent]) -> impl Iterator<Item = usize> {
    contents
        .iter()
        .flat_map(|content| match *content {
            CellContent::Lane(lane) => [Some(lane), None],
            CellContent::Wipe(Pair { a, b }) | CellContent::Difference(Pair { a, b }) => {
                [Some(a), Some(b)]
            }
            CellContent::Flip { front, behind } => [Some(front), Some(behind)],
        })
        .flatten()
}

/// Asks for pixels at the cursor that do not exist yet. While a run is followed they come by
/// themselves.
pub fn request_previews(
    run: &RunView,
    cursor: &Cursor,
    stage: &Stage,
    contents: &[CellContent],
    asked: &mut Vec<(RunId, usize)>,
    actions: &mut Vec<Action>,
) {
    if stage.shown == 0 || (cursor.following && !run.status.is_over()) {
        return;
    }
    for lane in lanes_in_view(contents) {
        let held = stage.pixels.get(lane).copied().flatten().map(|(held, _)| held);
        let (id, steps) = (run.record.id, stage.shown);
        if held != Some(steps) && needs_request(asked, lane, id, steps) {
            actions.push(Action::RequestPreview { run: id, lane, steps });
        }
    }
}

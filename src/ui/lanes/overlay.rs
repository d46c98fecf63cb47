//! The heat map over the images: one value a token, one texel a token. Values come from the trace;
//! the weights at the cursor's step are recomputed from the confidences (Eq. 3, Eq. 9).

use crate::compute::layout::{StepKind, TokenLayout};
use crate::engine::quantities::quantity::Quantity;
use crate::engine::quantities::table;
use crate::engine::quantities::weights::weights_at;
use crate::engine::trace::{RunId, StepRecord};
use crate::ui::kit::controls::Hint;
use crate::ui::kit::range::{fitted_range, position};
use crate::ui::state::run_view::RunView;
use crate::ui::state::view::{ColourMap, Overlay};
use crate::ui::theme;
use egui::{Color32, ColorImage, Context, TextureHandle, TextureId, TextureOptions};

/// The quantity an overlay shows.
pub fn quantity(overlay: Overlay) -> Option<&'static Quantity> {
    match overlay {
        Overlay::Off => None,
        Overlay::Confidence => Some(&table::CONFIDENCE),
        Overlay::Entropy => Some(&table::ENTROPY_GUIDED),
        Overlay::Weight => Some(&table::WEIGHT_NORMALIZED),
        Overlay::Delta => Some(&table::DELTA),
    }
}

/// What the overlay shows: one sentence, then the paper's term.
pub fn hint(overlay: Overlay) -> Hint {
    match (overlay, quantity(overlay)) {
        // Each lane's own: with step norm or without.
        (Overlay::Weight, _) => Hint::new(
            "How much each token drawn so far still says in the unconditional branch at the cursor's step.",
            "ŵ_i of Eq. 9, or w_i of Eq. 3 without step norm.",
        ),
        (Overlay::Delta, _) => Hint::new(
            table::DELTA.does,
            "L2 norm of z_c - z_u; of z_c - z_ũ where no clean unconditional branch runs.",
        ),
        (_, Some(quantity)) => Hint::new(quantity.does, quantity.equation),
        (_, None) => Hint::new("The images as they are.", ""),
    }
}

/// Decimals that suit a range of values.
pub fn decimals(overlay: Overlay, range: (f32, f32)) -> usize {
    let usual = quantity(overlay).map_or(3, |quantity| quantity.decimals);
    let span = range.1 - range.0;
    if span >= 10.0 {
        usual.min(1)
    } else if span < 0.001 {
        usual.max(5)
    } else if span < 0.1 {
        usual.max(4)
    } else {
        usual
    }
}

/// One lane's values, one a step; NaN where there is none.
fn lane_values(run: &RunView, lane: usize, overlay: Overlay, shown: usize) -> Vec<f32> {
    let records = run.lanes.get(lane).map_or(&[][..], |lane| lane.records.as_slice());
    let quantity = quantity(overlay);
    let value = |record: &StepRecord| {
        let value = match overlay {
            Overlay::Off | Overlay::Weight => None,
            _ if record.forced => None,
            Overlay::Delta => table::branch_distance(record),
            _ => quantity.and_then(|quantity| quantity.value(record)),
        };
        value.unwrap_or(f32::NAN)
    };
    match (overlay, run.record.lanes().get(lane)) {
        (Overlay::Weight, Some(spec)) => {
            let guidance = &spec.settings.guidance;
            if !guidance.is_perturbed() {
                // These lanes weigh nothing; what they would weigh is in the inspector.
                return Vec::new();
            }
            let mut weights = weights_at(spec, records, shown.saturating_sub(1), None);
            for (weight, record) in weights.iter_mut().zip(records) {
                if record.forced && !guidance.perturbation.row_ends {
                    *weight = f32::NAN;
                }
            }
            weights
        }
        _ => records.iter().map(value).collect(),
    }
}

/// What a lane's values were computed from.
#[derive(Debug, Clone, Copy, PartialEq)]
struct ValuesKey {
    run: RunId,
    overlay: Overlay,
    records: usize,
    // Only the weights depend on the cursor.
    shown: usize,
}

/// What a lane's texture was made from.
#[derive(Debug, Clone, Copy, PartialEq)]
struct TextureKey {
    values: ValuesKey,
    map: ColourMap,
    range: (f32, f32),
    shown: usize,
}

#[derive(Default)]
struct LaneOverlay {
    values_key: Option<ValuesKey>,
    values: Vec<f32>,
    texture_key: Option<TextureKey>,
    handle: Option<TextureHandle>,
}

/// Heat maps of the lanes in view.
#[derive(Default)]
pub struct OverlayCache {
    lanes: Vec<LaneOverlay>,
    range: (f32, f32),
}

impl OverlayCache {
    /// Recomputes what the run's progress or the cursor changed.
    pub fn update_values(
        &mut self,
        run: &RunView,
        overlay: Overlay,
        shown: usize,
        locked: Option<(f32, f32)>,
    ) {
        self.lanes.resize_with(run.lanes.len(), LaneOverlay::default);
        for (lane, cache) in self.lanes.iter_mut().enumerate() {
            let key = ValuesKey {
                run: run.record.id,
                overlay,
                records: run.lanes.get(lane).map_or(0, |lane| lane.records.len()),
                shown: if overlay == Overlay::Weight { shown } else { 0 },
            };
            if cache.values_key != Some(key) {
                cache.values = lane_values(run, lane, overlay, shown);
                cache.values_key = Some(key);
            }
        }
        let all = self.lanes.iter().flat_map(|lane| &lane.values);
        self.range = locked.unwrap_or_else(|| fitted_range(all));
    }

    /// Range of the colour bar.
    pub fn range(&self) -> (f32, f32) {
        self.range
    }

    /// A lane's value at a step.
    pub fn value(&self, lane: usize, step: usize) -> Option<f32> {
        let value = *self.lanes.get(lane)?.values.get(step)?;
        value.is_finite().then_some(value)
    }

    /// Colour of a lane's value at a step, see [`shade`].
    pub fn colour(&self, lane: usize, step: usize, map: ColourMap) -> Option<Color32> {
        let overlay = self.lanes.get(lane)?.values_key?.overlay;
        Some(shade(overlay, map, position(self.value(lane, step)?, self.range)))
    }

    /// The texture of a lane's heat map, `columns × rows`, clear from step `shown` on.
    pub fn texture(
        &mut self,
        ctx: &Context,
        lane: usize,
        layout: &TokenLayout,
        map: ColourMap,
        shown: usize,
    ) -> Option<TextureId> {
        let range = self.range;
        let cache = self.lanes.get_mut(lane)?;
        let values = cache.values_key?;
        let overlay = values.overlay;
        let key = TextureKey { values, map, range, shown };
        if layout.rows() == 0 || layout.columns() == 0 {
            return None;
        }
        if cache.texture_key != Some(key) {
            let image = heat_map(layout, &cache.values, |at| shade(overlay, map, at), range, shown);
            match &mut cache.handle {
                Some(handle) => handle.set(image, TextureOptions::NEAREST),
                None => {
                    let name = format!("heat map of lane {lane}");
                    cache.handle = Some(ctx.load_texture(name, image, TextureOptions::NEAREST));
                }
            }
            cache.texture_key = Some(key);
        }
        cache.handle.as_ref().map(TextureHandle::id)
    }
}

/// What is left of a colour where the values say nothing of note.
const FAINTEST: f32 = 0.05;

/// Colour of the overlay for a place in its range, 0 to 1. Most tokens are sure ones, at one end of the
/// range: there it is nearly clear, so that the image keeps its colours and the others stand out.
pub fn shade(overlay: Overlay, map: ColourMap, at: f32) -> Color32 {
    let from_common = match overlay {
        Overlay::Confidence | Overlay::Weight => 1.0 - at,
        Overlay::Entropy | Overlay::Delta => at,
        Overlay::Off => 0.0,
    };
    let strength = FAINTEST + (1.0 - FAINTEST) * from_common.clamp(0.0, 1.0).sqrt();
    theme::map_colour(map, at).gamma_multiply(strength)
}

fn heat_map(
    layout: &TokenLayout,
    values: &[f32],
    colour: impl Fn(f32) -> Color32,
    range: (f32, f32),
    shown: usize,
) -> ColorImage {
    let size = [layout.columns(), layout.rows()];
    let mut image = ColorImage::filled(size, Color32::TRANSPARENT);
    for (kind, &value) in layout.steps().iter().zip(values).take(shown) {
        if let StepKind::Cell { row, column } = *kind
            && value.is_finite()
            && let Some(pixel) = image.pixels.get_mut(row * size[0] + column)
        {
            *pixel = colour(position(value, range));
        }
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sure_tokens_are_nearly_clear() {
        for (overlay, sure) in
            [(Overlay::Confidence, 1.0), (Overlay::Weight, 1.0), (Overlay::Entropy, 0.0)]
        {
            let alpha = |at| shade(overlay, ColourMap::Viridis, at).a();
            assert!(alpha(sure) < 40, "{overlay:?}");
            assert_eq!(alpha(1.0 - sure), 255);
            assert!(alpha(sure) < alpha(0.5) && alpha(0.5) < 255);
        }
    }

    #[test]
    fn the_heat_map_is_clear_where_nothing_is_drawn() {
        let layout = TokenLayout::with_prefix(1, 2, 2);
        let values = [0.9, 0.0, 1.0, f32::NAN, 0.5];
        let colour = |at| theme::map_colour(ColourMap::Viridis, at);
        let image = heat_map(&layout, &values, colour, (0.0, 1.0), 4);
        let expected = [colour(0.0), colour(1.0), Color32::TRANSPARENT, Color32::TRANSPARENT];
        assert_eq!(image.pixels, expected);
    }
}

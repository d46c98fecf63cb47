//! How runs are looked at: overlay, comparison, zoom, the plot in view. Kept from session to session.

use crate::engine::quantities::quantity::Axis;
use serde::{Deserialize, Serialize};
use strum::VariantArray;

/// What lies over the images, one cell a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, VariantArray)]
pub enum Overlay {
    /// Nothing.
    Off,
    /// Confidence of each token (Eq. 3).
    #[default]
    Confidence,
    /// Normalized entropy of the guided distribution.
    Entropy,
    /// The weight each past token has at the cursor's step: ŵ_i (Eq. 9) or w_i.
    Weight,
    /// ‖Δ‖ at the step that drew the token.
    Delta,
}

impl Overlay {
    /// Word on the control and in accessible names.
    pub fn label(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Confidence => "confidence",
            Self::Entropy => "entropy",
            Self::Weight => "weight",
            Self::Delta => "‖Δ‖",
        }
    }
}

/// How lanes are set against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, VariantArray)]
pub enum Comparison {
    /// All lanes beside each other.
    #[default]
    SideBySide,
    /// Two lanes in one place, a line between them that can be dragged.
    Wipe,
    /// One lane; the other while Alt is held.
    Flip,
    /// Which tokens differ, and by how much the pixels do.
    Difference,
}

impl Comparison {
    /// Word on the control.
    pub fn label(self) -> &'static str {
        match self {
            Self::SideBySide => "side by side",
            Self::Wipe => "wipe",
            Self::Flip => "flip",
            Self::Difference => "difference",
        }
    }

    /// What it does, in one sentence.
    pub fn does(self) -> &'static str {
        match self {
            Self::SideBySide => "Every lane in its own place, all at the same zoom.",
            Self::Wipe => "Two lanes in one place; drag the line between them.",
            Self::Flip => "One lane; hold Alt to see the other in the same place.",
            Self::Difference => "Where two lanes differ: pixels by colour, tokens by an outline.",
        }
    }
}

/// Perceptually uniform, colour-blind safe maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, VariantArray)]
pub enum ColourMap {
    /// Viridis.
    #[default]
    Viridis,
    /// Cividis.
    Cividis,
    /// Magma.
    Magma,
    /// Inferno.
    Inferno,
}

/// Settings of the centre that last over runs and sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ViewSettings {
    /// What lies over the images.
    pub overlay: Overlay,
    /// Opacity of the overlay, 0 to 1.
    pub opacity: f32,
    /// Its colours.
    pub colour_map: ColourMap,
    /// A fixed range of the overlay's values; `None` fits it to the run.
    pub locked_range: Option<(f32, f32)>,
    /// How lanes are set against each other.
    pub comparison: Comparison,
    /// Position of the wipe line, 0 to 1.
    pub wipe: f32,
    /// Smooth upscaling above 2×; nearest otherwise.
    pub smooth: bool,
    /// Zoom, 1 fits the image.
    pub zoom: f32,
    /// Centre of the view in image fractions.
    pub centre: (f32, f32),
    /// The plot in view.
    pub plot_tab: Axis,
    /// Fit the entropy axis instead of 0..1.
    pub fit_entropy: bool,
    /// Steps per second of playback.
    pub play_speed: f32,
}

impl Default for ViewSettings {
    fn default() -> Self {
        Self {
            overlay: Overlay::default(),
            opacity: 0.6,
            colour_map: ColourMap::default(),
            locked_range: None,
            comparison: Comparison::default(),
            wipe: 0.5,
            smooth: false,
            zoom: 1.0,
            centre: (0.5, 0.5),
            plot_tab: Axis::default(),
            fit_entropy: false,
            play_speed: 60.0,
        }
    }
}

impl ViewSettings {
    /// Lays another overlay over the images. A locked range belongs to its quantity and goes.
    pub fn set_overlay(&mut self, overlay: Overlay) {
        if self.overlay != overlay {
            (self.overlay, self.locked_range) = (overlay, None);
        }
    }

    /// Shows the whole images again.
    pub fn fit_images(&mut self) {
        (self.zoom, self.centre) = (1.0, (0.5, 0.5));
    }
}

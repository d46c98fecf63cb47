//! Which panel stands where, and how large, as the window's size and the person decide.

use egui::{Rect, Vec2};
use serde::{Deserialize, Serialize};

/// Below this width the inspector shares the lower panel with the plots.
const NARROW: f32 = 1180.0;
/// Below this height thumbnails are small and sliders stand beside their names.
const LOW: f32 = 760.0;

/// What the lower panel shows where the inspector has no room of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LowerTab {
    /// The plots.
    #[default]
    Plots,
    /// The inspector.
    Inspector,
}

/// Sizes of the panels that can be dragged, in points.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PanelSizes {
    /// Width of the settings.
    pub settings: f32,
    /// Width of the inspector.
    pub inspector: f32,
    /// Height of the plots.
    pub plots: f32,
}

impl Default for PanelSizes {
    fn default() -> Self {
        Self { settings: 290.0, inspector: 320.0, plots: 240.0 }
    }
}

/// Which panel stands where.
#[derive(Debug, Default)]
pub struct Arrangement {
    /// What the lower panel shows where the inspector has no room of its own.
    pub lower_tab: LowerTab,
    /// Sizes of the panels that can be dragged.
    pub sizes: PanelSizes,
    /// The window is too narrow for an inspector of its own.
    pub narrow: bool,
    /// The window is too low for large thumbnails and rows of two lines.
    pub low: bool,
    /// Where the plots were painted, to cut a picture of them out of the window.
    pub plots_rect: Option<Rect>,
}

impl Arrangement {
    /// Follows the size of the window.
    pub fn fit(&mut self, size: Vec2) {
        (self.narrow, self.low) = (size.x < NARROW, size.y < LOW);
    }
}

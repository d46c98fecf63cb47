//! Which panel stands where, and how large, as the window's size and the person decide.

use egui::{Rect, Vec2};
use serde::{Deserialize, Serialize};

/// Below this width the inspector shares the lower panel with the plots.
const NARROW: f32 = 1180.0;
/// Below this height thumbnails are small and sliders stand beside their names.
const LOW: f32 = 760.0;

/// Below this height images and plots share one place.
const TIGHT: f32 = 600.0;

/// What stands in the centre where there is no room for everything at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CentreTab {
    /// The images; where they have a place of their own, the plots.
    #[default]
    Images,
    /// The plots.
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
    /// What stands in the centre where there is no room for everything at once.
    pub tab: CentreTab,
    /// Sizes of the panels that can be dragged.
    pub sizes: PanelSizes,
    /// The window is too narrow for an inspector of its own.
    pub narrow: bool,
    /// The window is too low for large thumbnails and rows of two lines.
    pub low: bool,
    /// The window is too low for images and plots at the same time.
    pub tight: bool,
    /// Where the plots were painted in the last frame, to cut a picture of them out of the window.
    pub plots_rect: Option<Rect>,
}

impl Arrangement {
    /// Follows the size of the window.
    pub fn fit(&mut self, size: Vec2) {
        (self.narrow, self.low, self.tight) = (size.x < NARROW, size.y < LOW, size.y < TIGHT);
    }

    /// The tabs that the size of the window makes necessary.
    pub fn tabs(&self) -> &'static [(CentreTab, &'static str)] {
        const ALL: &[(CentreTab, &str)] = &[
            (CentreTab::Images, "Images"),
            (CentreTab::Plots, "Plots"),
            (CentreTab::Inspector, "Inspector"),
        ];
        match (self.tight, self.narrow) {
            (true, true) => ALL,
            (true, false) => &ALL[..2],
            (false, true) => &ALL[1..],
            (false, false) => &[],
        }
    }

    /// The tab that is open: the chosen one if it is there, else the first.
    pub fn open_tab(&self) -> CentreTab {
        let tabs = self.tabs();
        let chosen = tabs.iter().find(|(tab, _)| *tab == self.tab).or(tabs.first());
        chosen.map_or(CentreTab::Plots, |(tab, _)| *tab)
    }

    /// Brings the plots into view, wherever they are.
    pub fn show_plots(&mut self) {
        self.tab = CentreTab::Plots;
    }
}

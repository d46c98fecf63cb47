//! The theme: the only file that holds colours. Dark and light palettes, lane colours, colour maps.

use crate::engine::settings::LaneKind;
use crate::ui::view::ColourMap;
use egui::Color32;

/// Colours of one theme, by what they mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Palette {
    /// Behind everything.
    pub window: Color32,
    /// Panels.
    pub panel: Color32,
    /// Controls and cards on panels.
    pub raised: Color32,
    /// Lines between surfaces.
    pub border: Color32,
    /// Text.
    pub text: Color32,
    /// Less important text.
    pub secondary: Color32,
    /// What can be pressed, what is selected.
    pub accent: Color32,
    /// Something to look at.
    pub warning: Color32,
    /// Something failed.
    pub error: Color32,
    /// Something is well.
    pub good: Color32,
    lane_none: Color32,
    lane_cfg: Color32,
    lane_softcfg: Color32,
    lane_softcfg_no_step_norm: Color32,
}

const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

/// The dark theme.
pub const DARK: Palette = Palette {
    window: rgb(0x14161A),
    panel: rgb(0x1A1D22),
    raised: rgb(0x242830),
    border: rgb(0x2E333C),
    text: rgb(0xE7E9EC),
    secondary: rgb(0x9BA4B0),
    accent: rgb(0x6EA8FE),
    warning: rgb(0xE3A53D),
    error: rgb(0xEC6A73),
    good: rgb(0x5DB870),
    lane_none: rgb(0x9BA4B0),
    lane_cfg: rgb(0xE69F00),
    lane_softcfg: rgb(0x56B4E9),
    lane_softcfg_no_step_norm: rgb(0xE8684A),
};

/// The light theme.
pub const LIGHT: Palette = Palette {
    window: rgb(0xF4F5F7),
    panel: rgb(0xFFFFFF),
    raised: rgb(0xECEFF3),
    border: rgb(0xD5DAE1),
    text: rgb(0x1B1F26),
    secondary: rgb(0x59626F),
    accent: rgb(0x2563EB),
    warning: rgb(0x9A6200),
    error: rgb(0xC42B37),
    good: rgb(0x1F7A3A),
    lane_none: rgb(0x6B7280),
    lane_cfg: rgb(0xA86F00),
    lane_softcfg: rgb(0x0067A5),
    lane_softcfg_no_step_norm: rgb(0xB8401F),
};

/// The palette of the theme in use.
pub fn palette(ctx: &egui::Context) -> &'static Palette {
    if ctx.global_style().visuals.dark_mode { &DARK } else { &LIGHT }
}

impl Palette {
    /// Colour of a lane, the same everywhere.
    pub fn lane(&self, lane: LaneKind, step_norm: bool) -> Color32 {
        match (lane, step_norm) {
            (LaneKind::None, _) => self.lane_none,
            (LaneKind::Cfg, _) => self.lane_cfg,
            (LaneKind::SoftCfg, true) => self.lane_softcfg,
            (LaneKind::SoftCfg, false) | (LaneKind::SoftCfgNoStepNorm, _) => {
                self.lane_softcfg_no_step_norm
            }
        }
    }
}

/// Colour of `value` in 0..=1 on a colour map.
pub fn map_colour(map: ColourMap, value: f32) -> Color32 {
    let gradient = match map {
        ColourMap::Viridis => colorous::VIRIDIS,
        ColourMap::Cividis => colorous::CIVIDIS,
        ColourMap::Magma => colorous::MAGMA,
        ColourMap::Inferno => colorous::INFERNO,
    };
    let colour = gradient.eval_continuous(f64::from(value.clamp(0.0, 1.0)));
    Color32::from_rgb(colour.r, colour.g, colour.b)
}

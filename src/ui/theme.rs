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

/// Colours of the images and plots, derived from the tokens above.
impl Palette {
    /// Ground of what is not drawn yet.
    pub fn undrawn(&self) -> Color32 {
        self.window.lerp_to_gamma(self.border, 0.18)
    }

    /// Hatching of what is not drawn yet.
    pub fn hatch(&self) -> Color32 {
        self.border.gamma_multiply(0.55)
    }

    /// The token grid on what is not drawn yet.
    pub fn grid(&self) -> Color32 {
        self.border.gamma_multiply(0.8)
    }

    /// Every second row of the image, behind a plot.
    pub fn row_band(&self) -> Color32 {
        self.text.gamma_multiply(0.028)
    }

    /// Under a mark on an image, so that it is seen on any colour.
    pub fn mark_shadow(&self) -> Color32 {
        Color32::from_black_alpha(170)
    }

    /// A mark on an image.
    pub fn mark(&self) -> Color32 {
        Color32::WHITE
    }
}

/// An image in its own colours.
pub const UNTINTED: Color32 = Color32::WHITE;

/// An image let through by `opacity`, 0 to 1.
pub fn opacity_tint(opacity: f32) -> Color32 {
    Color32::WHITE.gamma_multiply(opacity.clamp(0.0, 1.0))
}

/// Saturation left to an image under a heat map.
const MUTED_SATURATION: f32 = 0.35;

/// A pixel as it is, or with less saturation so that a heat map over it can be read.
pub fn pixel_colour([red, green, blue]: [u8; 3], muted: bool) -> Color32 {
    if !muted {
        return Color32::from_rgb(red, green, blue);
    }
    let [red, green, blue] = [red, green, blue].map(f32::from);
    let grey = 0.299 * red + 0.587 * green + 0.114 * blue;
    let mix = |value: f32| (grey + (value - grey) * MUTED_SATURATION).round() as u8;
    Color32::from_rgb(mix(red), mix(green), mix(blue))
}

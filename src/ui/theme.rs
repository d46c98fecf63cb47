//! The theme: the only file that holds colours. Dark and light palettes, lane colours, colour maps,
//! and the egui style made from them (a grid of 4, controls 26 high, corners 6).

use crate::guidance::Preset;
use crate::ui::kit::fonts;
use crate::ui::state::view::ColourMap;
use egui::style::{HandleShape, WidgetVisuals};
use egui::{Color32, CornerRadius, Margin, Shadow, Stroke, Style, Theme, Visuals, vec2};
use serde::{Deserialize, Serialize};

/// Which palette is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThemeChoice {
    /// Light on dark.
    #[default]
    Dark,
    /// Dark on light.
    Light,
}

impl ThemeChoice {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Dark => Self::Light,
            Self::Light => Self::Dark,
        }
    }

    /// As egui names it.
    pub fn egui(self) -> Theme {
        match self {
            Self::Dark => Theme::Dark,
            Self::Light => Theme::Light,
        }
    }
}

/// Corners of controls and cards.
pub const CORNER: u8 = 6;
/// Height of controls, in points.
pub const CONTROL_HEIGHT: f32 = 26.0;

/// Colours of one theme, by what they mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Palette {
    /// Behind everything.
    pub window: Color32,
    /// Panels.
    pub panel: Color32,
    /// Controls and cards on panels.
    pub raised: Color32,
    /// A control under the pointer.
    pub hovered: Color32,
    /// Lines between surfaces.
    pub border: Color32,
    /// The empty part of sliders and switches: stands out from panels more than a border does.
    pub rail: Color32,
    /// Text.
    pub text: Color32,
    /// Less important text.
    pub secondary: Color32,
    /// What can be pressed, what is selected.
    pub accent: Color32,
    /// Text on the accent.
    pub on_accent: Color32,
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
    hovered: rgb(0x2F343E),
    border: rgb(0x2E333C),
    rail: rgb(0x434A56),
    text: rgb(0xE7E9EC),
    secondary: rgb(0x9BA4B0),
    accent: rgb(0x6EA8FE),
    on_accent: rgb(0x10141B),
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
    hovered: rgb(0xDFE4EB),
    border: rgb(0xD5DAE1),
    rail: rgb(0xB9C1CC),
    text: rgb(0x1B1F26),
    secondary: rgb(0x59626F),
    accent: rgb(0x2563EB),
    on_accent: rgb(0xFFFFFF),
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
    pub fn lane(&self, preset: Preset) -> Color32 {
        match preset {
            Preset::None => self.lane_none,
            Preset::Cfg => self.lane_cfg,
            Preset::SoftCfg => self.lane_softcfg,
            Preset::SoftCfgNoStepNorm => self.lane_softcfg_no_step_norm,
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

/// Installs faces and styles of both themes; [`egui::Context::set_theme`] then switches between them.
pub fn install(ctx: &egui::Context) {
    fonts::install(ctx);
    ctx.set_style_of(Theme::Dark, style(&DARK, Visuals::dark()));
    ctx.set_style_of(Theme::Light, style(&LIGHT, Visuals::light()));
}

fn style(palette: &Palette, base: Visuals) -> Style {
    let mut style = Style { text_styles: fonts::text_styles(), ..Style::default() };
    style.animation_time = 0.1;
    style.drag_value_text_style = egui::TextStyle::Monospace;
    style.interaction.selectable_labels = false;
    style.interaction.tooltip_delay = 0.35;
    let spacing = &mut style.spacing;
    spacing.item_spacing = vec2(8.0, 8.0);
    spacing.button_padding = vec2(8.0, 4.0);
    spacing.interact_size = vec2(CONTROL_HEIGHT, CONTROL_HEIGHT);
    spacing.menu_margin = Margin::same(8);
    spacing.window_margin = Margin::same(16);
    spacing.indent = 16.0;
    spacing.icon_width = 16.0;
    spacing.icon_width_inner = 8.0;
    spacing.icon_spacing = 8.0;
    spacing.slider_rail_height = 4.0;
    spacing.tooltip_width = 320.0;
    spacing.combo_height = 320.0;
    style.visuals = visuals(palette, base);
    style
}

fn visuals(palette: &Palette, base: Visuals) -> Visuals {
    let corner = CornerRadius::same(CORNER);
    let widget = |fill: Color32, line: Color32, text: Color32| WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: Stroke::new(1.0, line),
        corner_radius: corner,
        fg_stroke: Stroke::new(1.0, text),
        expansion: 0.0,
    };
    let mut visuals = base;
    visuals.weak_text_color = Some(palette.secondary);
    visuals.widgets.noninteractive = widget(palette.panel, palette.border, palette.text);
    visuals.widgets.inactive = widget(palette.raised, palette.border, palette.text);
    visuals.widgets.hovered = widget(palette.hovered, palette.rail, palette.text);
    visuals.widgets.active = widget(palette.hovered, palette.accent, palette.text);
    visuals.widgets.open = widget(palette.hovered, palette.rail, palette.text);
    visuals.selection.bg_fill = palette.accent.gamma_multiply(0.32);
    visuals.selection.stroke = Stroke::new(1.0, palette.text);
    visuals.hyperlink_color = palette.accent;
    visuals.faint_bg_color = palette.raised;
    visuals.extreme_bg_color = palette.window;
    visuals.text_edit_bg_color = Some(palette.window);
    visuals.code_bg_color = palette.raised;
    visuals.warn_fg_color = palette.warning;
    visuals.error_fg_color = palette.error;
    visuals.window_corner_radius = CornerRadius::same(8);
    visuals.menu_corner_radius = CornerRadius::same(8);
    visuals.window_fill = palette.panel;
    visuals.window_stroke = Stroke::new(1.0, palette.border);
    visuals.panel_fill = palette.panel;
    let shadow =
        Shadow { offset: [0, 4], blur: 16, spread: 0, color: Color32::from_black_alpha(64) };
    visuals.window_shadow = shadow;
    visuals.popup_shadow = shadow;
    visuals.handle_shape = HandleShape::Circle;
    visuals.slider_trailing_fill = true;
    visuals.interact_cursor = None;
    visuals.text_cursor.stroke = Stroke::new(2.0, palette.accent);
    visuals.disabled_alpha = 0.45;
    visuals
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

/// Saturation left to an image under a heat map: most of it, the map is nearly clear over sure tokens.
const MUTED_SATURATION: f32 = 0.7;

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance contrast of WCAG 2.
    fn contrast(a: Color32, b: Color32) -> f64 {
        let luminance = |colour: Color32| {
            let linear = |byte: u8| {
                let value = f64::from(byte) / 255.0;
                if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * linear(colour.r()) + 0.7152 * linear(colour.g()) + 0.0722 * linear(colour.b())
        };
        let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
        (a / b).max(b / a)
    }

    #[test]
    fn text_stands_out_from_every_surface() {
        for palette in [&DARK, &LIGHT] {
            for surface in [palette.window, palette.panel, palette.raised] {
                for text in [palette.text, palette.secondary] {
                    assert!(contrast(text, surface) >= 4.5, "{text:?} on {surface:?}");
                }
            }
            for text in [palette.accent, palette.warning, palette.error, palette.good] {
                assert!(contrast(text, palette.panel) >= 4.5, "{text:?} on the panel");
            }
            assert!(contrast(palette.on_accent, palette.accent) >= 4.5);
        }
    }
}

//! The faces of the window: Inter for text in two weights, JetBrains Mono for numbers (its digits
//! are all equally wide, so that nothing shifts), Material Symbols for icons, and one sign of our own: the
//! bars of a norm, which in Inter are so close together that they look like a bracket. All embedded: text
//! looks the same on every machine. What they all lack, `system_fonts` looks for.

use egui::{FontData, FontDefinitions, FontFamily, FontId, RichText, TextStyle};
use std::collections::BTreeMap;
use std::sync::Arc;

const SEMIBOLD: &str = "Inter SemiBold";
/// Holds ‖ alone, with Inter's height and depth: the first face of a family decides those of its lines.
const NORM_BARS: &str = "Norm Bars";

/// Size of text, in points.
pub const TEXT: f32 = 13.0;
/// Size of secondary text.
pub const SECONDARY: f32 = 12.0;
/// Size of titles.
pub const TITLE: f32 = 15.0;

/// The family of titles and group names.
pub fn semibold() -> FontFamily {
    FontFamily::Name(SEMIBOLD.into())
}

/// A group's name: semibold, as large as text.
pub fn group(text: impl Into<String>) -> RichText {
    RichText::new(text).font(FontId::new(TEXT, semibold()))
}

/// A title.
pub fn title(text: impl Into<String>) -> RichText {
    RichText::new(text).font(FontId::new(TITLE, semibold()))
}

/// Numbers in tables, fields and the status bar.
pub fn number(text: impl Into<String>) -> RichText {
    RichText::new(text).font(number_font())
}

/// The face of numbers.
pub fn number_font() -> FontId {
    FontId::new(SECONDARY, FontFamily::Monospace)
}

/// Sizes and families of egui's text styles.
pub fn text_styles() -> BTreeMap<TextStyle, FontId> {
    BTreeMap::from([
        (TextStyle::Small, FontId::new(SECONDARY, FontFamily::Proportional)),
        (TextStyle::Body, FontId::new(TEXT, FontFamily::Proportional)),
        (TextStyle::Button, FontId::new(TEXT, FontFamily::Proportional)),
        (TextStyle::Heading, FontId::new(TITLE, semibold())),
        (TextStyle::Monospace, number_font()),
    ])
}

/// Installs the faces. Egui's own stay behind them for signs that these lack.
pub fn install(ctx: &egui::Context) {
    let mut fonts = FontDefinitions::default();
    let mut add = |name: &str, bytes: &'static [u8]| {
        fonts.font_data.insert(name.into(), Arc::new(FontData::from_static(bytes)));
    };
    add("Inter", include_bytes!("../../../assets/fonts/Inter-Regular.otf"));
    add(SEMIBOLD, include_bytes!("../../../assets/fonts/Inter-SemiBold.otf"));
    add(NORM_BARS, include_bytes!("../../../assets/fonts/NormBars.ttf"));
    add("JetBrains Mono", include_bytes!("../../../assets/fonts/JetBrainsMono-Regular.ttf"));

    let proportional = fonts.families.entry(FontFamily::Proportional).or_default();
    proportional.insert(0, "Inter".into());
    let mut bold = proportional.clone();
    bold.insert(0, SEMIBOLD.into());
    proportional.insert(0, NORM_BARS.into());
    bold.insert(0, NORM_BARS.into());
    fonts.families.insert(semibold(), bold);
    let monospace = fonts.families.entry(FontFamily::Monospace).or_default();
    monospace.insert(0, "JetBrains Mono".into());
    monospace.insert(1, NORM_BARS.into());
    monospace.insert(2, "Inter".into());
    ctx.set_fonts(fonts);
    egui_material_icons::initialize(ctx);
}

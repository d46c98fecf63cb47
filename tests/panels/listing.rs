//! A panel as text: what is painted, then the accessibility tree.

use egui::accesskit::{Role, Toggled};
use egui::{Color32, Shape};
use egui_kittest::Harness;
use egui_kittest::kittest::NodeT;
use softcfg_studio::guidance::Preset;
use softcfg_studio::ui::app::state::State;
use softcfg_studio::ui::theme::Palette;

/// Whether a person can do something with a node of this role.
pub fn is_control(role: Role) -> bool {
    matches!(
        role,
        Role::Button
            | Role::CheckBox
            | Role::ComboBox
            | Role::Link
            | Role::MultilineTextInput
            | Role::RadioButton
            | Role::Slider
            | Role::SpinButton
            | Role::Switch
            | Role::TextInput
    )
}

/// The listing of a panel that was shown.
pub fn of(harness: &Harness<'_, State>, palette: &Palette) -> String {
    let mut lines = vec!["painted:".to_owned()];
    for clipped in &harness.output().shapes {
        painted(&clipped.shape, palette, &mut lines);
    }
    lines.push("accessible:".into());
    for node in harness.root().children_recursive() {
        lines.extend(accessible(&node.accesskit_node()));
    }
    lines.iter().map(|line| format!("{}\n", one_line(line).trim_end())).collect()
}

/// Line breaks as slashes, and icons, which are letters of a private area, as squares.
fn one_line(text: &str) -> String {
    let icons = '\u{e000}'..'\u{f900}';
    let shown = |letter: char| if icons.contains(&letter) { '◻' } else { letter };
    text.chars().map(shown).collect::<String>().replace('\n', " / ")
}

fn painted(shape: &Shape, palette: &Palette, lines: &mut Vec<String>) {
    match shape {
        Shape::Vec(shapes) => shapes.iter().for_each(|shape| painted(shape, palette, lines)),
        Shape::Text(text) => {
            let words = text.galley.text();
            let own = text.galley.job.sections.first().map(|section| section.format.color);
            let own = own.filter(|colour| *colour != Color32::PLACEHOLDER);
            let colour = text.override_text_color.or(own).unwrap_or(text.fallback_color);
            let faded = if text.opacity_factor < 1.0 { ", faded" } else { "" };
            lines.push(format!("  {}  ({}{faded})", words, name(colour, palette)));
        }
        _ => {}
    }
}

fn name(colour: Color32, palette: &Palette) -> &'static str {
    let presets = [
        (Preset::None, "lane none"),
        (Preset::Cfg, "lane CFG"),
        (Preset::SoftCfg, "lane SoftCFG"),
        (Preset::SoftCfgNoStepNorm, "lane SoftCFG without step norm"),
    ];
    let named = [
        (palette.text, "text"),
        (palette.secondary, "secondary"),
        (palette.accent, "accent"),
        (palette.on_accent, "on accent"),
        (palette.warning, "warning"),
        (palette.error, "error"),
        (palette.good, "good"),
    ];
    let lanes = presets.map(|(preset, name)| (palette.lane(preset), name));
    let all = named.into_iter().chain(lanes);
    all.into_iter().find(|(one, _)| *one == colour).map_or("another colour", |(_, name)| name)
}

fn accessible(node: &egui_kittest::kittest::AccessKitNode<'_>) -> Option<String> {
    let (role, label) = (node.role(), node.label().unwrap_or_default());
    let value = node.value().unwrap_or_default();
    // Lines of a text are where it happens to be broken.
    let silent = label.is_empty() && value.is_empty() && !is_control(role);
    if silent || role == Role::TextRun {
        return None;
    }
    let mut line = format!("  {role:?} {label}");
    if !value.is_empty() && value != label {
        line.push_str(&format!(" = {value}"));
    }
    if let Some(number) = node.numeric_value() {
        line.push_str(&format!(" = {}", (number * 1e4).round() / 1e4));
    }
    match node.toggled() {
        Some(Toggled::True) => line.push_str(", on"),
        Some(Toggled::False) => line.push_str(", off"),
        Some(Toggled::Mixed) | None => {}
    }
    if node.is_disabled() {
        line.push_str(", disabled");
    }
    if let Some(description) = node.description() {
        line.push_str(&format!(": {description}"));
    }
    Some(line)
}

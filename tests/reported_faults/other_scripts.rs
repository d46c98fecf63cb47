//! Prompts, paths and messages in scripts that the embedded faces lack.

use crate::window::{notices, wait, window};
use egui::epaint::text::FallbackRequest;
use egui::{FontFamily, FontId};
use egui_kittest::kittest::Queryable;
use softcfg_studio::prompts::condition::Condition;
use softcfg_studio::ui::app::persistence::StoredSettings;
use softcfg_studio::ui::kit::system_fonts;

const PROMPT: &str = "一只猫 ネコ 고양이 🐱";

// Source: emilk/egui#162 and #3060.
#[test]
fn a_person_writes_a_prompt_in_chinese_japanese_or_korean() {
    let mut window = window((1400.0, 900.0), StoredSettings::default(), |ctx, app| {
        app.with_system_fonts(ctx, Box::new(system_fonts::of_the_system))
    });
    let font = FontId::new(13.0, FontFamily::Proportional);
    let width = |window: &crate::window::Window, text: &str| {
        window.ctx.fonts_mut(|fonts| {
            let colour = egui::Color32::PLACEHOLDER;
            fonts.layout_no_wrap(text.to_owned(), font.clone(), colour).size()
        })
    };
    let latin = "Guidance scale γ, ‖Δ‖ and a paragraph of text";
    let before = width(&window, latin);
    let condition = &mut window.state_mut().state.settings.shared.condition;
    *condition = Condition::Prompt { text: PROMPT.into(), negative: None };
    window.run_steps(2);
    // What this machine has, asked independently.
    let has = |character: char| {
        let cluster = character.to_string();
        let family = FontFamily::Proportional;
        let request = FallbackRequest { cluster: &cluster, family: &family };
        system_fonts::of_the_system().font_for(&request).is_some()
    };
    let glyph = |window: &crate::window::Window, character| {
        window.ctx.fonts_mut(|fonts| fonts.has_glyph(&font, character))
    };
    for character in PROMPT.chars().filter(|character| !character.is_whitespace()) {
        if has(character) {
            wait(&mut window, "the font", |window| glyph(window, character));
        } else {
            wait(&mut window, "the notice", |window| {
                notices(window).iter().any(|it| it.contains("No font has the character"))
            });
        }
    }
    let said = notices(&window).iter().filter(|it| it.contains("No font")).count();
    assert!(said <= 1, "once is enough");
    assert_eq!(width(&window, latin), before, "the window's own text keeps its face");
    assert!(window.query_all_by_value(PROMPT).next().is_some(), "the prompt stays as it was typed");
}

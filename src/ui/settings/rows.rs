//! Rows of the panel for settings of all lanes, made from the table of settings: name, tooltip, range,
//! reset, and below them what is wrong.

use crate::engine::settings::{Kind, LaneSettings, Setting, SettingKey, Value};
use crate::ui::kit::controls;
use crate::ui::kit::controls::{Hint, NumberField, SliderRow};
use crate::ui::kit::fonts;
use crate::ui::settings::form::Form;
use egui::{Align, Layout, Response, Ui};

/// Width of a count, in points.
pub const COUNT_WIDTH: f32 = 104.0;

/// The tooltip of a setting.
pub fn hint(key: SettingKey) -> Hint {
    Hint::new(key.setting().does, key.setting().term)
}

/// What is wrong with a setting, if anything is.
pub fn problem(ui: &mut Ui, form: &Form, key: SettingKey) {
    controls::field_message(ui, form.problem(Some(key)));
}

/// A number with its slider; `usual` holds what the reset brings back. `one_line` puts the name beside
/// the slider.
pub fn number(ui: &mut Ui, form: &mut Form, key: SettingKey, usual: &LaneSettings, one_line: bool) {
    let setting = key.setting();
    let Kind::Number { range, get, set } = setting.kind else { return };
    let row = SliderRow {
        name: if one_line { setting.short } else { setting.label },
        hint: hint(key),
        range: range.slider(),
        default: get(usual),
        decimals: range.decimals,
        one_line,
        read: &|text| {
            read(setting, text, |value| match value {
                Value::Number(number) => Some(number),
                _ => None,
            })
        },
    };
    let lane = &mut form.settings.shared;
    let mut value = get(lane);
    row.show(ui, &mut value);
    set(lane, value);
    problem(ui, form, key);
}

/// Reads a setting's text as the command line does.
pub fn read<T>(
    setting: &Setting,
    text: &str,
    take: impl FnOnce(Value) -> Option<T>,
) -> Result<T, String> {
    let unfit = || format!("“{text}” does not go here; use {}", setting.allowed());
    let value = setting.parse(text).map_err(|error| error.to_string())?;
    take(value).ok_or_else(unfit)
}

/// One of several options.
pub fn choice(
    ui: &mut Ui,
    form: &mut Form,
    key: SettingKey,
    usual: &LaneSettings,
) -> Option<Response> {
    let setting = key.setting();
    let Kind::Choice { options, get, set } = setting.kind else { return None };
    let lane = &mut form.settings.shared;
    let mut chosen = get(lane);
    let options = options.iter().map(|option| (option.key, option.label));
    let response = controls::choice(ui, setting.label, hint(key), &mut chosen, get(usual), options);
    set(lane, chosen);
    problem(ui, form, key);
    Some(response)
}

/// A switch with its reset.
pub fn switch(ui: &mut Ui, form: &mut Form, key: SettingKey, usual: &LaneSettings) {
    let setting = key.setting();
    let Kind::Switch { get, set } = setting.kind else { return };
    let lane = &mut form.settings.shared;
    let mut on = get(lane);
    ui.horizontal(|ui| {
        controls::switch(ui, &mut on, setting.label, hint(key));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if controls::reset_button(ui, on != get(usual), setting.label) {
                on = get(usual);
            }
        });
    });
    set(lane, on);
}

/// How a count is shown.
pub struct Count {
    /// What it becomes when it is switched on.
    pub first: usize,
    /// Change of the number by dragging one point.
    pub speed: f64,
    /// What stands behind the number.
    pub suffix: String,
    /// What stands there while it is off.
    pub off: String,
}

/// A count that may be off, with its switch and reset.
pub fn count(ui: &mut Ui, form: &mut Form, key: SettingKey, usual: &LaneSettings, row: Count) {
    let setting = key.setting();
    let Kind::Count { get, set } = setting.kind else { return };
    let lane = &mut form.settings.shared;
    let (mut value, usual) = (get(lane), get(usual));
    let mut shown = None;
    ui.horizontal(|ui| {
        let mut on = value.is_some();
        if controls::switch(ui, &mut on, setting.label, hint(key)).changed() {
            value = on.then(|| usual.unwrap_or(row.first));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            match &mut value {
                Some(count) => {
                    let number = NumberField {
                        name: &format!("{} value", setting.label),
                        hint: hint(key),
                        read: &|text| {
                            read(setting, text, |value| match value {
                                Value::Count(count) => count,
                                _ => None,
                            })
                        },
                        write: &|count: usize| count.to_string(),
                        suffix: &row.suffix,
                        range: 0..=usize::MAX,
                        speed: row.speed,
                        width: COUNT_WIDTH,
                    };
                    shown = Some(number.show(ui, count));
                }
                None => {
                    ui.label(fonts::number(row.off).weak());
                }
            }
            if controls::reset_button(ui, value != usual, setting.noun) {
                value = usual;
            }
        });
    });
    set(lane, value);
    if let Some(shown) = shown {
        shown.message(ui);
    }
    problem(ui, form, key);
}

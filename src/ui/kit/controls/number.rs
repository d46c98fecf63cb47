//! A field for a number, which is dragged or typed. What is typed is read as people write numbers; a text
//! that is none stays, in the colour of errors, until it is mended or Esc is pressed.

use crate::engine::settings::number;
use crate::ui::kit::controls::hint::Hint;
use crate::ui::kit::controls::messages::field_message;
use crate::ui::kit::typed_number::TypedNumber;
use crate::ui::theme::{CONTROL_HEIGHT, palette};
use egui::accesskit::Action;
use egui::emath::Numeric;
use egui::response::Flags;
use egui::text::CCursorRange;
use egui::{
    Align2, DragValue, Id, Key, Modifiers, Response, TextEdit, TextStyle, Ui, UiBuilder,
    WidgetInfo, vec2,
};
use std::ops::RangeInclusive;

/// A field for a number.
pub struct NumberField<'a, T> {
    /// What a screen reader calls it.
    pub name: &'a str,
    /// The tooltip.
    pub hint: Hint,
    /// Reads a text; what is wrong with it, and what would be right.
    pub read: &'a dyn Fn(&str) -> Result<T, String>,
    /// The number's text.
    pub write: &'a dyn Fn(T) -> String,
    /// What stands behind the number while it is not typed.
    pub suffix: &'a str,
    /// What dragging keeps to.
    pub range: RangeInclusive<T>,
    /// Change of the number by dragging one point.
    pub speed: f64,
    /// Least width, in points.
    pub width: f32,
}

/// What became of a field in a frame.
pub struct Shown {
    /// Of the field.
    pub response: Response,
    /// What is wrong with the text; stands under the field, or under the row that it is part of.
    pub problem: Option<String>,
}

impl Shown {
    /// Says what is wrong, where anything is.
    pub fn message(&self, ui: &mut Ui) {
        field_message(ui, self.problem.as_deref());
    }
}

impl<T: Numeric + Send + Sync> NumberField<'_, T> {
    /// Shows the field.
    pub fn show(self, ui: &mut Ui, value: &mut T) -> Shown {
        // Rows that come and go above do not take the text away.
        let scope = ui.make_persistent_id(("number", self.name));
        ui.scope_builder(UiBuilder::new().scope_id(scope), |ui| self.show_alone(ui, value)).inner
    }

    fn show_alone(&self, ui: &mut Ui, value: &mut T) -> Shown {
        let id = ui.next_auto_id();
        let kept = id.with("typed");
        // As soon as it has the keyboard it is a text: screen readers expect that.
        let focused = ui.is_enabled()
            && ui.memory_mut(|memory| {
                memory.interested_in_focus(id, ui.layer_id());
                memory.has_focus(id)
            });
        let typed: Option<TypedNumber<T>> = ui.data_mut(|data| data.get_temp(kept));
        ui.data_mut(|data| data.remove::<TypedNumber<T>>(kept));
        let before = *value;
        let escaped = !focused && ui.input(|input| input.key_pressed(Key::Escape));
        let typed = match typed {
            // Without a problem it is there only because it had the keyboard a frame ago.
            Some(mut typed) if escaped && typed.problem().is_none() => {
                *value = typed.give_up(self.write);
                None
            }
            typed => typed.filter(|typed| focused || typed.problem().is_some()),
        };
        let begun = || {
            let text = (self.write)(*value);
            select_all(ui, id, &text);
            TypedNumber::new(*value, text)
        };
        let typed = typed.or_else(|| focused.then(begun));
        let (response, problem) = match typed {
            Some(mut typed) => {
                let response = self.edit(ui, id, value, &mut typed, focused);
                let problem = typed.problem().map(str::to_owned);
                ui.data_mut(|data| data.insert_temp(kept, typed));
                (response, problem)
            }
            None => (self.drag(ui, value), None),
        };
        let mut response = match &problem {
            // The reason is there also where there is no room for it.
            Some(problem) => response.on_hover_text(problem),
            None => self.hint.on(response),
        };
        let (enabled, now) = (ui.is_enabled(), value.to_f64());
        response.widget_info(|| WidgetInfo::drag_value(enabled, now));
        // Of the number, whatever its text did.
        response.flags.set(Flags::CHANGED, *value != before);
        Shown { response: response.accessible_name(self.name), problem }
    }

    fn drag(&self, ui: &mut Ui, value: &mut T) -> Response {
        let text = (self.write)(*value);
        let number = DragValue::new(value)
            .speed(self.speed)
            .range(self.range.clone())
            .clamp_existing_to_range(false)
            .custom_formatter(move |_, _| text.clone())
            .min_size(vec2(self.width, CONTROL_HEIGHT));
        // Without one, an empty text would be painted.
        ui.add(if self.suffix.is_empty() { number } else { number.suffix(self.suffix) })
    }

    fn edit(
        &self,
        ui: &mut Ui,
        id: Id,
        value: &mut T,
        typed: &mut TypedNumber<T>,
        focused: bool,
    ) -> Response {
        if focused {
            self.follow_keys(ui, id, value);
        }
        let wrong = palette(ui.ctx()).error;
        let colour = typed.problem().map(|_| wrong);
        let field = TextEdit::singleline(typed.text(*value, self.write))
            .id(id)
            .clip_text(true)
            .desired_width(self.width - 8.0)
            .align(Align2::CENTER_CENTER)
            .min_size(vec2(self.width, CONTROL_HEIGHT))
            .font(TextStyle::Monospace)
            .text_color_opt(colour);
        let response = ui.add(field);
        typed.follow(&response, ui, value, self.read, self.write);
        response
    }

    /// Up and Down, and a screen reader's more and less, change the number while it is typed.
    fn follow_keys(&self, ui: &Ui, id: Id, value: &mut T) {
        let by = ui.input_mut(|input| {
            let mut count = |key, action| {
                let asked = input.num_accesskit_action_requests(id, action);
                (input.count_and_consume_key(Modifiers::NONE, key) + asked) as f64
            };
            count(Key::ArrowUp, Action::Increment) - count(Key::ArrowDown, Action::Decrement)
        });
        ui.ctx().accesskit_node_builder(id, |node| {
            node.add_action(Action::Increment);
            node.add_action(Action::Decrement);
        });
        if by != 0.0 {
            let (low, high) = (self.range.start().to_f64(), self.range.end().to_f64());
            let step = if T::INTEGRAL { self.speed.max(1.0) } else { self.speed };
            *value = T::from_f64((value.to_f64() + by * step).clamp(low, high));
        }
    }
}

fn select_all(ui: &Ui, id: Id, text: &str) {
    let mut state = TextEdit::load_state(ui.ctx(), id).unwrap_or_default();
    state.cursor.set_char_range(Some(CCursorRange::select_all_str(text)));
    state.store(ui.ctx(), id);
}

/// Reads a whole number of `range`, for [`NumberField::read`].
pub fn read_count(text: &str, range: &RangeInclusive<usize>) -> Result<usize, String> {
    number::count(text, range).map_err(|error| {
        let (low, high) = (range.start(), range.end());
        format!("“{text}” {error}; use a whole number from {low} to {high}")
    })
}

//! A number as it is typed, which need not be one: the text stays until it can be read, and the number that
//! was there before stays in use.

use egui::{Key, Response, Ui};

/// Text of a field for a number.
#[derive(Debug, Clone)]
pub struct TypedNumber<T> {
    text: String,
    /// In use when the typing began.
    before: T,
    /// What the text was last in step with.
    number: T,
    problem: Option<String>,
}

impl<T: Copy + PartialEq> TypedNumber<T> {
    /// Begins with a number and its text.
    pub fn new(number: T, text: String) -> Self {
        Self { text, before: number, number, problem: None }
    }

    /// The text to edit; follows a number that was changed elsewhere.
    pub fn text(&mut self, number: T, write: impl Fn(T) -> String) -> &mut String {
        if self.number != number {
            *self = Self::new(number, write(number));
        }
        &mut self.text
    }

    /// Reads the text after a change; the number that is in use from now on. `write` tells which one that
    /// is while the text cannot be read.
    fn read(&mut self, read: impl Fn(&str) -> Result<T, String>, write: impl Fn(T) -> String) -> T {
        match read(&self.text) {
            Ok(number) => (self.number, self.problem) = (number, None),
            Err(problem) => {
                self.number = self.before;
                let problem = format!("{problem}. Until then {} is used.", write(self.before));
                self.problem = Some(problem);
            }
        }
        self.number
    }

    /// Ends the typing: a text that can be read is written as its number is, one that cannot stays.
    fn leave(&mut self, write: impl Fn(T) -> String) {
        if self.problem.is_none() {
            *self = Self::new(self.number, write(self.number));
        }
    }

    /// Gives up what was typed; the number from before.
    pub fn give_up(&mut self, write: impl Fn(T) -> String) -> T {
        *self = Self::new(self.before, write(self.before));
        self.before
    }

    /// Follows what was done in the field with `response` in this frame.
    pub fn follow(
        &mut self,
        response: &Response,
        ui: &Ui,
        number: &mut T,
        read: impl Fn(&str) -> Result<T, String>,
        write: impl Fn(T) -> String,
    ) {
        if response.changed() {
            *number = self.read(read, write);
        } else if response.lost_focus() {
            if ui.input(|input| input.key_pressed(Key::Escape)) {
                *number = self.give_up(write);
            } else {
                self.leave(write);
            }
        }
    }

    /// What is wrong with the text, and what is used instead.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::settings::number;

    fn read(text: &str) -> Result<u64, String> {
        number::whole(text).map_err(|error| format!("“{text}” {error}"))
    }

    fn typed(field: &mut TypedNumber<u64>, text: &str) -> u64 {
        text.clone_into(&mut field.text);
        field.read(read, |seed| seed.to_string())
    }

    #[test]
    fn a_text_that_is_no_number_stays_until_it_is_mended() {
        let write = |seed: u64| seed.to_string();
        let mut field = TypedNumber::new(7, "7".into());
        assert_eq!(typed(&mut field, "12"), 12);
        assert_eq!(typed(&mut field, "12x"), 7);
        field.leave(write);
        assert_eq!(field.text(7, write), "12x");
        assert_eq!(field.problem(), Some("“12x” is not a number. Until then 7 is used."));
        assert_eq!(typed(&mut field, "13"), 13);
        field.leave(write);
        assert_eq!(field.text(13, write), "13");
        assert_eq!(field.before, 13);
    }

    #[test]
    fn a_number_that_is_changed_elsewhere_takes_the_place_of_what_was_typed() {
        let mut field = TypedNumber::new(7, "7".into());
        typed(&mut field, "7x");
        assert_eq!(field.text(8, |seed| seed.to_string()), "8");
        assert_eq!(field.problem(), None);
    }

    #[test]
    fn giving_up_brings_the_number_from_before_back() {
        let mut field = TypedNumber::new(7, "7".into());
        assert_eq!(typed(&mut field, "12"), 12);
        assert_eq!(field.give_up(|seed| seed.to_string()), 7);
        assert_eq!(field.text(7, |seed| seed.to_string()), "7");
    }
}

//! The seed as it is typed, which need not be a number.

/// Text of the seed field.
#[derive(Debug, Default)]
pub struct SeedText {
    text: String,
    /// The seed that the text was last in step with.
    seed: Option<u64>,
    error: Option<String>,
}

impl SeedText {
    /// The text to edit; follows a seed that was changed elsewhere.
    pub fn text(&mut self, seed: u64) -> &mut String {
        if self.seed != Some(seed) {
            self.leave(seed);
        }
        &mut self.text
    }

    /// The typed seed; a text that is none becomes an error.
    pub fn read(&mut self) -> Option<u64> {
        match self.text.trim().parse() {
            Ok(seed) => {
                (self.seed, self.error) = (Some(seed), None);
                Some(seed)
            }
            Err(_) => {
                let message = format!("The seed is a whole number from 0 to {}.", u64::MAX);
                self.error = Some(message);
                None
            }
        }
    }

    /// Puts the seed in use back into the field.
    pub fn leave(&mut self, seed: u64) {
        (self.text, self.seed, self.error) = (seed.to_string(), Some(seed), None);
    }

    /// What is wrong with the text.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_seed_stays_until_the_field_is_left_or_the_seed_changes() {
        let mut typed = SeedText::default();
        assert_eq!(typed.text(7), "7");
        "7x".clone_into(typed.text(7));
        assert_eq!(typed.read(), None);
        assert!(typed.error().is_some());
        assert_eq!(typed.text(7), "7x");
        assert_eq!(typed.text(8), "8");
        assert_eq!(typed.error(), None);
        "12".clone_into(typed.text(8));
        assert_eq!(typed.read(), Some(12));
        assert_eq!(typed.text(12), "12");
    }
}

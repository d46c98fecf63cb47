//! The repetition penalty of Hugging Face's `generate`, which SimpleAR's generator runs through: codes
//! that were drawn before become less probable in the conditional branch, before guidance.

/// Divides the positive and multiplies the negative conditional logits of codes drawn before; each code
/// once, however often it was drawn.
#[derive(Debug, Clone)]
pub struct RepetitionPenalty {
    penalty: f32,
    /// How often each code was drawn.
    drawn: Vec<u32>,
    penalized: Vec<f32>,
}

impl RepetitionPenalty {
    /// A `penalty` above 0; 1 changes nothing.
    pub fn new(penalty: f32) -> Self {
        Self { penalty, drawn: Vec::new(), penalized: Vec::new() }
    }

    /// Counts a code that was drawn. Ids forced by position are no codes and not to be noted.
    pub fn note(&mut self, code: u32) {
        let code = code as usize;
        if self.drawn.len() <= code {
            self.drawn.resize(code + 1, 0);
        }
        if let Some(drawn) = self.drawn.get_mut(code) {
            *drawn += 1;
        }
    }

    /// Takes one [`Self::note`] back.
    pub fn forget(&mut self, code: u32) {
        if let Some(drawn) = self.drawn.get_mut(code as usize) {
            *drawn = drawn.saturating_sub(1);
        }
    }

    /// The logits as the guidance gets them.
    pub fn apply<'a>(&'a mut self, logits: &'a [f32]) -> &'a [f32] {
        if self.penalty == 1.0 {
            return logits;
        }
        self.penalized.clear();
        self.penalized.extend_from_slice(logits);
        for (logit, drawn) in self.penalized.iter_mut().zip(&self.drawn) {
            if *drawn > 0 {
                *logit = if *logit < 0.0 { *logit * self.penalty } else { *logit / self.penalty };
            }
        }
        &self.penalized
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_codes_become_less_probable_once() {
        let logits = [2.0, -2.0, 2.0, -2.0];
        let mut penalty = RepetitionPenalty::new(1.25);
        assert_eq!(penalty.apply(&logits), logits);
        for code in [0, 1, 1, 0, 99] {
            penalty.note(code);
        }
        assert_eq!(penalty.apply(&logits), [1.6, -2.5, 2.0, -2.0]);
        for code in [0, 0, 1] {
            penalty.forget(code);
        }
        assert_eq!(penalty.apply(&logits), [2.0, -2.5, 2.0, -2.0], "code 1 was drawn twice");
        let mut none = RepetitionPenalty::new(1.0);
        none.note(0);
        assert_eq!(none.apply(&logits), logits);
    }
}

//! How large everything in the window is, as the person chooses; kept from session to session.

use serde::{Deserialize, Serialize};

/// What can be chosen.
const STEPS: [f32; 13] = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0];

/// Points of the window per point of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WindowZoom(f32);

impl Default for WindowZoom {
    fn default() -> Self {
        Self(1.0)
    }
}

/// A change of the zoom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZoomStep {
    /// Everything larger.
    Larger,
    /// Everything smaller.
    Smaller,
    /// As the screen has it.
    Usual,
}

impl WindowZoom {
    /// 1 is the size that the screen asks for.
    pub fn factor(self) -> f32 {
        self.0
    }

    /// "125 %".
    pub fn text(self) -> String {
        format!("{:.0} %", self.0 * 100.0)
    }

    /// The next one; nothing where there is none.
    pub fn after(self, step: ZoomStep) -> Option<Self> {
        let next = match step {
            ZoomStep::Larger => STEPS.iter().find(|one| **one > self.0),
            ZoomStep::Smaller => STEPS.iter().rev().find(|one| **one < self.0),
            ZoomStep::Usual => Some(&1.0).filter(|one| **one != self.0),
        };
        next.map(|factor| Self(*factor))
    }

    /// Within what can be chosen, whatever a file says.
    pub fn within_limits(self) -> Self {
        let [first, .., last] = STEPS;
        if self.0.is_finite() { Self(self.0.clamp(first, last)) } else { Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_end_at_the_smallest_and_the_largest() {
        for (step, last) in [(ZoomStep::Larger, 3.0), (ZoomStep::Smaller, 0.5)] {
            let mut zoom = WindowZoom::default();
            while let Some(next) = zoom.after(step) {
                assert_ne!(next, zoom);
                zoom = next;
            }
            assert_eq!(zoom, WindowZoom(last));
            assert_eq!(zoom.after(ZoomStep::Usual), Some(WindowZoom::default()));
        }
        assert_eq!(WindowZoom::default().after(ZoomStep::Usual), None);
        // One that a hand has written between the steps.
        assert_eq!(WindowZoom(1.3).after(ZoomStep::Smaller), Some(WindowZoom(1.25)));
        assert_eq!(WindowZoom(f32::NAN).within_limits(), WindowZoom::default());
        assert_eq!(WindowZoom(1e9).within_limits(), WindowZoom(3.0));
    }
}

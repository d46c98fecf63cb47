//! The token in focus: hovered or pinned in one panel, marked in all.

/// The token in focus, by its step. Panels write `hover`; everybody reads `focus()`, which changes
/// one frame later, so that no panel depends on the order of painting.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Focus {
    hovered_before: Option<usize>,
    hovered_now: Option<usize>,
    /// Clicked; stays until Esc or another click.
    pub pinned: Option<usize>,
    lane_before: Option<usize>,
    lane_now: Option<usize>,
}

impl Focus {
    /// Marks the token of `step` as hovered, in `lane` if the pointer is on one lane's image.
    pub fn hover(&mut self, step: usize, lane: Option<usize>) {
        self.hovered_now = Some(step);
        self.lane_now = lane;
    }

    /// The token to mark everywhere: the hovered one, else the pinned one.
    pub fn focus(&self) -> Option<usize> {
        self.hovered_before.or(self.pinned)
    }

    /// The hovered token.
    pub fn hovered(&self) -> Option<usize> {
        self.hovered_before
    }

    /// The lane whose image the pointer is on.
    pub fn lane(&self) -> Option<usize> {
        self.lane_before
    }

    /// Begins a frame.
    pub fn begin_frame(&mut self) {
        self.hovered_before = self.hovered_now.take();
        self.lane_before = self.lane_now.take();
    }
}

//! The step cursor: how many tokens of the shown run are looked at, moved by timeline, keys and plots.

use crate::compute::layout::TokenLayout;
use crate::ui::state::run_view::RunView;

/// A move of the step cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// By this many tokens.
    By(isize),
    /// By this many rows of the image.
    Rows(isize),
    /// Before the first token.
    Start,
    /// To the newest token; follows from then on.
    Newest,
    /// To this many tokens.
    To(usize),
}

/// The step cursor. It counts tokens drawn: at `position` n the tokens 0..n are there, and "the
/// cursor's step" is the newest of them, n - 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cursor {
    /// Tokens drawn, 0 to T.
    pub position: usize,
    /// Stays at the newest step while a run decodes; a move of the person ends it, End resumes it.
    pub following: bool,
    /// Moves on by itself.
    pub playing: bool,
}

impl Cursor {
    /// The newest step shown, if any.
    pub fn step(&self) -> Option<usize> {
        self.position.checked_sub(1)
    }

    /// Moves to `position` tokens as a person does: following ends.
    pub fn move_to(&mut self, position: usize, steps: usize) {
        self.position = position.min(steps);
        self.following = false;
    }

    /// Moves the cursor within the tokens that are drawn.
    pub fn go(&mut self, by: Move, done: usize, steps_per_row: usize) {
        let now = self.position.min(done);
        let (position, following) = match by {
            Move::By(tokens) => (now.saturating_add_signed(tokens), false),
            Move::Rows(rows) => {
                let tokens =
                    isize::try_from(steps_per_row).unwrap_or(isize::MAX).saturating_mul(rows);
                (now.saturating_add_signed(tokens), false)
            }
            Move::Start => (0, false),
            Move::Newest => (done, true),
            Move::To(position) => (position, false),
        };
        self.move_to(position, done);
        self.following = following;
        self.playing = false;
    }

    /// [`Self::go`] within a run's layout.
    pub fn go_in(&mut self, by: Move, run: &RunView) {
        self.go(by, run.steps_done(), steps_per_row(&run.record.layout));
    }

    /// Starts or stops playback; from the end it starts over.
    pub fn toggle_play(&mut self, run: &RunView) {
        self.playing = !self.playing;
        if self.playing {
            let at_end = self.position >= run.steps_done() && run.status.is_over();
            if at_end {
                self.position = 0;
            }
            self.following = false;
        }
    }

    /// Tokens that can be looked at: those at or before the cursor that every lane has drawn.
    pub fn steps_shown(&self, run: &RunView) -> usize {
        self.position.min(run.steps_done())
    }
}

/// Steps from one row of the image to the next.
pub fn steps_per_row(layout: &TokenLayout) -> usize {
    match (layout.step_of_cell(0, 0), layout.step_of_cell(1, 0)) {
        (Some(first), Some(second)) => second - first,
        _ => layout.columns().max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_stays_within_what_is_drawn() {
        let mut cursor = Cursor { position: 10, following: true, playing: true };
        cursor.go(Move::By(-1), 40, 16);
        assert_eq!(cursor, Cursor { position: 9, following: false, playing: false });
        cursor.go(Move::Rows(-1), 40, 16);
        assert_eq!(cursor.position, 0);
        cursor.go(Move::Rows(1), 40, 16);
        assert_eq!(cursor.position, 16);
        cursor.go(Move::To(99), 40, 16);
        assert_eq!(cursor.position, 40);
        cursor.go(Move::Start, 40, 16);
        assert_eq!((cursor.position, cursor.following), (0, false));
        cursor.go(Move::Newest, 40, 16);
        assert_eq!((cursor.position, cursor.following), (40, true));
    }
}

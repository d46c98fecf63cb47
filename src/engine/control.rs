//! What a run is asked to do while it decodes: stop, halt, go on, make one step. Anybody may ask; the
//! thread that decodes looks here before every step, and waits here, without using a processor, while
//! it is halted.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The requests of one run.
#[derive(Debug, Default)]
pub(crate) struct RunControl {
    asked: Mutex<Asked>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Asked {
    cancelled: bool,
    paused: bool,
    /// One more step although the run is paused.
    step: bool,
}

impl Asked {
    /// What may be done now; `None` is to wait.
    fn turn(&mut self) -> Option<Turn> {
        match (self.cancelled, self.paused) {
            (true, _) => Some(Turn::Stop),
            (false, false) => Some(Turn::Go),
            (false, true) => std::mem::take(&mut self.step).then_some(Turn::One),
        }
    }
}

/// What to do before the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Make it, and go on.
    Go,
    /// Make it, and halt again.
    One,
    /// End the run.
    Stop,
}

impl RunControl {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, change: impl FnOnce(&mut Asked)) {
        change(&mut self.asked());
        self.changed.notify_all();
    }

    /// Ends the run before its next step, also while it is halted.
    pub(crate) fn cancel(&self) {
        self.ask(|asked| asked.cancelled = true);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.asked().cancelled
    }

    /// Halts the run before its next step.
    pub(crate) fn pause(&self) {
        self.ask(|asked| asked.paused = true);
    }

    /// Lets a halted run go on.
    pub(crate) fn resume(&self) {
        self.ask(|asked| (asked.paused, asked.step) = (false, false));
    }

    /// Lets a halted run make one step. Asked again before that is made, it is one all the same, so
    /// that a key held down does not run ahead of a slow model.
    pub(crate) fn step_once(&self) {
        self.ask(|asked| asked.step = asked.paused);
    }

    /// What to do now; waits while the run is to halt. `on_halt` is called before it waits.
    pub(crate) fn next_turn(&self, on_halt: impl FnOnce()) -> Turn {
        if let Some(turn) = self.asked().turn() {
            return turn;
        }
        on_halt();
        let mut asked = self.asked();
        loop {
            if let Some(turn) = asked.turn() {
                return turn;
            }
            asked = self.changed.wait(asked).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

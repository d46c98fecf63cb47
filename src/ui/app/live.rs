//! When a change of the settings starts a run by itself: 150 ms after the last movement.

use crate::engine::settings::RunSettings;
use std::time::Duration;

/// Rest after the last movement before a run starts.
pub const REST: Duration = Duration::from_millis(150);

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poll {
    /// Nothing has changed.
    Idle,
    /// Ask again after this long.
    Wait(Duration),
    /// Start a run with the settings as they are.
    Fire,
}

/// Watches the settings. Time is passed in, as seconds of any clock that does not go back.
#[derive(Debug, Default)]
pub struct LiveDebounce {
    /// Settings as last looked at.
    seen: Option<RunSettings>,
    /// Settings that need no run: those of the last one, or of a run that is shown again.
    settled: Option<RunSettings>,
    changed_at: f64,
}

impl LiveDebounce {
    /// The settings that need no run of their own, because one was just started with them or
    /// because they came from a run that is shown.
    pub fn settle(&mut self, settings: &RunSettings) {
        self.seen = Some(settings.clone());
        self.settled = Some(settings.clone());
    }

    /// Looks at the settings. `may_run`: Live is on and the settings are valid.
    pub fn poll(&mut self, now: f64, settings: &RunSettings, may_run: bool) -> Poll {
        if self.seen.as_ref() != Some(settings) {
            self.seen = Some(settings.clone());
            self.changed_at = now;
        }
        if !may_run || self.settled.as_ref() == Some(settings) {
            return Poll::Idle;
        }
        let rest = REST.as_secs_f64() - (now - self.changed_at);
        if rest > 0.0 { Poll::Wait(Duration::from_secs_f64(rest)) } else { Poll::Fire }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(guidance_scale: f32) -> RunSettings {
        let mut settings = RunSettings::default();
        settings.shared.guidance.scale.guidance_scale = guidance_scale;
        settings
    }

    #[test]
    fn fires_once_after_the_last_movement() {
        let mut live = LiveDebounce::default();
        live.settle(&settings(4.0));
        assert_eq!(live.poll(0.0, &settings(4.0), true), Poll::Idle);
        assert!(matches!(live.poll(1.00, &settings(4.1), true), Poll::Wait(_)));
        assert!(matches!(live.poll(1.10, &settings(4.2), true), Poll::Wait(_)));
        // 150 ms after the first movement, but not after the last.
        assert!(matches!(live.poll(1.20, &settings(4.2), true), Poll::Wait(_)));
        assert_eq!(live.poll(1.26, &settings(4.2), true), Poll::Fire);
        live.settle(&settings(4.2));
        assert_eq!(live.poll(1.30, &settings(4.2), true), Poll::Idle);
    }

    #[test]
    fn a_movement_back_needs_no_run() {
        let mut live = LiveDebounce::default();
        live.settle(&settings(4.0));
        assert!(matches!(live.poll(0.0, &settings(5.0), true), Poll::Wait(_)));
        assert_eq!(live.poll(0.1, &settings(4.0), true), Poll::Idle);
        assert_eq!(live.poll(9.0, &settings(4.0), true), Poll::Idle);
    }

    #[test]
    fn waits_while_off_or_wrong_and_fires_when_it_may() {
        let mut live = LiveDebounce::default();
        live.settle(&settings(4.0));
        assert_eq!(live.poll(0.0, &settings(-1.0), false), Poll::Idle);
        assert_eq!(live.poll(5.0, &settings(-1.0), false), Poll::Idle);
        assert_eq!(live.poll(5.1, &settings(-1.0), true), Poll::Fire);
    }

    #[test]
    fn the_wait_is_what_is_left_of_the_rest() {
        let mut live = LiveDebounce::default();
        live.settle(&settings(4.0));
        live.poll(2.0, &settings(3.0), true);
        let Poll::Wait(left) = live.poll(2.05, &settings(3.0), true) else { panic!("must wait") };
        assert!((left.as_secs_f64() - 0.1).abs() < 1e-6);
    }
}

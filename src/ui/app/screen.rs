//! The window and the screen it opens on: where the screen has no room for it, it fills the work area.

use egui::{Context, Vec2, ViewportCommand, vec2};

/// Size that the window opens with, in points.
pub const OPENS_WITH: Vec2 = vec2(1400.0, 900.0);
/// Smallest size: below it controls would be cut off.
pub const SMALLEST: Vec2 = vec2(640.0, 400.0);
/// What title bar, borders and the system's bars may take of a screen.
const BARS: Vec2 = vec2(16.0, 88.0);

/// Fills the work area once, if the screen is too small for the window.
#[derive(Debug, Default)]
pub struct FitScreen {
    done: bool,
}

impl FitScreen {
    /// To be called once a frame, until the size of the screen is known.
    pub fn follow(&mut self, ctx: &Context) {
        if self.done {
            return;
        }
        let screen = ctx.input(|input| input.viewport().monitor_size);
        let Some(screen) = screen else { return };
        self.done = true;
        // Points of the screen, whatever the zoom of the window.
        let room = screen * ctx.zoom_factor() - BARS;
        if room.x < OPENS_WITH.x || room.y < OPENS_WITH.y {
            ctx.send_viewport_cmd(ViewportCommand::Maximized(true));
        }
    }
}

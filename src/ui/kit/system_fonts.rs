//! Fonts of the system, for characters that the embedded faces lack: prompts, paths and names of models in
//! any script. They are looked for when the first such character is met, on a thread, because listing fonts
//! takes up to a second; until then, and where no font has it, a character is a box.

use crossbeam_channel::{Receiver, TryRecvError, bounded};
use egui::epaint::text::{FallbackRequest, FontInsert, FontProvider};
use egui::mutex::Mutex;
use egui::{Context, FontFamily};
use egui_system_font_provider::SystemFontProvider;
use std::sync::Arc;

/// Lists the fonts of the system; takes a while.
pub type FindFonts = Box<dyn FnOnce() -> Arc<dyn FontProvider> + Send>;

/// The fonts that the system itself would fall back to.
pub fn of_the_system() -> Arc<dyn FontProvider> {
    let fonts = SystemFontProvider::new();
    // It answers as soon as all fonts are listed.
    let request = FallbackRequest { cluster: "文", family: &FontFamily::Proportional };
    drop(fonts.font_for(&request));
    Arc::new(fonts)
}

/// Remembers a character that nothing before it in the list of providers has.
#[derive(Default)]
struct Missing(Mutex<Option<String>>);

impl FontProvider for Missing {
    fn font_for(&self, request: &FallbackRequest<'_>) -> Option<FontInsert> {
        self.0.lock().get_or_insert_with(|| request.cluster.to_owned());
        None
    }
}

enum Search {
    /// Nothing was missing so far.
    Ready(FindFonts),
    /// A thread lists the fonts.
    Runs(Receiver<Arc<dyn FontProvider>>),
    /// They are in use, or there is no getting at them.
    Over,
}

/// The fonts of the system, looked for when they are needed.
pub struct SystemFonts {
    missing: Arc<Missing>,
    search: Search,
    /// It was said that a character is missing still.
    said: bool,
}

impl SystemFonts {
    /// Watches for characters that `ctx` has no glyph for; `find` is called on a thread when there is one.
    pub fn new(ctx: &Context, find: FindFonts) -> Self {
        let missing = Arc::new(Missing::default());
        ctx.set_font_providers(vec![missing.clone()]);
        Self { missing, search: Search::Ready(find), said: false }
    }

    /// Follows what was painted; to be called once a frame. Says once what is missing for good.
    pub fn follow(&mut self, ctx: &Context) -> Option<String> {
        if let Search::Runs(found) = &self.search {
            match found.try_recv() {
                Err(TryRecvError::Empty) => return None,
                Ok(fonts) => {
                    // Whatever is missing is asked for again, of the system first.
                    ctx.set_font_providers(vec![fonts, self.missing.clone()]);
                    self.missing.0.lock().take();
                }
                // The thread is gone without an answer.
                Err(TryRecvError::Disconnected) => {}
            }
            self.search = Search::Over;
        }
        let character = self.missing.0.lock().take()?;
        match std::mem::replace(&mut self.search, Search::Over) {
            Search::Ready(find) => {
                self.missing.0.lock().replace(character);
                self.search = start(ctx, find).map_or(Search::Over, Search::Runs);
                None
            }
            Search::Runs(_) | Search::Over if self.said => None,
            Search::Runs(_) | Search::Over => {
                self.said = true;
                Some(format!(
                    "No font has the character {} (“{character}”), so it cannot be seen; what is typed stays as it is. Install a font that has it, on Debian and Ubuntu fonts-noto-cjk or fonts-noto, and start the program again.",
                    points(&character)
                ))
            }
        }
    }
}

fn start(ctx: &Context, find: FindFonts) -> std::io::Result<Receiver<Arc<dyn FontProvider>>> {
    let (sender, found) = bounded(1);
    let waker = ctx.clone();
    std::thread::Builder::new().name("fonts".into()).spawn(move || {
        // The window is gone if nobody listens.
        let _ = sender.send(find());
        drop(sender);
        waker.request_repaint();
    })?;
    Ok(found)
}

/// "U+0939 U+093F"
fn points(text: &str) -> String {
    let points: Vec<String> = text.chars().map(|c| format!("U+{:04X}", u32::from(c))).collect();
    points.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::{FontData, RawInput};

    /// Asks for a text as a panel does, then follows.
    fn frame(ctx: &Context, fonts: &mut SystemFonts, text: &str) -> Option<String> {
        let mut output = ctx.run_ui(RawInput::default(), |ui| {
            ui.label(text);
        });
        output.textures_delta.clear();
        fonts.follow(ctx)
    }

    /// A font that is none of those in use, for all that is asked.
    fn some_font() -> Arc<dyn FontProvider> {
        Arc::new(|request: &FallbackRequest<'_>| {
            let data = include_bytes!("../../../assets/fonts/Inter-Regular.otf");
            let family = request.family.clone();
            let families = vec![egui::epaint::text::InsertFontFamily {
                family,
                priority: egui::epaint::text::FontPriority::Lowest,
            }];
            let name = "found".to_owned();
            Some(FontInsert { name, data: FontData::from_static(data), families })
        })
    }

    #[test]
    fn fonts_are_looked_for_when_one_is_missing_and_frames_do_not_wait() {
        let ctx = Context::default();
        let (answer, asked) = bounded::<()>(0);
        let mut fonts = SystemFonts::new(
            &ctx,
            Box::new(move || {
                asked.recv().ok();
                some_font()
            }),
        );
        assert_eq!(frame(&ctx, &mut fonts, "a red cat"), None);
        assert!(matches!(fonts.search, Search::Ready(_)));
        for _ in 0..3 {
            assert_eq!(frame(&ctx, &mut fonts, "猫"), None);
        }
        assert!(matches!(fonts.search, Search::Runs(_)), "frames go on while fonts are listed");
        answer.send(()).expect("the thread waits");
        let mut said = None;
        for _ in 0..500 {
            said = said.or(frame(&ctx, &mut fonts, "猫"));
            if said.is_some() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        // Inter has no Han characters: it is said, once.
        assert!(said.is_some_and(|text| text.contains("“猫”")));
        assert_eq!(frame(&ctx, &mut fonts, "犬"), None);
    }
}

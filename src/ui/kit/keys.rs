//! Shortcuts in words.

use egui::{Context, Key, KeyboardShortcut, Modifiers};

/// A shortcut as it is read on this system: "Ctrl+Shift+S", on macOS "⇧⌘S".
fn text(ctx: &Context, key: &KeyboardShortcut) -> String {
    let Modifiers { shift, command, .. } = key.modifiers;
    let mac = ctx.os().is_mac();
    let mut text = String::new();
    if command && !mac {
        text.push_str("Ctrl+");
    }
    if shift {
        text.push_str(if mac { "⇧" } else { "Shift+" });
    }
    if command && mac {
        text.push('⌘');
    }
    text.push_str(match key.logical_key {
        Key::ArrowLeft => "←",
        Key::ArrowRight => "→",
        Key::ArrowUp => "↑",
        Key::ArrowDown => "↓",
        Key::Escape => "Esc",
        key => key.symbol_or_name(),
    });
    text
}

/// All keys of one thing, "? or F1"; empty where there are none.
pub fn texts(ctx: &Context, keys: &[KeyboardShortcut]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| text(ctx, key)).collect();
    keys.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::os::OperatingSystem;

    #[test]
    fn shortcuts_are_read_as_the_system_writes_them() {
        let ctx = Context::default();
        let both = Modifiers::COMMAND.plus(Modifiers::SHIFT);
        let keys =
            [KeyboardShortcut::new(both, Key::S), KeyboardShortcut::new(Modifiers::NONE, Key::F1)];
        ctx.set_os(OperatingSystem::Nix);
        assert_eq!(texts(&ctx, &keys), "Ctrl+Shift+S or F1");
        ctx.set_os(OperatingSystem::Mac);
        assert_eq!(texts(&ctx, &keys), "⇧⌘S or F1");
        assert_eq!(texts(&ctx, &[]), "");
    }
}

//! Whether the system shows file dialogs: on Linux and the BSDs a program asks the desktop portal for them,
//! which may not be there (ssh -X, WSL, a bare window manager). `rfd` then gives the same as for a dialog
//! that was closed.

/// Whether a file dialog of the system would open; takes some seconds at the worst.
#[cfg(all(unix, not(target_os = "macos")))]
pub fn shows_dialogs() -> bool {
    on_session_bus() || has_zenity()
}

/// Whether a file dialog of the system would open.
#[cfg(not(all(unix, not(target_os = "macos"))))]
pub fn shows_dialogs() -> bool {
    true
}

/// Asks the portal for the version of its file chooser, which also starts it where it is not running.
#[cfg(all(unix, not(target_os = "macos")))]
fn on_session_bus() -> bool {
    use std::time::Duration;
    /// A portal that is being started needs a second or two.
    const PATIENCE: Duration = Duration::from_secs(5);
    let (sender, answer) = crossbeam_channel::bounded(1);
    let ask = move || -> zbus::Result<()> {
        let bus =
            zbus::blocking::connection::Builder::session()?.method_timeout(PATIENCE).build()?;
        let chooser = zbus::blocking::Proxy::new(
            &bus,
            "org.freedesktop.portal.Desktop",
            "/org/freedesktop/portal/desktop",
            "org.freedesktop.portal.FileChooser",
        )?;
        chooser.get_property::<u32>("version")?;
        // Nobody listens any more if it took too long.
        let _ = sender.send(());
        Ok(())
    };
    // A bus that takes a connection and says nothing holds this thread, not the one that asks.
    let thread = std::thread::Builder::new().name("portal".into()).spawn(move || drop(ask()));
    thread.is_ok() && answer.recv_timeout(PATIENCE).is_ok()
}

/// What `rfd` falls back to without a portal.
#[cfg(all(unix, not(target_os = "macos")))]
fn has_zenity() -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join("zenity").is_file())
}

//! What a worker's panic is reported as.

use std::any::Any;

/// The message of a panic, to be shown and reported.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    format!("internal error: {message}; please report it")
}

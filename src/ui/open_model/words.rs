//! Words of the library as the window shows them.

/// A library's message as a sentence of its own.
pub fn capital(message: &str) -> String {
    let mut letters = message.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

//! Unpacked archives, renamed downloads, crowded folders.

//! AliTok.

pub mod decoder;

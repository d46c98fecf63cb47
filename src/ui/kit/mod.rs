//! What every panel is built from: controls, fonts, and the words of a token.

pub mod controls;
pub mod fonts;
pub mod token_text;

//! What every panel is built from: controls, fonts, lane names, and the words of a token.

pub mod controls;
pub mod fonts;
pub mod lane;
pub mod token_text;

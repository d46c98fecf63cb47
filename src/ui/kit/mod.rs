//! What every panel is built from: controls, fonts, lane names and marks, textures, ranges, the words of a
//! token, numbers and paths as they are typed.

pub mod controls;
pub mod fonts;
pub mod keys;
pub mod lane;
pub mod marks;
pub mod paths;
pub mod quantity_text;
pub mod range;
pub mod run_text;
pub mod system_fonts;
pub mod texture;
pub mod token_text;
pub mod typed_number;

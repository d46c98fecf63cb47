//! The decoder families, one folder each, and what every family offers to the rest of the program.

pub mod alitok;
pub mod card;
pub mod decoder;
pub mod families;
pub mod family;
pub mod llamagen;
pub mod lumina;
pub mod rar;
pub mod simple_ar;

//! Commands: one table, and the shortcuts, the sheet and the palette made from it.

pub mod keyboard;
pub mod panel;
pub mod situation;
pub mod table;

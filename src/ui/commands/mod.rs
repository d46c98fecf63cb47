//! Commands: one table, and the shortcuts, the sheet and the palette made from it.

pub mod entries;
pub mod keyboard;
pub mod palette;
pub mod panel;
pub mod sheet;
pub mod situation;
pub mod table;

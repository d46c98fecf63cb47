//! Controls that every panel is built from: one of each kind, in one size.

pub mod buttons;
pub mod hint;
pub mod messages;
pub mod number;
pub mod rows;
pub mod switch;

pub use buttons::{icon_button, icon_toggle, reset_button, segment};
pub use hint::Hint;
pub use messages::{card, field_message, group_title, message_line, secondary};
pub use number::{NumberField, read_count};
pub use rows::{SliderRow, choice, name_cell};
pub use switch::switch;

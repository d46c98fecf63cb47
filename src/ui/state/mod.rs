//! What several panels read: runs, the model, the cursor, the token in focus, view settings. Nothing here
//! knows a panel.

pub mod cursor;
pub mod dice;
pub mod focus;
pub mod model;
pub mod run_view;
pub mod shared;
pub mod view;
pub mod zoom;

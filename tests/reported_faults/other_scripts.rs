//! Text that Inter has no letters for.

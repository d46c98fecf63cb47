//! A quantity in words, the same in every tooltip.

use crate::engine::quantities::quantity::Quantity;

/// What it says, then the paper's symbol and definition.
pub fn explain(quantity: &Quantity) -> String {
    let Quantity { does, symbol, equation, .. } = quantity;
    format!("{does} {symbol}: {equation}")
}

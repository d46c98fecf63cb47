//! Words and numbers of one token, the same in tooltips, inspector, timeline and plots.

use crate::compute::layout::{StepKind, TokenLayout};

/// "Token 103: row 6, column 7", counted from 0.
pub fn token_name(layout: &TokenLayout, step: usize) -> String {
    format!("Token {step}: {}", token_place(layout, step))
}

/// "row 6, column 7"
pub fn token_place(layout: &TokenLayout, step: usize) -> String {
    match layout.steps().get(step) {
        Some(StepKind::Cell { row, column }) => format!("row {row}, column {column}"),
        Some(StepKind::Prefix { index }) => format!("prefix token {index}"),
        Some(StepKind::RowEnd { row, .. }) => format!("end of row {row}"),
        None => "outside the grid".into(),
    }
}

/// A number with `decimals` places; a dash where there is none or it is not finite; powers of ten
/// where it would not fit its column.
pub fn number(value: Option<f32>, decimals: usize) -> String {
    match value {
        Some(value) if value.is_finite() && value.abs() >= 1e5 => format!("{value:.1e}"),
        Some(value) if value.is_finite() => format!("{value:.decimals$}"),
        _ => "–".into(),
    }
}

/// A probability as ".412", "1.00", or "<.001", always four characters or five.
pub fn probability(value: f32) -> String {
    if !value.is_finite() {
        "–".into()
    } else if value >= 0.9995 {
        "1.00".into()
    } else if value > 0.0 && value < 0.0005 {
        "<.001".into()
    } else {
        format!("{value:.3}").trim_start_matches('0').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_every_kind_of_step() {
        let prefixed = TokenLayout::with_prefix(2, 2, 3);
        assert_eq!(token_name(&prefixed, 1), "Token 1: prefix token 1");
        assert_eq!(token_name(&prefixed, 6), "Token 6: row 1, column 1");
        let ended = TokenLayout::with_row_ends(2, 3, 9);
        assert_eq!(token_name(&ended, 3), "Token 3: end of row 0");
        assert_eq!(token_name(&ended, 99), "Token 99: outside the grid");
    }

    #[test]
    fn numbers_keep_their_width() {
        assert_eq!(number(Some(0.31249), 3), "0.312");
        assert_eq!(number(Some(f32::NAN), 3), "–");
        assert_eq!(number(None, 3), "–");
        assert_eq!(number(Some(1.0e7), 2), "1.0e7");
        assert_eq!(probability(0.4123), ".412");
        assert_eq!(probability(1.0), "1.00");
        assert_eq!(probability(1e-5), "<.001");
        assert_eq!(probability(0.0), ".000");
    }
}

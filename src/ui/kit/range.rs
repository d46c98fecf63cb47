//! Ranges of values on axes and colour bars.

/// Smallest and largest finite value, rounded outwards to one digit of their distance, so that the
/// range does not creep while a run decodes.
pub fn fitted_range<'a>(values: impl Iterator<Item = &'a f32>) -> (f32, f32) {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
    if low > high {
        return (0.0, 1.0);
    }
    let span = (high - low).max(1e-4 * high.abs()).max(1e-6);
    let unit = 10f32.powf(span.log10().floor());
    let (bottom, top) = ((low / unit).floor() * unit, (high / unit).ceil() * unit);
    if top > bottom { (bottom, top) } else { (bottom, bottom + unit) }
}

/// Where a value lies in a range, 0 to 1.
pub fn position(value: f32, (low, high): (f32, f32)) -> f32 {
    ((value - low) / (high - low).max(f32::MIN_POSITIVE)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_all_values_and_are_round() {
        let (low, high) = fitted_range([0.13f32, 0.87, f32::NAN].iter());
        assert!((low - 0.1).abs() < 1e-6 && (high - 0.9).abs() < 1e-6, "{low} {high}");
        assert_eq!(fitted_range([].iter()), (0.0, 1.0));
        let (low, high) = fitted_range([0.5f32, 0.5].iter());
        assert!(low <= 0.5 && high >= 0.5 && high > low);
        let (low, high) = fitted_range([0.9961f32, 0.99998].iter());
        assert!((0.99..=0.9961).contains(&low) && (0.99998..1.001).contains(&high), "{low} {high}");
    }
}

//! Numbers as people write them: with a decimal comma or point, a typographic minus, spaces between groups
//! of digits, digits of full width. What is no finite number is an error that says so.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use thiserror::Error;

/// Why a text is not the number that is wanted; follows the text in a message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NumberError {
    /// Nothing but spaces.
    #[error("is empty")]
    Empty,
    /// No number at all.
    #[error("is not a number")]
    NotANumber,
    /// Infinity, or NaN.
    #[error("is not a finite number")]
    NotFinite,
    /// More than the type, or the range, holds.
    #[error("is too large")]
    TooLarge,
    /// Less than the range holds.
    #[error("is too small")]
    TooSmall,
    /// A fraction where things are counted.
    #[error("is not a whole number")]
    NotWhole,
    /// Below zero where things are counted.
    #[error("is negative")]
    Negative,
}

/// A finite number. One comma stands for the point; a comma beside a point or another comma groups digits
/// in some places and parts them in others, and is refused.
///
/// # Errors
/// What is wrong with the text.
pub fn real(text: &str) -> Result<f32, NumberError> {
    let plain = plain(text)?;
    let number: f32 = plain.parse().map_err(|_| NumberError::NotANumber)?;
    if number.is_finite() {
        Ok(number)
    } else if plain.contains(|letter: char| letter.is_ascii_digit()) {
        Err(NumberError::TooLarge)
    } else {
        Err(NumberError::NotFinite)
    }
}

/// A whole number of 0 or more.
///
/// # Errors
/// What is wrong with the text.
pub fn whole(text: &str) -> Result<u64, NumberError> {
    if let Ok(number) = plain(text)?.parse() {
        return Ok(number);
    }
    Err(match real(text) {
        Ok(number) if number < 0.0 => NumberError::Negative,
        // Fractions that are too small for the type read as 0, and large ones as whole.
        Ok(number) if number < u64::MAX as f32 => NumberError::NotWhole,
        Ok(_) => NumberError::TooLarge,
        Err(error) => error,
    })
}

/// A whole number within a range.
///
/// # Errors
/// What is wrong with the text.
pub fn count(text: &str, range: &RangeInclusive<usize>) -> Result<usize, NumberError> {
    let number = usize::try_from(whole(text)?).map_err(|_| NumberError::TooLarge)?;
    if number > *range.end() {
        Err(NumberError::TooLarge)
    } else if number < *range.start() {
        Err(NumberError::TooSmall)
    } else {
        Ok(number)
    }
}

/// The text as Rust writes numbers.
fn plain(text: &str) -> Result<Cow<'_, str>, NumberError> {
    if text.trim().is_empty() {
        return Err(NumberError::Empty);
    }
    let usual = |letter: char| letter.is_ascii_graphic() && letter != ',';
    if text.chars().all(usual) {
        return Ok(Cow::Borrowed(text));
    }
    let letters =
        text.chars().filter(|letter| !letter.is_whitespace()).map(|letter| match letter {
            '−' | '–' | '－' => '-',
            '＋' => '+',
            '．' => '.',
            '，' => ',',
            '０'..='９' => {
                char::from_digit(u32::from(letter) - u32::from('０'), 10).unwrap_or(letter)
            }
            other => other,
        });
    let plain: String = letters.collect();
    match (plain.matches(',').count(), plain.contains('.')) {
        (0, _) => Ok(Cow::Owned(plain)),
        (1, false) => Ok(Cow::Owned(plain.replace(',', "."))),
        _ => Err(NumberError::NotANumber),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use NumberError::{Empty, Negative, NotANumber, NotFinite, NotWhole, TooLarge, TooSmall};

    #[test]
    fn numbers_are_read_as_people_write_them() {
        let written = [
            ("7.5", 7.5),
            ("7,5", 7.5),
            (" −0,25 ", -0.25),
            ("1 000", 1000.0),
            ("1\u{202f}000,5", 1000.5),
            ("７．５", 7.5),
            ("３，２５", 3.25),
            ("+2", 2.0),
            ("1e-3", 1e-3),
            (",5", 0.5),
            ("7,", 7.0),
        ];
        for (text, number) in written {
            assert_eq!(real(text), Ok(number), "{text}");
        }
        assert_eq!(whole("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(whole("12 000"), Ok(12_000));
        assert_eq!(count("256", &(1..=256)), Ok(256));
    }

    #[test]
    fn what_is_no_finite_number_is_refused_with_its_reason() {
        for (text, error) in [
            ("", Empty),
            (" \t", Empty),
            ("abc", NotANumber),
            ("7,5,1", NotANumber),
            ("1.000,5", NotANumber),
            ("0x10", NotANumber),
            ("--1", NotANumber),
            ("nan", NotFinite),
            ("-inf", NotFinite),
            ("infinity", NotFinite),
            ("1e39", TooLarge),
            ("-1e999", TooLarge),
        ] {
            assert_eq!(real(text), Err(error), "{text}");
        }
        for (text, error) in [
            ("7,5", NotWhole),
            ("-1", Negative),
            ("−1", Negative),
            ("18446744073709551616", TooLarge),
            ("seven", NotANumber),
            ("nan", NotFinite),
        ] {
            assert_eq!(whole(text), Err(error), "{text}");
        }
        assert_eq!(count("0", &(1..=256)), Err(TooSmall));
        assert_eq!(count("300", &(1..=256)), Err(TooLarge));
    }

    /// The nearest number of 32 bits, not the nearest of 64 bits rounded once more.
    #[test]
    fn what_is_printed_is_read_again_to_the_bit() {
        for bits in (0..0x7f80_0000_u32).step_by(65_521) {
            let number = f32::from_bits(bits);
            assert_eq!(real(&number.to_string()), Ok(number));
        }
    }
}

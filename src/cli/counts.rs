//! Counts that arguments ask for: how they are written, and how much of it this machine gives.

use crate::cli::output;
use crate::compute::linear::most_decoder_threads;

/// Reads a count of an argument.
///
/// # Errors
/// A text that is no whole number above 0.
pub(super) fn one_or_more(text: &str) -> Result<usize, String> {
    let count = text.trim().parse().ok().filter(|&count| count > 0);
    count.ok_or_else(|| "use a whole number of 1 or more, or leave it out for the default".into())
}

/// The decoder threads that are asked for, as far as there are processors for them; says so where they
/// are more. Threads without a processor of their own wait for each other at every step.
pub(super) fn decoder_threads(asked: Option<usize>) -> Option<usize> {
    let most = most_decoder_threads();
    let asked = asked?;
    if asked > most {
        output::say(&format!(
            "note: --threads {asked} is more than this machine has processors; {most} decode. The \
             tokens are the same."
        ));
    }
    Some(asked.min(most))
}

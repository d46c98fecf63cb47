//! What commands print: results to the standard output, notes and errors to the standard error. A reader
//! that went away, as `head` does, ends the printing and nothing else; a disk that is full is an error.

use crate::cli::failure::RunFailed;
use anyhow::Result;
use std::io::{self, ErrorKind, Write};

/// Prints results.
///
/// # Errors
/// [`RunFailed`] if they cannot be written; a reader that closed the pipe wants no more.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// What a write to the standard output came to.
///
/// # Errors
/// As [`print`].
pub fn written(outcome: io::Result<()>) -> Result<()> {
    match outcome {
        Err(cause) if cause.kind() != ErrorKind::BrokenPipe => Err(RunFailed(format!(
            "the result could not be printed ({cause}); check where the output goes and the space there"
        ))
        .into()),
        _ => Ok(()),
    }
}

/// Says something beside the results. Where it cannot be written nobody wants to know it.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

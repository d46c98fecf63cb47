//! Failures that are the run's and not the caller's.

/// Whether an error is the caller's to mend (exit code 2) or the run's (1).
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RunFailed(pub String);

//! `run.json`: everything needed to repeat a run and to tell whether the repeat must match.

use crate::engine::settings::RunSpec;
use crate::engine::trace::{RunRecord, RunStatus};
use crate::export::{ExportError, Staged};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::Path;

/// Form of the description that this version writes. Form 1, of version 0.1.0, has no number and one
/// set of settings for all lanes; it is read as well.
pub const FORMAT: u32 = 2;

/// A run as it is described in files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunDescription {
    /// Form of this description, [`FORMAT`].
    #[serde(default = "first_format")]
    pub format: u32,
    /// Version of this program.
    pub softcfg_studio: String,
    /// The validated settings, with the model's name, hash and precision.
    pub run: RunSpec,
    /// Steps that every lane has done; fewer than `run.steps` when the run was stopped.
    pub steps_done: usize,
    /// "finished", "cancelled", "failed: …", "running", or "paused".
    pub status: String,
    /// Files that belong to the run, in `run.json` only; version 0.1.0 did not list them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<String>>,
    /// Threads that decoded it; in `run.json` only: images and traces are the same with any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
}

fn first_format() -> u32 {
    1
}

impl RunDescription {
    /// Describes a run as it stands.
    pub fn of(record: &RunRecord) -> Self {
        let status = match record.status() {
            RunStatus::Starting | RunStatus::Running => "running".to_owned(),
            RunStatus::Paused => "paused".to_owned(),
            RunStatus::Finished => "finished".to_owned(),
            RunStatus::Cancelled => "cancelled".to_owned(),
            RunStatus::Failed(reason) => format!("failed: {reason}"),
        };
        Self {
            format: FORMAT,
            softcfg_studio: env!("CARGO_PKG_VERSION").to_owned(),
            run: record.spec.clone(),
            steps_done: record.steps_done(),
            status,
            files: None,
            threads: None,
        }
    }
}

/// Writes `run.json` with the names of its run's files beside `target`, ready to be committed.
///
/// # Errors
/// See [`Staged::write`].
pub fn stage(target: &Path, record: &RunRecord, files: Vec<String>) -> Result<Staged, ExportError> {
    let description = RunDescription {
        files: Some(files),
        threads: record.threads(),
        ..RunDescription::of(record)
    };
    Staged::write(target, |writer| {
        serde_json::to_writer_pretty(&mut *writer, &description)?;
        writer.write_all(b"\n")
    })
}

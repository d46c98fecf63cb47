//! The folder of a run: one image a lane, the trace, and `run.json`, which lists them. A folder holds one
//! run; files of another are replaced only where that is asked for, and then all of them.

use crate::checkpoint::results::RUN_DESCRIPTION;
use crate::engine::trace::RunRecord;
use crate::export::run_json::{self, RunDescription};
use crate::export::{ExportError, Staged, png, trace};
use image::RgbImage;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Longest description that is read; those of this program have a few kilobytes, and as much again for the
/// longest prompts.
const MAX_DESCRIPTION: u64 = 1 << 20;
/// Name of the trace.
const TRACE: &str = "trace.csv";

/// Name of a lane's image.
fn image_name(lane: &str) -> String {
    format!("{lane}.png")
}

/// Names of all files that a run with these lanes leaves, `run.json` last.
pub fn file_names<'a>(lanes: impl Iterator<Item = &'a str>) -> Vec<String> {
    lanes.map(image_name).chain([TRACE.to_owned(), RUN_DESCRIPTION.to_owned()]).collect()
}

/// What a run in the folder replaces.
#[derive(Debug)]
pub struct Replaced {
    /// Files of the run that is there.
    files: Vec<PathBuf>,
}

impl Replaced {
    /// Looks whether a run of `names` may be written to `folder`; changes nothing.
    ///
    /// # Errors
    /// A run or files of these names are there and `overwrite` is not set; or a `run.json` that this
    /// program did not write, which nothing can be told from.
    pub fn check(folder: &Path, names: &[String], overwrite: bool) -> Result<Self, ExportError> {
        let there = |name: &String| folder.join(name).symlink_metadata().is_ok();
        let described = described(folder)?;
        let held = match &described {
            Some(names) => format!("a run ({})", names.join(", ")),
            None => names.iter().filter(|name| there(name)).cloned().collect::<Vec<_>>().join(", "),
        };
        if !held.is_empty() && !overwrite {
            return Err(ExportError::Occupied { held, path: folder.to_path_buf() });
        }
        let files: Vec<PathBuf> =
            described.iter().flatten().map(|name| folder.join(name)).collect();
        // Nothing is decoded, and nothing removed, that could not be saved.
        let mut targets = files.iter().cloned().chain(names.iter().map(|name| folder.join(name)));
        if let Some(path) = targets.find(|path| path.is_dir()) {
            return Err(ExportError::NotAFile { path });
        }
        Ok(Self { files })
    }

    /// Removes what the old `run.json` lists, itself first: no description outlives a file of its run.
    fn remove(&self) -> Result<(), ExportError> {
        let (descriptions, files): (Vec<&PathBuf>, Vec<&PathBuf>) =
            self.files.iter().partition(|file| file.ends_with(RUN_DESCRIPTION));
        for file in descriptions.into_iter().chain(files) {
            match fs::remove_file(file) {
                Err(cause) if cause.kind() != ErrorKind::NotFound => {
                    return Err(ExportError::Write { cause, path: file.clone() });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Names that the folder's `run.json` lists, itself included; `None` without one.
fn described(folder: &Path) -> Result<Option<Vec<String>>, ExportError> {
    let not_a_run = |reason: String| ExportError::NotARun { reason, path: folder.to_path_buf() };
    let is_other = |metadata: fs::Metadata| !metadata.is_file();
    if fs::metadata(folder.join(RUN_DESCRIPTION)).is_ok_and(is_other) {
        return Err(not_a_run("it is no file".into()));
    }
    let file = match File::open(folder.join(RUN_DESCRIPTION)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        // A folder that is none is reported where it is prepared.
        Err(error) if error.kind() == ErrorKind::NotADirectory => return Ok(None),
        Err(error) => return Err(not_a_run(error.to_string())),
    };
    let mut text = Vec::new();
    file.take(MAX_DESCRIPTION + 1)
        .read_to_end(&mut text)
        .map_err(|error| not_a_run(error.to_string()))?;
    if text.len() as u64 > MAX_DESCRIPTION {
        return Err(not_a_run(format!("it has more than {MAX_DESCRIPTION} bytes")));
    }
    let description: RunDescription =
        serde_json::from_slice(&text).map_err(|error| not_a_run(error.to_string()))?;
    let mut names = description
        .files
        .unwrap_or_else(|| file_names(description.run.lanes.iter().map(|lane| lane.name.as_str())));
    // A path in it would let a description remove files elsewhere.
    if let Some(name) = names.iter().find(|name| !is_plain(name)) {
        return Err(not_a_run(format!("it lists “{name}”, which is no file of this folder")));
    }
    if !names.iter().any(|name| name == RUN_DESCRIPTION) {
        names.push(RUN_DESCRIPTION.to_owned());
    }
    Ok(Some(names))
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name != ".." && name != "." && !name.contains(['/', '\\', ':', '\0'])
}

/// Writes a run to a folder that is prepared: every file is written before any takes its place.
/// `images` are those of the lanes, in their order.
///
/// # Errors
/// A file cannot be written; what was there stays unless only the last renames fail.
pub fn write(
    folder: &Path,
    record: &RunRecord,
    images: &[RgbImage],
    replaced: &Replaced,
) -> Result<(), ExportError> {
    let names = file_names(record.lanes().iter().map(|lane| lane.name.as_str()));
    let mut staged: Vec<Staged> = Vec::new();
    for (lane, image) in record.lanes().iter().zip(images) {
        let target = folder.join(image_name(&lane.name));
        staged.push(png::stage_lane_image(&target, image, record, &lane.name)?);
    }
    staged.push(trace::stage(&folder.join(TRACE), record)?);
    staged.push(run_json::stage(&folder.join(RUN_DESCRIPTION), record, names)?);
    replaced.remove()?;
    staged.into_iter().try_for_each(Staged::commit)
}

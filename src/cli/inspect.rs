//! `softcfg-studio inspect`: what lies at some paths.

use crate::cli::output;
use crate::opening::offer::{self, ModelOffer};
use crate::opening::request::{OpenRequest, SystemResources};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `inspect`.
#[derive(Args)]
pub struct Inspect {
    /// Weight files or folders.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Runs `inspect`.
///
/// # Errors
/// A path that cannot be read or identified.
pub fn inspect(arguments: &Inspect) -> Result<()> {
    let request = OpenRequest::new(arguments.paths.clone());
    let offer = offer::survey(&request, &SystemResources::of_this_machine())?;
    output::print(&describe(&offer))
}

fn describe(offer: &ModelOffer) -> String {
    let mut lines: Vec<String> = offer.found.iter().map(ToString::to_string).collect();
    if let Some(grid) = offer.grid {
        lines.push(format!("grid {} × {} from {}", grid.rows, grid.columns, grid.source));
    }
    for choice in &offer.precisions {
        let fits = if choice.fits == Some(false) { "; does not fit in free memory" } else { "" };
        lines.push(format!("{}: {}{fits}", choice.precision, choice.cost()));
    }
    if let [taken, others @ ..] = offer.weight_sets.as_slice() {
        let named = |set: &Option<String>| set.clone().unwrap_or_else(|| "the file's own".into());
        let others: Vec<String> = others.iter().map(named).collect();
        lines.push(format!(
            "weights: {}; --weight-set also takes {}",
            named(taken),
            others.join(", ")
        ));
    }
    lines.extend(offer.notes.iter().map(|note| format!("note: {note}")));
    if offer.without_decoder {
        lines.push("missing: a decoder; add its file".into());
    }
    lines.extend(offer.missing.iter().map(|part| format!("missing: {part}")));
    lines.into_iter().map(|line| line + "\n").collect()
}

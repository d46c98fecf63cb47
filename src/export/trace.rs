//! The trace as CSV (one line per lane and step) and as JSON (the same records, by lane).

use crate::checkpoint::results::TRACE_COLUMNS;
use crate::compute::layout::{StepKind, TokenLayout};
use crate::engine::quantities::table;
use crate::engine::trace::{RunRecord, StepRecord, TopTokens};
use crate::export::run_json::RunDescription;
use crate::export::{ExportError, Staged};
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;

/// Columns after the quantities.
const TOP_COLUMNS: &str = "top_conditional,top_unconditional,top_guided";

/// Writes the trace beside `target`, as JSON if its name ends so, else as CSV.
///
/// # Errors
/// See [`Staged::write`].
pub fn stage(target: &Path, record: &RunRecord) -> Result<Staged, ExportError> {
    let json = target.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    Staged::write(
        target,
        |writer| {
            if json { write_json(writer, record) } else { write_csv(writer, record) }
        },
    )
}

/// One line per lane and step; empty fields where a quantity was not measured. The last three
/// columns hold up to eight `code:probability` pairs, most probable first.
///
/// # Errors
/// The writer fails.
pub fn write_csv(writer: &mut impl Write, record: &RunRecord) -> io::Result<()> {
    let quantities: Vec<&str> = table::recorded().map(|quantity| quantity.key).collect();
    writeln!(writer, "{TRACE_COLUMNS},{},{TOP_COLUMNS}", quantities.join(","))?;
    for (index, lane) in record.lanes().iter().enumerate() {
        for step in record.lane(index) {
            write_line(writer, &lane.name, &step, &record.layout)?;
        }
    }
    Ok(())
}

fn write_line(
    writer: &mut impl Write,
    lane: &str,
    record: &StepRecord,
    layout: &TokenLayout,
) -> io::Result<()> {
    let (kind, row, column) = match layout.steps().get(record.step) {
        Some(StepKind::Cell { row, column }) => ("cell", row.to_string(), column.to_string()),
        Some(StepKind::Prefix { index }) => ("prefix", String::new(), index.to_string()),
        Some(StepKind::RowEnd { row, .. }) => ("row-end", row.to_string(), String::new()),
        None => ("", String::new(), String::new()),
    };
    let StepRecord { step, token, forced, .. } = record;
    write!(writer, "{lane},{step},{kind},{row},{column},{token},{forced}")?;
    for quantity in table::recorded() {
        match quantity.value(record) {
            Some(value) => write!(writer, ",{value}")?,
            None => write!(writer, ",")?,
        }
    }
    let tops = [&record.top_conditional, &record.top_unconditional, &record.top_guided];
    writeln!(writer, ",{}", tops.map(pairs).join(","))
}

fn pairs(top: &TopTokens) -> String {
    top.entries().map(|(id, p)| format!("{id}:{p}")).collect::<Vec<_>>().join(" ")
}

#[derive(Serialize)]
struct JsonTrace {
    description: RunDescription,
    layout: TokenLayout,
    lanes: Vec<JsonLane>,
}

#[derive(Serialize)]
struct JsonLane {
    lane: String,
    steps: Vec<StepRecord>,
}

/// The description of the run and the records of every lane.
///
/// # Errors
/// The writer fails.
pub fn write_json(writer: &mut impl Write, record: &RunRecord) -> io::Result<()> {
    let lanes = record
        .lanes()
        .iter()
        .enumerate()
        .map(|(index, lane)| JsonLane { lane: lane.name.clone(), steps: record.lane(index) })
        .collect();
    let trace =
        JsonTrace { description: RunDescription::of(record), layout: record.layout.clone(), lanes };
    serde_json::to_writer(&mut *writer, &trace)?;
    writer.write_all(b"\n")
}

//! Which image token goes where: the raster cells, prefix tokens of the whole image, forced row ends.

use serde::{Deserialize, Serialize};

/// What one step of decoding produces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// A sampled code shown at this cell of the grid.
    Cell {
        /// Row of the grid, from 0.
        row: usize,
        /// Column of the grid, from 0.
        column: usize,
    },
    /// A sampled code that belongs to the whole image, shown beside the grid.
    Prefix {
        /// Which of the prefix tokens, from 0.
        index: usize,
    },
    /// A token forced by position at the end of a row; never sampled.
    RowEnd {
        /// Row of the grid, from 0.
        row: usize,
        /// Its vocabulary id.
        token: u32,
    },
}

/// The steps of a run in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenLayout {
    rows: usize,
    columns: usize,
    steps: Vec<StepKind>,
}

impl TokenLayout {
    /// Plain raster order: `rows × columns` cells.
    pub fn raster(rows: usize, columns: usize) -> Self {
        Self::with_prefix(0, rows, columns)
    }

    /// `prefix` tokens of the whole image, then raster order.
    pub fn with_prefix(prefix: usize, rows: usize, columns: usize) -> Self {
        let steps = (0..prefix)
            .map(|index| StepKind::Prefix { index })
            .chain(
                (0..rows)
                    .flat_map(|row| (0..columns).map(move |column| StepKind::Cell { row, column })),
            )
            .collect();
        Self { rows, columns, steps }
    }

    /// Raster order with the token `row_end` forced after each row.
    pub fn with_row_ends(rows: usize, columns: usize, row_end: u32) -> Self {
        let steps = (0..rows)
            .flat_map(|row| {
                (0..columns)
                    .map(move |column| StepKind::Cell { row, column })
                    .chain(std::iter::once(StepKind::RowEnd { row, token: row_end }))
            })
            .collect();
        Self { rows, columns, steps }
    }

    /// Rows of the token grid.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of the token grid.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All steps, T of them.
    pub fn steps(&self) -> &[StepKind] {
        &self.steps
    }

    /// T, the number of steps of a run.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Row and column of the cell that `step` draws, if it draws one.
    pub fn cell_of_step(&self, step: usize) -> Option<(usize, usize)> {
        match self.steps.get(step)? {
            StepKind::Cell { row, column } => Some((*row, *column)),
            _ => None,
        }
    }

    /// The step that draws a cell.
    pub fn step_of_cell(&self, row: usize, column: usize) -> Option<usize> {
        if row >= self.rows || column >= self.columns {
            return None;
        }
        // Each row takes the same number of steps, after the prefix.
        let prefix = self.prefix_len();
        let per_row = (self.steps.len() - prefix) / self.rows;
        Some(prefix + row * per_row + column)
    }

    /// Number of tokens that belong to the whole image and come first.
    pub fn prefix_len(&self) -> usize {
        self.steps.iter().take_while(|kind| matches!(kind, StepKind::Prefix { .. })).count()
    }

    /// First step of each row of the grid: where plots draw their ticks.
    pub fn row_starts(&self) -> Vec<usize> {
        (0..self.rows).filter_map(|row| self.step_of_cell(row, 0)).collect()
    }
}

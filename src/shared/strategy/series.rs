//! Columns that were computed, shared by whoever reads them.

use std::ops::Deref;
use std::sync::Arc;

/// The outputs of a node over all bars, shared, and which of them is meant.
#[derive(Debug, Clone)]
pub struct Series {
    outputs: Arc<Vec<Vec<f64>>>,
    at: usize,
}

impl Series {
    /// Of outputs; the first is meant.
    pub(super) fn of(outputs: Vec<Vec<f64>>) -> Series {
        Series { outputs: Arc::new(outputs), at: 0 }
    }

    /// Another output.
    pub(super) fn output(&self, at: usize) -> Series {
        Series { outputs: self.outputs.clone(), at }
    }

    pub(super) fn bytes(&self) -> usize {
        self.outputs.iter().map(|o| o.len() * 8 + 64).sum()
    }
}

impl Deref for Series {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        self.outputs.get(self.at).map_or(&[], |o| o)
    }
}

/// A column: the market's own, or one that was computed.
#[derive(Debug, Clone)]
pub(super) enum Column<'m> {
    Market(&'m [f64]),
    Made(Series),
}

impl Column<'_> {
    /// One that can be kept.
    pub(super) fn shared(&self) -> Series {
        match self {
            Column::Market(column) => Series::of(vec![column.to_vec()]),
            Column::Made(series) => series.clone(),
        }
    }
}

impl Deref for Column<'_> {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        match self {
            Column::Market(column) => column,
            Column::Made(series) => series,
        }
    }
}

impl From<Vec<f64>> for Column<'_> {
    fn from(column: Vec<f64>) -> Self {
        Column::Made(Series::of(vec![column]))
    }
}

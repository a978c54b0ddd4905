//! A running indicator: bit-identical to the batch call from the same first bar.

use super::function::{Function, IndicatorError};
use super::stream::Stream;
use super::table;
use ta_lib::Core;

/// An indicator that takes bars one at a time. It opens by itself once its inputs have been known
/// for as many bars as the function looks back, counted from the first bar with all inputs.
pub struct Running {
    function: Function,
    options: Vec<f64>,
    lookback: usize,
    core: Core,
    history: Vec<Vec<f64>>,
    stream: Option<Box<dyn Stream>>,
    /// Its inputs had begun, and are not known any more.
    ended: bool,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Running({}{:?})", self.function.name(), self.options)
    }
}

impl Running {
    /// A stream of `function` that has seen nothing yet.
    ///
    /// # Errors
    /// Options out of range.
    pub fn new(function: Function, options: &[f64]) -> Result<Running, IndicatorError> {
        let lookback = function.lookback(options)?;
        let history = vec![Vec::with_capacity(lookback + 1); function.input_count()];
        Ok(Running {
            function,
            options: options.to_vec(),
            lookback,
            core: Core::new(),
            history,
            stream: None,
            ended: false,
        })
    }

    /// Takes one bar's inputs and writes its outputs, NaN while warming up and after the inputs have ended.
    ///
    /// # Errors
    /// Inputs that are known again after they had ended.
    pub fn update(&mut self, x: &[f64], out: &mut [f64]) -> Result<(), IndicatorError> {
        let finite = x.iter().all(|v| v.is_finite());
        if self.ended || !finite {
            out.fill(f64::NAN);
            self.ended |= self.stream.is_some() || !self.history[0].is_empty();
            return if finite { Err(self.function.gap()) } else { Ok(()) };
        }
        if let Some(stream) = &mut self.stream {
            return stream.update(x, out).map_err(|e| self.function.refused(e));
        }
        out.fill(f64::NAN);
        for (column, v) in self.history.iter_mut().zip(x) {
            column.push(*v);
        }
        if self.history[0].len() > self.lookback {
            let inputs: Vec<&[f64]> = self.history.iter().map(Vec::as_slice).collect();
            let opened = table::open(self.function.name(), &self.core, &inputs, &self.options, out);
            self.stream = Some(opened.map_err(|e| self.function.refused(e))?);
            self.history.iter_mut().for_each(|c| *c = Vec::new());
        }
        Ok(())
    }
}

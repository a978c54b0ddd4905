//! Streaming calls: one bar in, that bar's values out, bit-identical to the batch call from the
//! same first bar.

use super::Function;
use ta_lib::{Core, MAType, RetCode};

/// A running indicator.
pub(super) trait Stream: Send {
    /// Takes one bar's inputs and writes its outputs.
    fn update(&mut self, x: &[f64], out: &mut [f64]) -> Result<(), RetCode>;
}

/// Writes a function's results into a slice, integers as floats.
pub(super) trait Spread {
    fn spread(self, out: &mut [f64]);
}

impl Spread for f64 {
    fn spread(self, out: &mut [f64]) {
        out[0] = self;
    }
}

impl Spread for i32 {
    fn spread(self, out: &mut [f64]) {
        out[0] = f64::from(self);
    }
}

macro_rules! spread_tuples {
    ($(($($t:ident $i:tt),*))*) => {
        $(impl<$($t: Spread),*> Spread for ($($t,)*) {
            fn spread(self, out: &mut [f64]) {
                $(self.$i.spread(&mut out[$i..]);)*
            }
        })*
    };
}

spread_tuples! { (A 0, B 1) (A 0, B 1, C 2) (A 0, B 1, C 2, D 3) }

pub(super) fn int(v: f64) -> Result<i32, RetCode> {
    if v == v.trunc() && v.abs() < 2e9 { Ok(v as i32) } else { Err(RetCode::BadParam) }
}

pub(super) fn real(v: f64) -> Result<f64, RetCode> {
    if v.is_finite() { Ok(v) } else { Err(RetCode::BadParam) }
}

pub(super) fn ma(v: f64) -> Result<MAType, RetCode> {
    MAType::try_from(int(v)?)
}

/// An indicator that takes bars one at a time. It opens by itself once its inputs have been known
/// for as many bars as the function looks back, counted from the first bar with all inputs.
pub struct Running {
    function: Function,
    options: Vec<f64>,
    lookback: usize,
    core: Core,
    history: Vec<Vec<f64>>,
    stream: Option<Box<dyn Stream>>,
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
    pub fn new(function: Function, options: &[f64]) -> Result<Running, super::IndicatorError> {
        let lookback = function.lookback(options)?;
        let history = vec![Vec::with_capacity(lookback + 1); function.input_count()];
        Ok(Running { function, options: options.to_vec(), lookback, core: Core::new(), history, stream: None })
    }

    /// Takes one bar's inputs and writes its outputs, NaN while warming up.
    ///
    /// # Errors
    /// An input that is not finite after the inputs had begun.
    pub fn update(&mut self, x: &[f64], out: &mut [f64]) -> Result<(), super::IndicatorError> {
        let finite = x.iter().all(|v| v.is_finite());
        if let Some(stream) = &mut self.stream {
            if !finite {
                return Err(self.function.gap());
            }
            return stream.update(x, out).map_err(|e| self.function.refused(e));
        }
        out.fill(f64::NAN);
        if !finite {
            return if self.history[0].is_empty() { Ok(()) } else { Err(self.function.gap()) };
        }
        for (column, v) in self.history.iter_mut().zip(x) {
            column.push(*v);
        }
        if self.history[0].len() > self.lookback {
            let inputs: Vec<&[f64]> = self.history.iter().map(Vec::as_slice).collect();
            let opened = super::table::open(self.function.name(), &self.core, &inputs, &self.options, out);
            self.stream = Some(opened.map_err(|e| self.function.refused(e))?);
            self.history.iter_mut().for_each(|c| *c = Vec::new());
        }
        Ok(())
    }
}

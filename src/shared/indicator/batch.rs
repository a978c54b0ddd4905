//! Batch calls over whole columns.

use super::function::{Function, IndicatorError};
use super::stream::{int, real};
use ta_lib::abstract_api::{InputType, OptInputType, OutputType, ParamHolder};
use ta_lib::{Core, RetCode};

/// Binds every option; a missing or extra one is refused, so no default is ever used.
pub(super) fn bind_options(call: &mut ParamHolder<'_>, options: &[f64]) -> Result<(), RetCode> {
    let infos = call.info().opt_inputs;
    if infos.len() != options.len() {
        return Err(RetCode::BadParam);
    }
    for (i, (info, value)) in infos.iter().zip(options).enumerate() {
        match info.kind {
            OptInputType::IntegerRange { .. } | OptInputType::IntegerList { .. } => {
                call.set_opt_input(i, int(*value)?)?;
            }
            _ => {
                call.set_opt_input(i, real(*value)?)?;
            }
        }
    }
    Ok(())
}

fn bind_inputs<'a>(call: &mut ParamHolder<'a>, columns: &[&'a [f64]]) -> Result<(), RetCode> {
    let mut next = columns.iter().copied();
    let infos = call.info().inputs;
    for (slot, info) in infos.iter().enumerate() {
        if info.kind == InputType::Price {
            let mut given = [None; 6];
            for (bit, place) in given.iter_mut().enumerate() {
                if info.flags.bits() >> bit & 1 == 1 {
                    *place = next.next();
                }
            }
            let [o, h, l, c, v, oi] = given;
            call.set_price_input(slot, o, h, l, c, v, oi)?;
        } else {
            call.set_input(slot, next.next().ok_or(RetCode::BadParam)?)?;
        }
    }
    Ok(())
}

impl Function {
    /// Bars before the first value.
    ///
    /// # Errors
    /// Options out of range.
    pub fn lookback(&self, options: &[f64]) -> Result<usize, IndicatorError> {
        let core = Core::new();
        let mut call = self.0.id.new_call(&core);
        bind_options(&mut call, options)
            .and_then(|()| call.lookback())
            .map_err(|_| IndicatorError::Options { function: self.name(), options: options.to_vec() })
    }

    /// Computes whole columns: each output is as long as the inputs, NaN where not yet known.
    /// Inputs may begin with NaN (another indicator's warm-up, a symbol that is younger than the data) and
    /// end with it (a symbol that was delisted): the call goes from the first bar where all are finite to
    /// before the first one after it where one is not, and what comes after is NaN.
    ///
    /// # Errors
    /// [`IndicatorError`] for options out of range or inputs that are known again after that.
    pub fn columns(&self, inputs: &[&[f64]], options: &[f64]) -> Result<Vec<Vec<f64>>, IndicatorError> {
        let lookback = self.lookback(options)?;
        let len = inputs.first().map_or(0, |c| c.len());
        let start = (0..len).find(|t| inputs.iter().all(|c| c[*t].is_finite())).unwrap_or(len);
        let finite = |t: &usize| inputs.iter().all(|c| c[*t].is_finite());
        let end = (start..len).find(|t| !finite(t)).unwrap_or(len);
        if (end..len).any(|t| finite(&t)) {
            return Err(self.gap());
        }
        let mut out = vec![vec![f64::NAN; len]; self.0.outputs.len()];
        if end - start <= lookback {
            return Ok(out);
        }
        let cut: Vec<&[f64]> = inputs.iter().map(|c| &c[start..end]).collect();
        self.call(&cut, options, start, lookback, &mut out).map_err(|e| self.refused(e))?;
        Ok(out)
    }

    fn call(
        &self,
        cut: &[&[f64]],
        options: &[f64],
        start: usize,
        lookback: usize,
        out: &mut [Vec<f64>],
    ) -> Result<(), RetCode> {
        let core = Core::new();
        let bars = cut[0].len();
        let first = start + lookback;
        let mut integers: Vec<Vec<i32>> = Vec::new();
        for info in self.0.outputs {
            integers.push(if info.kind == OutputType::Integer { vec![0; bars - lookback] } else { Vec::new() });
        }
        let range = {
            let mut call = self.0.id.new_call(&core);
            bind_options(&mut call, options)?;
            bind_inputs(&mut call, cut)?;
            for (k, ((info, real), integer)) in self.0.outputs.iter().zip(out.iter_mut()).zip(&mut integers).enumerate()
            {
                match info.kind {
                    OutputType::Real => call.set_output(k, &mut real[first..start + bars])?,
                    OutputType::Integer => call.set_int_output(k, integer)?,
                };
            }
            call.call(0, bars - 1)?
        };
        if range.beg_idx != lookback || range.count != bars - lookback {
            return Err(RetCode::InternalError);
        }
        for (k, integer) in integers.iter().enumerate() {
            for (place, v) in out[k][first..].iter_mut().zip(integer) {
                *place = f64::from(*v);
            }
        }
        Ok(())
    }
}

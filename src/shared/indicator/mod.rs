//! Every function of TA-Lib by its name, over whole columns and one bar at a time.
//!
//! The crate `ta-lib` is pinned: defaults and edge values change in patch releases, so every
//! option is passed explicitly and inputs must be finite (one NaN leaves later results finite and
//! wrong). Inputs are given flat, in the order of the TA-Lib signature.

mod batch;
mod stream;
mod table;

pub use stream::Running;
use ta_lib::Core;
use ta_lib::abstract_api::{self, FuncInfo, InputType, OptInputType};

/// Version of the indicator library: part of every trial's identity.
pub const TALIB_VERSION: &str = "0.8.3";

/// What is wrong with a call.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum IndicatorError {
    /// An option is out of the function's range.
    #[error("{function}: the options {options:?} are not allowed")]
    Options {
        /// TA-Lib name.
        function: &'static str,
        /// The options.
        options: Vec<f64>,
    },
    /// An input had a gap: values, then one that is not finite.
    #[error("{function}: an input is not finite after it had begun (a division by zero?)")]
    Gap {
        /// TA-Lib name.
        function: &'static str,
    },
    /// TA-Lib refused.
    #[error("{function}: TA-Lib says {code}")]
    Refused {
        /// TA-Lib name.
        function: &'static str,
        /// Its return code.
        code: String,
    },
}

/// A TA-Lib function.
#[derive(Clone, Copy)]
pub struct Function(&'static FuncInfo);

impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        self.0.name == other.0.name
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name)
    }
}

/// An option's name, range and, for moving-average types, the allowed names.
#[derive(Debug, Clone, PartialEq)]
pub struct OptionInfo {
    /// Short name, such as `Time Period`.
    pub name: &'static str,
    /// True for whole numbers.
    pub integer: bool,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Names of a closed list, with their values.
    pub names: Vec<(String, f64)>,
}

impl Function {
    /// Looks a function up by its TA-Lib name, in upper case.
    pub fn find(name: &str) -> Option<Function> {
        abstract_api::get_func_handle(name).map(|id| Function(id.info())).filter(|f| f.0.name == name)
    }

    /// All functions.
    pub fn all() -> impl Iterator<Item = Function> {
        abstract_api::funcs().map(Function)
    }

    /// TA-Lib name.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// What it computes, in a line.
    pub fn hint(&self) -> &'static str {
        self.0.hint
    }

    /// Names of its inputs, flat.
    pub fn inputs(&self) -> Vec<&'static str> {
        const PRICES: [&str; 5] = ["open", "high", "low", "close", "volume"];
        let of = |i: &abstract_api::InputInfo| match i.kind {
            InputType::Price => {
                PRICES.iter().enumerate().filter(|(b, _)| i.flags.bits() >> b & 1 == 1).map(|(_, n)| *n).collect()
            }
            _ => vec!["series"],
        };
        self.0.inputs.iter().flat_map(of).collect()
    }

    /// Number of its inputs, flat.
    pub fn input_count(&self) -> usize {
        self.inputs().len()
    }

    /// Its options.
    pub fn options(&self) -> Vec<OptionInfo> {
        let of = |o: &abstract_api::OptInputInfo| {
            let (integer, min, max, names) = match o.kind {
                OptInputType::RealRange { min, max, .. } => (false, min, max, Vec::new()),
                OptInputType::IntegerRange { min, max, .. } => (true, f64::from(min), f64::from(max), Vec::new()),
                OptInputType::RealList { values, .. } => {
                    (false, 0.0, 0.0, values.iter().map(|(v, n)| ((*n).to_string(), *v)).collect())
                }
                OptInputType::IntegerList { values, .. } => {
                    (true, 0.0, 15.0, values.iter().map(|(v, n)| ((*n).to_string(), *v as f64)).collect())
                }
            };
            OptionInfo { name: o.display_name, integer, min, max, names }
        };
        self.0.opt_inputs.iter().map(of).collect()
    }

    /// Names of its outputs, lower case: `macd`, `macdsignal`, `macdhist`.
    pub fn outputs(&self) -> Vec<String> {
        self.0.outputs.iter().map(|o| o.param_name.trim_start_matches("out").to_lowercase()).collect()
    }

    /// True when it calls the platform's sine, logarithm or the like, so that values may differ
    /// in the last bit between machines.
    pub fn uses_transcendental(&self) -> bool {
        self.0.flags.contains(abstract_api::FuncFlags::USES_TRANSCENDENTAL)
    }

    /// Bars before the first value.
    ///
    /// # Errors
    /// Options out of range.
    pub fn lookback(&self, options: &[f64]) -> Result<usize, IndicatorError> {
        let core = Core::new();
        let mut call = self.0.id.new_call(&core);
        batch::bind_options(&mut call, options)
            .and_then(|()| call.lookback())
            .map_err(|_| IndicatorError::Options { function: self.name(), options: options.to_vec() })
    }

    fn gap(&self) -> IndicatorError {
        IndicatorError::Gap { function: self.name() }
    }

    fn refused(&self, code: ta_lib::RetCode) -> IndicatorError {
        IndicatorError::Refused { function: self.name(), code: format!("{code:?}") }
    }

    /// The value of a moving-average type by name, such as `EMA`.
    pub fn ma_type(name: &str) -> Option<f64> {
        const NAMES: [&str; 16] = [
            "SMA", "EMA", "WMA", "DEMA", "TEMA", "TRIMA", "KAMA", "MAMA", "T3", "HMA", "DISABLED", "DEFAULT", "ZLEMA",
            "RMA", "VIDYA", "ALMA",
        ];
        NAMES.iter().position(|n| *n == name && name != "DEFAULT").map(|p| p as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::tests::walk;

    /// Option values inside each function's range, small enough for a short series.
    fn sample_options(f: &Function) -> Vec<f64> {
        let of = |(i, o): (usize, OptionInfo)| match (o.integer, o.names.is_empty()) {
            (_, false) => 1.0,
            (true, _) => (6.0 + 2.0 * i as f64).clamp(o.min, o.max),
            (false, _) => (0.3 + 0.1 * i as f64).clamp(o.min, o.max),
        };
        match f.name() {
            "SQZMOM" => vec![20.0, 2.0, 20.0, 2.0, 1.5, 1.0],
            _ => f.options().into_iter().enumerate().map(of).collect(),
        }
    }

    /// Every function, batch against stream from the same first bar, bit for bit.
    #[test]
    fn all_functions_stream_as_batch() {
        let m = walk(700, 1, 11);
        let c = &m.columns[0];
        let mut seen = 0;
        for f in Function::all() {
            let options = sample_options(&f);
            let columns: Vec<&[f64]> = f
                .inputs()
                .iter()
                .enumerate()
                .map(|(i, name)| {
                    let field = crate::market::FIELDS.iter().find(|(_, n)| n == name).map(|(f, _)| *f);
                    c.get(field.unwrap_or([crate::market::Field::Close, crate::market::Field::High][i.min(1)]))
                })
                .collect();
            let periods = vec![7.0; m.len()];
            let columns = if f.name() == "MAVP" { vec![columns[0], &periods[..]] } else { columns };
            let batch = f.columns(&columns, &options).unwrap();
            let mut running = Running::new(f, &options).unwrap();
            let mut out = vec![0.0; f.outputs().len()];
            for t in 0..m.len() {
                let x: Vec<f64> = columns.iter().map(|c| c[t]).collect();
                running.update(&x, &mut out).unwrap();
                for (k, v) in out.iter().enumerate() {
                    assert!(
                        v.to_bits() == batch[k][t].to_bits() || v.is_nan() && batch[k][t].is_nan(),
                        "{f:?}.{k} at {t}"
                    );
                }
            }
            assert_eq!(out.len(), batch.len());
            seen += 1;
        }
        assert_eq!(seen, 237);
    }

    #[test]
    fn lookups_ranges_and_gaps() {
        let macd = Function::find("MACD").unwrap();
        assert_eq!(macd.outputs(), ["macd", "macdsignal", "macdhist"]);
        assert_eq!(Function::find("ATR").unwrap().inputs(), ["high", "low", "close"]);
        assert!(Function::find("macd").is_none() && Function::find("NOPE").is_none());
        let sma = Function::find("SMA").unwrap();
        assert!(sma.lookback(&[-3.0]).is_err() && sma.lookback(&[2.5]).is_err() && sma.lookback(&[]).is_err());
        let gap = [1.0, 2.0, f64::NAN, 4.0];
        assert!(matches!(sma.columns(&[&gap], &[2.0]), Err(IndicatorError::Gap { .. })));
        let late = [f64::NAN, f64::NAN, 1.0, 3.0, 5.0];
        assert_eq!(sma.columns(&[&late], &[2.0]).unwrap()[0][3..], [2.0, 4.0]);
    }
}

//! A TA-Lib function: its name, inputs, options and outputs.

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
    /// An input had a gap: values, then one that is not finite, then values again.
    #[error("{function}: an input is unknown or infinite in between: give it known(x, …) or hold(x)")]
    Gap {
        /// TA-Lib name.
        function: &'static str,
    },
    /// A column that the data do not have.
    #[error("the data have no {column}: their source does not carry it, or it was left out with --fields")]
    NoData {
        /// `SYMBOL.field`.
        column: String,
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
pub struct Function(pub(super) &'static FuncInfo);

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
    /// The value that TA-Lib takes when none is given; here each is given.
    pub default: f64,
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
            let (integer, min, max, default, names) = match o.kind {
                OptInputType::RealRange { min, max, default, .. } => (false, min, max, default, Vec::new()),
                OptInputType::IntegerRange { min, max, default, .. } => {
                    (true, f64::from(min), f64::from(max), f64::from(default), Vec::new())
                }
                OptInputType::RealList { values, default } => {
                    (false, 0.0, 0.0, default, values.iter().map(|(v, n)| ((*n).to_string(), *v)).collect())
                }
                OptInputType::IntegerList { values, default } => {
                    let names = values.iter().map(|(v, n)| ((*n).to_string(), *v as f64)).collect();
                    (true, 0.0, 15.0, default as f64, names)
                }
            };
            OptionInfo { name: o.display_name, integer, min, max, default, names }
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

    pub(super) fn gap(&self) -> IndicatorError {
        IndicatorError::Gap { function: self.name() }
    }

    pub(super) fn refused(&self, code: ta_lib::RetCode) -> IndicatorError {
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

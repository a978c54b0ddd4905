//! Expressions over the figures of a window: objectives and what is required of a trial.

use crate::format::FormatError;
use crate::metric::Metric;
use crate::strategy::Diagnostic;
use crate::strategy::op::{Binary, Unary};
use crate::strategy::parse::{Expr, Kind, parse};
use serde::{Deserialize, Serialize};

/// Most bytes of one.
const LONGEST: usize = 400;
/// What is not a figure, and may be named: the leverage that was in force.
const LEVERAGE: &str = "leverage";

/// A number made of figures, `sharpe - 2 * abs(max_drawdown)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Formula {
    text: String,
    expr: Box<Expr>,
}

/// Something that a trial must keep, `profit_factor >= 1.2`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Requirement {
    text: String,
    /// What must be zero or less.
    over: Expr,
    under: Expr,
}

/// What a requirement counts as when a figure of it is undefined.
pub const UNDEFINED: f64 = 1.0;

macro_rules! as_text {
    ($($name:ident),+) => {
        $(
            impl From<$name> for String {
                fn from(of: $name) -> String {
                    of.text
                }
            }

            impl TryFrom<String> for $name {
                type Error = FormatError;

                fn try_from(text: String) -> Result<$name, FormatError> {
                    $name::parse(&text)
                }
            }

            impl $name {
                /// As it was written.
                pub fn text(&self) -> &str {
                    &self.text
                }
            }
        )+
    };
}

as_text!(Formula, Requirement);

fn read(text: &str) -> Result<Expr, FormatError> {
    let wrong = |why: String| FormatError::Wrong(format!("'{text}': {why}"));
    if text.trim().is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
        return Err(FormatError::Wrong(format!("an expression over figures has 1 to {LONGEST} bytes in one line")));
    }
    parse(text).map_err(|d| wrong(d.message))
}

/// Whether a tree is a number made of figures.
fn check(e: &Expr, text: &str) -> Result<(), FormatError> {
    let wrong = |why: &str| FormatError::Wrong(format!("'{text}': {why}"));
    match &e.kind {
        Kind::Number(_) => {}
        Kind::Name(name) if name == LEVERAGE || Metric::of_name(name).is_some() => {}
        Kind::Name(name) => {
            let near = Diagnostic::new("", e.span.clone()).suggest(name, Metric::ALL.iter().map(|m| m.name()));
            let hint = near.help.map_or(String::new(), |help| format!("; {help}"));
            return Err(wrong(&format!("there is no figure '{name}'{hint} (`assay guide reference` lists them)")));
        }
        Kind::Unary(Unary::Not, _) => {
            return Err(wrong("this is made of numbers, not of truths; what must hold stands in [guardrails] require"));
        }
        Kind::Unary(..) => {}
        Kind::Binary(op, ..) if op.is_logic() || op.is_comparison() || *op == Binary::Known => {
            return Err(wrong("this is made of numbers, not of truths; what must hold stands in [guardrails] require"));
        }
        Kind::Binary(..) => {}
        Kind::Call(name, args) => match (name.as_str(), args.len()) {
            ("abs" | "sqrt" | "log" | "exp", 1) | ("min" | "max", 2..) => {}
            _ => {
                let known = "there are abs, sqrt, log, exp of one value, min and max of several";
                return Err(wrong(&format!("'{name}' with {} cannot be asked for: {known}", args.len())));
            }
        },
        _ => return Err(wrong("this is made of numbers and figures only")),
    }
    e.parts().into_iter().try_for_each(|part| check(part, text))
}

/// What a tree is with these figures; nothing when it is undefined.
fn value(e: &Expr, get: &dyn Fn(&str) -> Option<f64>) -> Option<f64> {
    let of = |e: &Expr| value(e, get);
    let v = match &e.kind {
        Kind::Number(v) => *v,
        Kind::Name(name) => get(name)?,
        Kind::Unary(op, a) => op.apply(of(a)?),
        Kind::Binary(op, a, b) => op.apply(of(a)?, of(b)?),
        Kind::Call(name, args) => {
            let args: Vec<f64> = args.iter().map(of).collect::<Option<_>>()?;
            let (first, rest) = args.split_first()?;
            match name.as_str() {
                "abs" => Unary::Abs.apply(*first),
                "sqrt" => Unary::Sqrt.apply(*first),
                "log" => Unary::Log.apply(*first),
                "exp" => Unary::Exp.apply(*first),
                "min" => rest.iter().fold(*first, |a, b| a.min(*b)),
                _ => rest.iter().fold(*first, |a, b| a.max(*b)),
            }
        }
        _ => return None,
    };
    v.is_finite().then_some(v)
}

fn reads(e: &Expr, out: &mut Vec<Metric>) {
    if let Kind::Name(name) = &e.kind {
        out.extend(Metric::of_name(name));
    }
    e.parts().into_iter().for_each(|part| reads(part, out));
}

/// What figures may be, to see whether an expression is ever defined: good ones, bad ones, small and large ones.
const PROBES: [f64; 6] = [1.7, -0.6, 0.013, 9.0, -40.0, 250.0];

/// A figure of a probe, with the sign that it can have.
fn probed(name: &str, probe: f64) -> f64 {
    match name {
        "max_drawdown" | "worst_mae" => -(probe.abs() / 2.0).min(1.0),
        "cagr" | "calmar" | "sharpe" | "sharpe_per_bar" | "sortino" | "sqn" | "total_return" | "skew" => probe,
        "expectancy_usdt" | "funding_usdt" => probe * 100.0,
        LEVERAGE => 1.0 + probe.abs(),
        "trades" | "liquidations" | "rejected_orders" | "undecided_bars" => (probe.abs() * 50.0).ceil(),
        _ => probe.abs(),
    }
}

/// Whether a tree names something.
fn names(e: &Expr, word: &str) -> bool {
    matches!(&e.kind, Kind::Name(name) if name == word) || e.parts().into_iter().any(|part| names(part, word))
}

impl Formula {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong in it, in words.
    pub fn parse(text: &str) -> Result<Formula, FormatError> {
        let expr = read(text)?;
        check(&expr, text)?;
        let mut of = Vec::new();
        reads(&expr, &mut of);
        if of.is_empty() && !names(&expr, LEVERAGE) {
            return Err(FormatError::Wrong(format!("'{text}' names no figure, so all trials would be equal")));
        }
        if PROBES.iter().all(|probe| value(&expr, &|name| Some(probed(name, *probe))).is_none()) {
            return Err(FormatError::Wrong(format!("'{text}' is undefined whatever the figures are")));
        }
        Ok(Formula { text: text.trim().into(), expr: Box::new(expr) })
    }

    /// Its value; nothing when a figure of it is undefined.
    pub fn value(&self, get: &dyn Fn(&str) -> Option<f64>) -> Option<f64> {
        value(&self.expr, get)
    }

    /// The figures that it is made of.
    pub fn reads(&self) -> Vec<Metric> {
        let mut out = Vec::new();
        reads(&self.expr, &mut out);
        out
    }
}

impl Requirement {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong in it, in words.
    pub fn parse(text: &str) -> Result<Requirement, FormatError> {
        let expr = read(text)?;
        let (over, under) = match expr.kind {
            Kind::Binary(Binary::GreaterEqual, a, b) => (*b, *a),
            Kind::Binary(Binary::LessEqual, a, b) => (*a, *b),
            _ => {
                let what =
                    format!("'{text}' is no requirement: write figure >= number, or <=; several are several texts");
                return Err(FormatError::Wrong(what));
            }
        };
        check(&over, text)?;
        check(&under, text)?;
        let mut of = Vec::new();
        reads(&over, &mut of);
        reads(&under, &mut of);
        if of.is_empty() && !names(&over, LEVERAGE) && !names(&under, LEVERAGE) {
            return Err(FormatError::Wrong(format!("'{text}' names no figure, so it says nothing of a trial")));
        }
        let undefined = |e: &Expr| PROBES.iter().all(|probe| value(e, &|name| Some(probed(name, *probe))).is_none());
        if undefined(&over) || undefined(&under) {
            return Err(FormatError::Wrong(format!("'{text}' is undefined whatever the figures are")));
        }
        Ok(Requirement { text: text.trim().into(), over, under })
    }

    /// By how much it is broken, zero or less when it holds; [`UNDEFINED`] when a figure of it is undefined.
    pub fn broken_by(&self, get: &dyn Fn(&str) -> Option<f64>) -> f64 {
        value(&self.over, get).zip(value(&self.under, get)).map_or(UNDEFINED, |(over, under)| over - under)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(name: &str) -> Option<f64> {
        match name {
            "sharpe" => Some(1.5),
            "max_drawdown" => Some(-0.25),
            "trades" => Some(100.0),
            "leverage" => Some(2.0),
            _ => None,
        }
    }

    #[test]
    fn figures_are_reckoned_with() {
        let of = |text: &str| Formula::parse(text).unwrap().value(&get);
        assert_eq!(of("sharpe"), Some(1.5));
        assert_eq!(of("sharpe - 2 * abs(max_drawdown)"), Some(1.0));
        assert_eq!(of("min(sharpe, 1, trades) / leverage"), Some(0.5));
        assert_eq!(of("sqrt(trades) * max(-max_drawdown, 0.5)"), Some(5.0));
        assert_eq!((of("-leverage"), Formula::parse("-leverage").unwrap().reads()), (Some(-2.0), Vec::new()));
        assert_eq!(of("log(sharpe / 1.5) + trades ^ 0.5"), Some(10.0));
        assert_eq!((of("sharpe / (trades - 100)"), of("calmar + 1"), of("sqrt(sharpe - 2)")), (None, None, None));
        let broken = |text: &str| Requirement::parse(text).unwrap().broken_by(&get);
        let found = [broken("max_drawdown >= -0.125"), broken("trades >= 60"), broken("abs(max_drawdown) <= 0.25")];
        assert_eq!(found, [0.125, -40.0, 0.0]);
        assert_eq!(broken("profit_factor >= 1"), UNDEFINED);
        assert_eq!(Formula::parse("sharpe+trades").unwrap().reads(), [Metric::Sharpe, Metric::Trades]);
        let text = String::from(Formula::parse(" sharpe ").unwrap());
        assert_eq!(text, "sharpe");
    }

    /// What is no expression over figures is refused, with what is wrong in it.
    #[test]
    fn what_is_refused() {
        let long = "sharpe + ".repeat(60);
        for (text, why) in [
            ("shrpe", "did you mean 'sharpe'"),
            ("sharpe >", ""),
            ("", "1 to 400 bytes"),
            (long.as_str(), "1 to 400 bytes"),
            ("1 + 2", "names no figure"),
            ("sharpe > 1", "numbers, not of truths"),
            ("not sharpe", "numbers, not of truths"),
            ("EMA(sharpe, 3)", "'EMA' with 2 cannot be asked for"),
            ("min(sharpe)", "max of several"),
            ("sharpe / 0", "undefined whatever"),
            ("sharpe / (trades - trades)", "undefined whatever"),
            ("log(max_drawdown - 1)", "undefined whatever"),
            ("sharpe@4h", "numbers and figures only"),
            ("'x'", "numbers and figures only"),
        ] {
            let said = Formula::parse(text).unwrap_err().to_string();
            assert!(said.contains(why), "{text}: {said}");
        }
        for text in [
            "sharpe",
            "sharpe > 1",
            "sharpe >= 1 and trades >= 3",
            "sharpe >= x",
            "1 <= (2 <= sharpe)",
            "2 >= 1",
            "sharpe >= 1 / 0",
        ] {
            assert!(Requirement::parse(text).is_err(), "{text}");
        }
    }
}

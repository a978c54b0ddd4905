//! Evaluation over whole columns, for research.

use super::bind::Bound;
use super::op::MemoryState;
use super::plan::{Id, Op, Plan};
use crate::account::Signals;
use crate::indicator::IndicatorError;
use crate::market::{FIELDS, Field, Market};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Signals of all bars of one symbol.
#[derive(Debug, Clone)]
pub struct SymbolSignals {
    /// Bits of [`crate::account::signals::flag`], bar by bar.
    pub flags: Vec<u8>,
    stops: [Option<Series>; 3],
}

#[derive(Debug, Clone)]
enum Series {
    Same(f64),
    Column(Vec<f64>),
}

impl SymbolSignals {
    /// The signals at the close of a bar.
    #[inline]
    pub fn at(&self, t: usize) -> Signals {
        let stop = |i: usize| match &self.stops[i] {
            None => f64::NAN,
            Some(Series::Same(v)) => *v,
            Some(Series::Column(c)) => c[t],
        };
        Signals { flags: self.flags[t], stop_loss: stop(0), take_profit: stop(1), trailing_stop: stop(2) }
    }
}

/// Computes every node over all bars, then the signals of each symbol. The market's symbols must
/// be the strategy's, in its order.
///
/// # Errors
/// An indicator that refuses its input.
pub fn signals(bound: &Bound, market: &Market) -> Result<Vec<SymbolSignals>, IndicatorError> {
    let wanted = bound.outputs.iter().flat_map(|o| o.signals.iter().map(|s| s.1).chain(o.stops.into_iter().flatten()));
    let values = evaluate(&bound.plan, market, wanted)?;
    let bars = market.len();
    let of = |outputs: &super::bind::Outputs| {
        let mut flags = vec![0u8; bars];
        for (bit, id) in &outputs.signals {
            for (f, v) in flags.iter_mut().zip(values[*id].iter()) {
                *f |= if *v == 1.0 { *bit } else { 0 };
            }
        }
        let series = |id: Id| match bound.plan.ops[id] {
            Op::Const(v) => Series::Same(v),
            _ => Series::Column(values[id].to_vec()),
        };
        SymbolSignals { flags, stops: outputs.stops.map(|id| id.map(series)) }
    };
    Ok(bound.outputs.iter().map(of).collect())
}

/// Refuses data that lack a column which the strategy reads.
///
/// # Errors
/// [`IndicatorError::NoData`].
pub fn columns_there(bound: &Bound, market: &Market) -> Result<(), IndicatorError> {
    bound.plan.ops.iter().try_for_each(|op| match op {
        Op::Column { symbol, field } => column(market, *symbol, *field).map(|_| ()),
        _ => Ok(()),
    })
}

fn column(market: &Market, symbol: usize, field: Field) -> Result<&[f64], IndicatorError> {
    if market.columns[symbol].has(field) {
        return Ok(market.columns[symbol].get(field));
    }
    let name = FIELDS.iter().find(|(f, _)| *f == field).map_or("", |(_, name)| name);
    Err(IndicatorError::NoData { column: format!("{}.{name}", market.symbols[symbol]) })
}

/// For each node, the nodes that nothing needs any more once it is computed.
fn spent(plan: &Plan, wanted: impl Iterator<Item = Id>) -> Vec<Vec<Id>> {
    let mut last: Vec<Id> = (0..plan.ops.len()).collect();
    for (id, op) in plan.ops.iter().enumerate() {
        op.needs(|of| last[of] = id);
    }
    wanted.for_each(|id| last[id] = usize::MAX);
    let mut out = vec![Vec::new(); plan.ops.len()];
    for (id, last) in last.into_iter().enumerate().filter(|(_, last)| *last != usize::MAX) {
        out[last].push(id);
    }
    out
}

/// The values of the wanted nodes at every bar. A column is given back after its last use: there
/// may be many more of them than fit into memory.
fn evaluate<'m>(
    plan: &Plan,
    market: &'m Market,
    wanted: impl Iterator<Item = Id>,
) -> Result<Vec<Cow<'m, [f64]>>, IndicatorError> {
    let (bars, spent) = (market.len(), spent(plan, wanted));
    let mut values: Vec<Cow<'m, [f64]>> = Vec::with_capacity(plan.ops.len());
    let mut others: BTreeMap<Id, Vec<Vec<f64>>> = BTreeMap::new();
    for (id, op) in plan.ops.iter().enumerate() {
        let value: Cow<'m, [f64]> = match op {
            Op::Const(v) => vec![*v; bars].into(),
            Op::Column { symbol, field } => column(market, *symbol, *field)?.into(),
            Op::Unary(op, a) => values[*a].iter().map(|a| op.apply(*a)).collect(),
            Op::Binary(op, a, b) => {
                let op = *op;
                values[*a].iter().zip(values[*b].iter()).map(|(a, b)| op.apply(*a, *b)).collect()
            }
            Op::If(c, a, b) => (0..bars).map(|t| choose(values[*c][t], values[*a][t], values[*b][t])).collect(),
            Op::Memory(kind, a) => {
                let mut state = MemoryState::new(*kind);
                values[*a].iter().map(|x| state.push(*x)).collect()
            }
            Op::Ta { function, options, inputs } => {
                let columns: Vec<&[f64]> = inputs.iter().map(|i| values[*i].as_ref()).collect();
                let outputs = function.columns(&columns, options)?;
                let first = outputs[0].clone();
                if outputs.len() > 1 {
                    others.insert(id, outputs);
                }
                first.into()
            }
            Op::Output(of, k) => others.get(of).and_then(|o| o.get(*k)).cloned().unwrap_or_default().into(),
        };
        values.push(value);
        for of in &spent[id] {
            values[*of] = Cow::Borrowed(&[]);
            others.remove(of);
        }
    }
    Ok(values)
}

/// `if(condition, a, b)`: unknown while the condition is unknown.
pub(super) fn choose(c: f64, a: f64, b: f64) -> f64 {
    match c {
        1.0 => a,
        0.0 => b,
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::op::Binary;

    /// A chain of any length needs three columns at a time: its column, its last value, the next.
    #[test]
    fn columns_are_given_back_after_their_last_use() {
        let mut ops = vec![Op::Column { symbol: 0, field: Field::Close }];
        ops.extend((1..1000).map(|i| Op::Binary(Binary::Add, i - 1, 0)));
        let plan = Plan { ops };
        let (mut live, mut most) = (0_usize, 0);
        for gone in spent(&plan, [999].into_iter()) {
            live += 1;
            most = most.max(live);
            live -= gone.len();
        }
        assert_eq!((most, live), (3, 1), "only what is wanted is left");
        let market = crate::market::tests::walk(20, 1, 1);
        let values = evaluate(&plan, &market, [999].into_iter()).unwrap();
        assert_eq!(values.iter().filter(|v| !v.is_empty()).count(), 1);
        let close = market.columns[0].get(Field::Close);
        assert!(values[999].iter().zip(close).all(|(v, c)| (v - 1000.0 * c).abs() < 1e-6 * v.abs()));
    }

    /// A column that the data lack is an error that names it: nobody reads a traded price as a mark, or no
    /// settlement as an unknown rate.
    #[test]
    fn columns_that_are_not_there() {
        let mut market = crate::market::tests::walk(20, 1, 1);
        let of = |market: &Market, field| {
            let plan = Plan { ops: vec![Op::Column { symbol: 0, field }] };
            evaluate(&plan, market, [0].into_iter()).map(|v| v[0].to_vec()).map_err(|e| e.to_string())
        };
        for field in [Field::Volume, Field::MarkClose, Field::Funding] {
            assert!(of(&market, field).is_ok());
            market.columns[0].get_mut(field).clear();
        }
        market.columns[0].settlements.clear();
        for (field, name) in [(Field::Volume, "volume"), (Field::MarkClose, "mark_close"), (Field::Funding, "funding")]
        {
            let said = of(&market, field).unwrap_err();
            assert!(said.contains(&format!("the data have no S0USDT.{name}")), "{said}");
        }
        assert!(of(&market, Field::Close).is_ok());
    }
}

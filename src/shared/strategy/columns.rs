//! Evaluation over whole columns, for research.

use super::bind::Bound;
use super::circle;
use super::clock::{Calendar, Gathering, Ticks};
use super::kept::{Kept, Known};
use super::op::{Memory, MemoryState, choose};
use super::pair::PairState;
use super::plan::{Id, Op, Plan};
use super::schedule::{Step, schedule, spent};
use super::series::{Column, Series};
use crate::indicator::IndicatorError;
use crate::market::{FIELDS, Field, Market};

/// The columns of nodes by their places; those that were not asked for are empty.
///
/// # Errors
/// An indicator that refuses its input.
pub fn of_nodes(
    bound: &Bound,
    market: &Market,
    ids: &[Id],
    kept: Option<&Kept>,
) -> Result<Vec<Series>, IndicatorError> {
    let values = evaluate(&bound.plan, market, ids.iter().copied(), kept)?;
    Ok(values.iter().map(Column::shared).collect())
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

/// A plan over a market while it is computed.
struct Columns<'p, 'm> {
    plan: &'p Plan,
    market: &'m Market,
    /// For each higher clock, bar by bar of the data, whether one of its bars begins, and whether one closes.
    ticks: Vec<Vec<(bool, bool)>>,
    /// For each clock the bars of the data with which its bars close; empty for that of the data.
    closes: Vec<Vec<usize>>,
    values: Vec<Column<'m>>,
}

/// The values of the wanted nodes at every bar of their clocks. A column is given back after its last use: there
/// may be many more of them than fit into memory.
pub(super) fn evaluate<'m>(
    plan: &Plan,
    market: &'m Market,
    wanted: impl Iterator<Item = Id>,
    kept: Option<&Kept>,
) -> Result<Vec<Column<'m>>, IndicatorError> {
    let schedule = schedule(plan);
    let known = kept.map(|kept| Known::new(kept, plan, &schedule));
    let wanted: Vec<Id> = wanted.collect();
    let mut values = vec![Column::Market(&[]); plan.ops.len()];
    let needed = needed(plan, &schedule, &wanted, known.as_ref(), &mut values);
    let spent = spent(plan, &schedule, wanted.into_iter());
    let ticks: Vec<Vec<(bool, bool)>> = plan.clocks.iter().map(|clock| ticks(market, *clock)).collect();
    let closed = |ticks: &Vec<(bool, bool)>| ticks.iter().enumerate().filter(|t| t.1.1).map(|t| t.0).collect();
    let closes = ticks.iter().map(closed).collect();
    let mut c = Columns { plan, market, ticks, closes, values };
    for (step, spent) in schedule.iter().zip(&spent) {
        match step {
            Step::Node(id) if plan.waits(*id) || !needed[*id] => {}
            Step::Node(id) => c.values[*id] = c.column(*id)?,
            Step::Circles(circles) if circles.iter().flatten().any(|id| needed[*id]) => c.scan(circles, spent)?,
            Step::Circles(_) => {}
        }
        if let Some(known) = &known {
            for id in step.ids().filter(|id| needed[*id]) {
                if let Column::Made(series) = &c.values[id] {
                    known.put(id, series);
                }
            }
        }
        spent.iter().for_each(|of| c.values[*of] = Column::Market(&[]));
    }
    Ok(c.values)
}

/// Which nodes are to be computed: what is kept is taken from there, and what it was computed from is not asked for.
fn needed(
    plan: &Plan,
    schedule: &[Step],
    wanted: &[Id],
    known: Option<&Known<'_>>,
    values: &mut [Column<'_>],
) -> Vec<bool> {
    let mut out = vec![false; plan.ops.len()];
    wanted.iter().for_each(|id| out[*id] = true);
    for step in schedule.iter().rev() {
        let asked: Vec<Id> = step.ids().filter(|id| out[*id]).collect();
        let found: Vec<Option<Series>> = asked.iter().map(|id| known?.get(*id)).collect();
        let all = found.iter().all(Option::is_some);
        if asked.is_empty() || all {
            for (id, series) in asked.into_iter().zip(found.into_iter().flatten()) {
                (values[id], out[id]) = (Column::Made(series), false);
            }
            continue;
        }
        // Of circles that go together one is computed with the others.
        for id in step.ids() {
            plan.ops[id].needs(|of| out[of] = true);
            if let Op::Back(slot) = plan.ops[id] {
                out[plan.slots[slot]] = true;
            }
        }
    }
    out
}

fn ticks(market: &Market, clock: i64) -> Vec<(bool, bool)> {
    if clock == market.interval_ms {
        return Vec::new();
    }
    let mut ticks = Ticks::new(clock);
    (0..market.len()).map(|t| ticks.push(market.times[t], market.end_of(t))).collect()
}

impl<'m> Columns<'_, 'm> {
    /// Bars of a node's clock.
    fn len(&self, id: Id) -> usize {
        match usize::from(self.plan.clock_of[id]) {
            0 => self.market.len(),
            clock => self.closes[clock].len(),
        }
    }

    fn of(&self, id: Id, len: usize) -> &[f64] {
        &self.values[id][..len]
    }

    /// A node that is in no circle, over all bars at once.
    fn column(&self, id: Id) -> Result<Column<'m>, IndicatorError> {
        let (len, op, clock) = (self.len(id), &self.plan.ops[id], usize::from(self.plan.clock_of[id]));
        let of = |id: &Id| self.of(*id, len);
        Ok(match op {
            Op::Const(v) => vec![*v; self.market.len()].into(),
            Op::Column { symbol, field } if clock == 0 => Column::Market(column(self.market, *symbol, *field)?),
            Op::Column { symbol, field } => self.gathered(column(self.market, *symbol, *field)?, *field, clock).into(),
            Op::Calendar(calendar) => self.calendar(*calendar, clock, len).into(),
            Op::Unary(op, a) => op.column(of(a)).into(),
            Op::Binary(op, a, b) => op.column(of(a), of(b)).into(),
            Op::If(c, a, b) => {
                let (c, a, b) = (of(c), of(a), of(b));
                c.iter().zip(a).zip(b).map(|((c, a), b)| choose(*c, *a, *b)).collect::<Vec<_>>().into()
            }
            Op::Memory(Memory::Prev(n), a) => {
                let (n, a) = ((*n).min(len), of(a));
                [&vec![f64::NAN; n], &a[..len - n]].concat().into()
            }
            Op::Memory(kind, a) => {
                let mut state = MemoryState::new(*kind);
                of(a).iter().map(|x| state.push(*x)).collect::<Vec<_>>().into()
            }
            Op::Pair(kind, a, b) => {
                let mut state = PairState::new(*kind);
                of(a).iter().zip(of(b)).map(|(a, b)| state.push(*a, *b)).collect::<Vec<_>>().into()
            }
            Op::Across(across, ids) => {
                let columns: Vec<&[f64]> = ids.iter().map(of).collect();
                (0..len).map(|t| across.of(columns.iter().map(|c| c[t]))).collect::<Vec<_>>().into()
            }
            Op::Back(slot) => {
                let of = self.of(self.plan.slots[*slot], len);
                let n = len.min(1);
                [&[f64::NAN][..n], &of[..len - n]].concat().into()
            }
            Op::Held(a) => self.held(*a, clock).into(),
            // What waits for the account is no column.
            Op::Seen(..) | Op::Recalled(_) | Op::Born(..) => Vec::new().into(),
            Op::Ta { function, options, inputs } => {
                let columns: Vec<&[f64]> = inputs.iter().map(of).collect();
                Column::Made(Series::of(function.columns(&columns, options)?))
            }
            Op::Output(of, k) => match &self.values[*of] {
                Column::Made(series) => Column::Made(series.output(*k)),
                Column::Market(_) => Vec::new().into(),
            },
        })
    }

    fn gathered(&self, base: &[f64], field: Field, clock: usize) -> Vec<f64> {
        let mut gathering = Gathering::new(field);
        let bars = base.iter().zip(&self.ticks[clock]);
        let close = |(x, (opens, closes)): (&f64, &(bool, bool))| {
            gathering.push(*x, *opens);
            closes.then(|| gathering.close())
        };
        bars.filter_map(close).collect()
    }

    fn calendar(&self, calendar: Calendar, clock: usize, len: usize) -> Vec<f64> {
        let interval = self.plan.clocks.get(clock).copied().unwrap_or(self.market.interval_ms);
        let opening = |k: usize| match clock {
            0 => self.market.times[k],
            _ => self.market.end_of(self.closes[clock][k]) - interval,
        };
        (0..len).map(|k| calendar.of(opening(k), interval)).collect()
    }

    /// What a node of another clock was at its last close, bar by bar of a clock.
    fn held(&self, of: Id, clock: usize) -> Vec<f64> {
        let (inner, values) = (usize::from(self.plan.clock_of[of]), &self.values[of]);
        let bars: Box<dyn Iterator<Item = usize>> = match clock {
            0 => Box::new(0..self.market.len()),
            _ => Box::new(self.closes[clock].iter().copied()),
        };
        let mut closed = 0;
        let at = |t: usize| {
            if inner == 0 {
                return values[t];
            }
            while self.closes[inner].get(closed).is_some_and(|close| *close <= t) {
                closed += 1;
            }
            closed.checked_sub(1).map_or(f64::NAN, |k| values[k])
        };
        bars.map(at).collect()
    }

    /// Circles, bar by bar. What nobody needs afterwards (`spent`) is not kept.
    fn scan(&mut self, circles: &[Vec<Id>], spent: &[Id]) -> Result<(), IndicatorError> {
        let len = circles.iter().flatten().map(|id| self.len(*id)).min().unwrap_or_default();
        let kept = |id: Id| !spent.contains(&id);
        let done = circle::run(self.plan, circles, &self.values, len, &kept)?;
        let several = done.several.into_iter().map(|(id, outputs)| (id, Series::of(outputs)));
        let plain = done.columns.into_iter().map(|(id, column)| (id, Series::of(vec![column])));
        for (id, series) in plain.chain(several) {
            self.values[id] = Column::Made(series);
        }
        Ok(())
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
        let plan = Plan { clock_of: vec![0; ops.len()], ops, ..Plan::default() };
        let (mut live, mut most) = (0_usize, 0);
        for gone in spent(&plan, &schedule(&plan), [999].into_iter()) {
            live += 1;
            most = most.max(live);
            live -= gone.len();
        }
        assert_eq!((most, live), (3, 1), "only what is wanted is left");
        let market = crate::market::tests::walk(20, 1, 1);
        let values = evaluate(&plan, &market, [999].into_iter(), None).unwrap();
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
            let plan = Plan { ops: vec![Op::Column { symbol: 0, field }], clock_of: vec![0], ..Plan::default() };
            evaluate(&plan, market, [0].into_iter(), None).map(|v| v[0].to_vec()).map_err(|e| e.to_string())
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

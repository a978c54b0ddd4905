//! Names: counters, arguments, definitions, parameters, the calendar, columns.

use super::{
    Arg, At, CALENDAR, Compiler, Def, Diagnostic, Expr, Found, Kind, Later, Node, NodeId, Range, Twin, Type, Typed,
};
use super::{Block, TRADE, column, values};
use crate::strategy::block::names_one;
use std::collections::BTreeSet;

impl<'a> Compiler<'a> {
    pub(super) fn name(&mut self, name: &'a str, e: &'a Expr, at: At<'a>) -> Typed {
        if let Some(v) = self.counter(name, at) {
            return Ok((self.constant(v), Type::Number));
        }
        if name == "self" {
            return self.own(e, at);
        }
        if let Some(Arg { expr, at: caller }) = self.scopes[at.scope].args.get(name).copied() {
            return self.expr(expr, At { symbol: at.symbol, clock: at.clock, ..caller });
        }
        let block = self.scopes[at.scope].block;
        if let (Some((name, _)), Some(_)) = (block.defs.get_key_value(name), at.symbol) {
            return self.defined(name, e.span.clone(), at);
        }
        if at.scope == TRADE && self.program.block.defs.contains_key(name) && at.symbol.is_some() {
            return self.name(name, e, At { scope: 0, own: None, circle: None, ..at });
        }
        if let Some(found) = self.param(name) {
            return Ok(found);
        }
        if name == "unknown" {
            return Ok((self.constant(f64::NAN), Type::Number));
        }
        if at.symbol.is_some() {
            if let Some((_, calendar)) = CALENDAR.iter().find(|(word, _)| *word == name) {
                let t = if calendar.is_truth() { Type::Truth } else { Type::Number };
                return Ok((self.add(Node::Calendar(*calendar), at), t));
            }
            if let Some(id) = self.column(name, at) {
                return Ok((id, Type::Number));
            }
        }
        Err(self.not_known(name, e, at))
    }

    /// A parameter by its name.
    fn param(&mut self, name: &str) -> Option<(NodeId, Type)> {
        let place = self.params.iter().position(|p| p.0 == name)?;
        let t = match self.params[place].1 {
            Range::Text { choices, .. } => Type::Text(choices.clone()),
            Range::Bool { .. } => Type::Truth,
            _ => Type::Number,
        };
        Some((self.graph.add(Node::Param(place), 0), t))
    }

    fn counter(&self, name: &str, at: At<'a>) -> Option<f64> {
        let mut seen = at.vars;
        while let Some((var, value, beside)) = seen.map(|k| &self.vars[k]) {
            if var == name {
                return Some(*value);
            }
            seen = *beside;
        }
        None
    }

    fn not_known(&self, name: &str, e: &Expr, at: At<'a>) -> Diagnostic {
        let params = self.params.iter().map(|p| p.0);
        let span = e.span.clone();
        if at.symbol.is_none() {
            let what = format!("'{name}' is not a parameter; only parameters are known here");
            return Diagnostic::new(what, span).suggest(name, params);
        }
        let scope = &self.scopes[at.scope];
        let what = Diagnostic::new(format!("unknown name '{name}'"), span);
        if self.program.unread.contains(name) {
            return what.follows();
        }
        if self.symbols.iter().any(|s| s == name) {
            return what
                .help(format!("a symbol's column is {name}.close; all of an expression for it is on({name}, …)"));
        }
        let idiom = match name {
            "bar_index" | "n" => "count the bars with a state: [states] bars = { start = \"0\", next = \"self + 1\" }",
            "hl2" => "write (high + low) / 2",
            "hlc3" => "write (high + low + close) / 3",
            "ohlc4" => "write (open + high + low + close) / 4",
            "na" | "nan" | "NaN" | "None" | "null" => {
                "what is not known is 'unknown', and known(x, 0) gives another value for it"
            }
            "strategy" | "entry_price" | "avg_price" | "position_size" => {
                "the position is position.entry, position.side, position.profit, position.bars, …"
            }
            "bars_held" | "barssince_entry" => "the bars of a position are position.bars",
            "AND" | "OR" | "NOT" => "and, or and not are written small",
            "True" | "False" | "TRUE" | "FALSE" => "true and false are written small",
            "current_profit" | "profit" => "the profit of a position is position.profit, a fraction",
            "time" | "timeframe" | "dayofyear" => {
                "the calendar has hour, minute, weekday, day, month, year, new_day, new_week, new_month"
            }
            "dayofweek" => "the day of the week is weekday: 0 is Monday",
            "dayofmonth" => "the day of the month is day",
            "open_interest" | "market_cap" => "columns from outside are not there yet",
            _ if scope.function.is_some() && self.program.block.defs.contains_key(name) => {
                "a function sees columns, parameters and its arguments: pass it as an argument"
            }
            _ => {
                let defs =
                    scope.block.defs.keys().chain(self.program.block.defs.keys().filter(|_| scope.function.is_none()));
                let mut known: Vec<String> = params.map(String::from).chain(defs.cloned()).collect();
                known.extend(values().map(String::from));
                known.extend(scope.args.keys().map(|name| name.to_string()));
                return what.suggest(name, known.iter().map(String::as_str));
            }
        };
        what.help(idiom)
    }

    /// What the state that is being defined was on the bar before.
    fn own(&mut self, e: &'a Expr, at: At<'a>) -> Typed {
        let own = at.own.filter(|own| matches!(self.scopes[at.scope].block.defs.get(*own), Some(Def::State { .. })));
        let Some(own) = own else {
            return Err(Diagnostic::new("only the next of a state has a self", e.span.clone())
                .help("what a value was on the bar before is prev(x)"));
        };
        let truth = self.is_truth_of(own, at, 0);
        Ok(self.back(format!("={own}"), (Later::Own(own), e.span.clone()), at, truth))
    }

    /// What an expression of the own circle was on the bar before; nothing where it is of none.
    pub(super) fn before(&mut self, e: &'a Expr, at: At<'a>) -> Option<(NodeId, Type)> {
        let circle = at.circle?;
        if !names_one(e, self.scopes[at.scope].block, circle) {
            return None;
        }
        let truth = self.is_truth(e, at, 0);
        Some(match &e.kind {
            Kind::Name(name) if name != "self" => {
                self.back(format!("={name}"), (Later::Expr(e), e.span.clone()), at, truth)
            }
            _ => self.back(format!("{}", e.span.start), (Later::Expr(e), e.span.clone()), at, truth),
        })
    }

    fn back(
        &mut self,
        key: String,
        (what, span): (Later<'a>, std::ops::Range<usize>),
        at: At<'a>,
        truth: bool,
    ) -> (NodeId, Type) {
        let place = ((at.scope, at.symbol, at.clock), key);
        let known = self.slots.get(&place).copied();
        let (id, truth) = known.unwrap_or_else(|| {
            self.graph.slots.push(0);
            let span = match &what {
                Later::Expr(e) => e.span.clone(),
                Later::Own(_) => span,
            };
            self.asked.push((at.own.unwrap_or_default(), span));
            let slot = self.graph.slots.len() - 1;
            self.later.push((slot, what, at, truth));
            let node = match at.symbol {
                Some(symbol) if at.scope == TRADE => Node::Recalled(slot, symbol),
                _ => Node::Back(slot),
            };
            (self.graph.add(node, at.clock), truth)
        });
        self.slots.insert(place, (id, truth));
        (id, if truth { Type::Truth } else { Type::Number })
    }

    /// A definition, compiled with all that it needs on its bar, each before what needs it.
    pub(crate) fn defined(&mut self, name: &'a str, span: std::ops::Range<usize>, at: At<'a>) -> Typed {
        let place = (at.scope, at.symbol, at.clock);
        let done = |c: &Compiler<'a>, name: &str| c.found.get(&place).and_then(|f| f.get(name)).cloned();
        if done(self, name).is_none() {
            let block: &'a Block = self.scopes[at.scope].block;
            let (mut wanted, mut open) = (BTreeSet::new(), vec![name]);
            while let Some(name) = open.pop() {
                if done(self, name).is_none() && wanted.insert(name) {
                    open.extend(block.needs.get(name).into_iter().flatten().map(String::as_str));
                }
            }
            let mut ordered: Vec<(usize, &'a str)> = wanted.into_iter().map(|n| (block.rank(n), n)).collect();
            ordered.sort_unstable();
            for (_, name) in ordered {
                self.define(name, block, at)?;
            }
        }
        match done(self, name) {
            Some(Found::Done(id, t)) => Ok((id, t)),
            Some(Found::Open) => {
                Err(Diagnostic::new(format!("'{name}' needs its own value of this bar, through a function"), span)
                    .help("pass prev(…) or self to the function"))
            }
            _ => Err(Diagnostic::new(format!("'{name}' has a problem of its own"), span).follows()),
        }
    }

    /// What the file's own names are for each symbol on the clock of the data; what waits for the account is left out.
    pub(crate) fn named(&self) -> Vec<(usize, String, NodeId)> {
        let mut out = Vec::new();
        for symbol in 0..self.traded {
            for (name, found) in self.found.get(&(0, Some(symbol), 0)).into_iter().flatten() {
                match found {
                    Found::Done(_, Type::Outputs(parts)) if parts.len() > 1 => {
                        out.extend(parts.iter().map(|(part, id, _)| (symbol, format!("{name}.{part}"), *id)));
                    }
                    Found::Done(id, _) => out.push((symbol, name.to_string(), *id)),
                    Found::Open | Found::Failed => {}
                }
            }
        }
        out.retain(|(_, _, id)| !self.graph.account[*id]);
        out
    }

    fn define(&mut self, name: &'a str, block: &'a Block, at: At<'a>) -> Result<(), Diagnostic> {
        let (place, circle) = ((at.scope, at.symbol, at.clock), block.circle.get(name).copied());
        let at = At { own: Some(name), circle, mine: None, vars: None, ..at };
        self.found.entry(place).or_default().insert(name, Found::Open);
        let made = match block.defs.get(name) {
            Some(Def::Plain(e)) => self.expr(e, at),
            Some(Def::State { start, next }) if at.scope == TRADE => self.born(start, next, at),
            Some(Def::State { start, next }) => self.state(start, next, at),
            // An output that a function does not define was told where it stands.
            None => Err(Diagnostic::new(format!("'{name}' is not defined"), 0..1).follows()),
        };
        let (found, problem) = match made {
            Ok((id, t)) => (Found::Done(id, t), Ok(())),
            Err(d) => (Found::Failed, Err(d)),
        };
        self.found.entry(place).or_default().insert(name, found);
        problem
    }

    fn state(&mut self, start: &'a Expr, next: &'a Expr, at: At<'a>) -> Typed {
        let (first, t) = self.single(start, At { circle: at.circle, ..at })?;
        let then = self.typed(next, at, &t)?;
        if let Some(e) = [(first, start), (then, next)].into_iter().find(|(id, _)| self.graph.account[*id]).map(|f| f.1)
        {
            return Err(Diagnostic::new("a state never reads the account", e.span.clone())
                .help("what belongs to a position stands under [trade]"));
        }
        Ok((self.add(Node::Twin(Twin::State, first, then), at), t))
    }

    /// Whether a definition is true or false, as far as its text tells.
    fn is_truth_of(&self, name: &str, at: At<'a>, deep: usize) -> bool {
        let block: &'a Block = self.scopes[at.scope].block;
        match block.defs.get(name) {
            Some(Def::Plain(e) | Def::State { start: e, .. }) => self.is_truth(e, at, deep + 1),
            None => false,
        }
    }

    /// Whether an expression is true or false, as far as its text tells.
    fn is_truth(&self, e: &'a Expr, at: At<'a>, deep: usize) -> bool {
        use crate::strategy::op::Unary;
        if deep > 64 {
            return false;
        }
        match &e.kind {
            Kind::Bool(_) | Kind::Unary(Unary::Not, _) => true,
            Kind::Binary(op, ..) => op.is_logic() || op.is_comparison(),
            Kind::Name(name) if name == "self" => at.own.is_some_and(|own| self.is_truth_of(own, at, deep)),
            Kind::Name(name) => match self.scopes[at.scope].args.get(name.as_str()) {
                Some(Arg { expr, at }) => self.is_truth(expr, *at, deep + 1),
                None => {
                    let calendar = CALENDAR.iter().any(|(word, c)| word == name && c.is_truth());
                    let param = self.params.iter().any(|(p, r)| p == name && matches!(r, Range::Bool { .. }));
                    calendar && column(name).is_none() || param || self.is_truth_of(name, at, deep)
                }
            },
            Kind::Call(name, args) => match name.as_str() {
                "crosses_above" | "crosses_below" | "latch" => true,
                "known" if args.len() == 1 => true,
                "if" | "on" | "value_when" => args.get(1).is_some_and(|a| self.is_truth(a, at, deep + 1)),
                "prev" | "hold" | "known" | "mine" => args.first().is_some_and(|a| self.is_truth(a, at, deep + 1)),
                "across.top" | "across.bottom" => true,
                _ => false,
            },
            _ => false,
        }
    }
}

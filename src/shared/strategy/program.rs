//! The parsed expressions of a strategy file.

use super::block::{Block, Def};
use super::diagnostic::Diagnostic;
use super::file::{
    AddText, DefText, EntryText, ExitText, FunctionText, OrderText, Placed, SizeText, StateText, StrategyFile,
    TargetText, Weights,
};
use super::parse::{Expr, Kind, parse};
use std::collections::{BTreeMap, BTreeSet};

/// A function of the file.
#[derive(Debug, Clone, Default)]
pub struct FunctionDef {
    /// Names of its arguments.
    pub arguments: Vec<String>,
    /// Its definitions.
    pub block: Block,
    /// Names of those that a call gives.
    pub outputs: Vec<String>,
}

/// How much, as expressions.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum SizeExpr {
    Margin(Expr),
    Equity(Expr),
    Notional(Expr),
    Risk { fraction: Expr, distance: Expr },
    Volatility { target: Expr, of: Expr },
}

/// How an order fills, as expressions.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct OrderExpr {
    pub kind: OrderKind,
    pub price: Option<Expr>,
    pub expires: Option<Expr>,
}

/// Kinds of orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum OrderKind {
    Market,
    Limit,
    Stop,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Opens a position of a side, +1 or −1.
    Enter(f64),
    /// Adds to the one that stands, up to so many times.
    Add(u32),
    /// A ladder that comes with an entry: `k` from 1 to so many.
    Ladder(u32),
    /// Closes a part, or all of it.
    Leave(Option<Expr>),
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct RuleExpr {
    pub act: Act,
    pub tag: String,
    pub when: Option<Expr>,
    pub order: OrderExpr,
    pub size: Option<SizeExpr>,
    pub leverage: Option<Expr>,
}

/// What to hold.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct TargetExpr {
    pub all: Option<Expr>,
    pub each: BTreeMap<String, Expr>,
    pub when: Expr,
    pub band: Option<Expr>,
    pub together: bool,
}

/// The parsed expressions of a strategy, places counted from the start of the file.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Named expressions and states.
    pub block: Block,
    /// What belongs to a position.
    pub trade: Block,
    /// Functions.
    pub functions: BTreeMap<String, FunctionDef>,
    /// Signals, stops and sizing by field name.
    pub fields: BTreeMap<&'static str, Expr>,
    /// Steps of a stop that follows: profit and distance.
    pub trailing: Vec<(Option<Expr>, Expr)>,
    /// The size of positions.
    pub size: Option<SizeExpr>,
    /// Rules by name.
    pub rules: Vec<RuleExpr>,
    /// What to hold.
    pub target: Option<TargetExpr>,
    /// Constraints with their text.
    pub constraints: Vec<(String, Expr)>,
    /// When a parameter counts.
    pub conditions: Vec<(String, Expr)>,
    /// Names that are defined, and whose definition could not be read.
    pub unread: BTreeSet<String>,
}

struct Parsing<'t> {
    text: &'t str,
    problems: Vec<Diagnostic>,
}

impl Parsing<'_> {
    fn expr(&mut self, text: &Placed) -> Option<Expr> {
        // A text with escapes does not stand in the file as it reads; its problems point at its start.
        let raw = self.text.get(text.span()).unwrap_or_default();
        let base = text.span().start + raw.find(&text.get_ref().0).unwrap_or(0);
        match parse(&text.get_ref().0) {
            Ok(mut expr) => {
                expr.shift(base);
                Some(expr)
            }
            Err(d) => {
                self.problems.push(d.shifted(base));
                None
            }
        }
    }

    fn some(&mut self, text: Option<&Placed>) -> Option<Expr> {
        text.and_then(|text| self.expr(text))
    }

    fn state(&mut self, state: &StateText) -> Option<Def> {
        let start = self.expr(&state.start);
        let next = match &state.next {
            Some(next) => self.expr(next),
            None => Some(Expr { kind: Kind::Name("self".into()), span: state.start.span(), height: 1 }),
        };
        Some(Def::State { start: start?, next: next? })
    }

    fn block(&mut self, defs: BTreeMap<String, Def>) -> Block {
        match Block::new(defs) {
            Ok(block) => block,
            Err(found) => {
                self.problems.extend(found);
                Block::default()
            }
        }
    }

    fn function(&mut self, name: &str, function: &FunctionText) -> Option<(String, FunctionDef)> {
        match function {
            FunctionText::Short(text) => {
                let e = self.expr(text)?;
                let malformed =
                    || Diagnostic::new(format!("'{name}' is no function"), text.span()).help("\"name(a, b)\" = \"…\"");
                let Some((word, args)) = name.strip_suffix(')').and_then(|n| n.split_once('(')) else {
                    self.problems.push(malformed());
                    return None;
                };
                let arguments = args.split(',').map(|a| a.trim().to_string()).filter(|a| !a.is_empty()).collect();
                let result = String::from("result");
                let block = self.block(BTreeMap::from([(result.clone(), Def::Plain(e))]));
                Some((word.trim().into(), FunctionDef { arguments, block, outputs: vec![result] }))
            }
            FunctionText::Long(long) => {
                let mut defs = BTreeMap::new();
                for (name, def) in &long.defs {
                    let def = match def {
                        DefText::Plain(text) => self.expr(text).map(Def::Plain),
                        DefText::State(state) => self.state(state),
                    };
                    defs.extend(def.map(|def| (name.clone(), def)));
                }
                let block = self.block(defs);
                let (arguments, outputs) = (long.arguments.clone(), long.outputs.clone());
                if let Some(missing) = outputs.iter().find(|o| !long.defs.contains_key(*o)) {
                    let place = long.defs.values().next().map_or(0..1, |d| match d {
                        DefText::Plain(t) | DefText::State(StateText { start: t, .. }) => t.span(),
                    });
                    self.problems.push(Diagnostic::new(
                        format!("the function '{name}' has no '{missing}', which it should give"),
                        place,
                    ));
                }
                Some((name.into(), FunctionDef { arguments, block, outputs }))
            }
        }
    }

    fn size(&mut self, margin: Option<&Placed>, size: &SizeText) -> Option<SizeExpr> {
        let mut found = Vec::new();
        found.extend(margin.and_then(|m| self.expr(m)).map(SizeExpr::Margin));
        found.extend(self.some(size.size.as_ref()).map(SizeExpr::Equity));
        found.extend(self.some(size.notional_usdt.as_ref()).map(SizeExpr::Notional));
        if let Some(risk) = &size.risk {
            let (fraction, distance) = (self.expr(&risk.fraction), self.expr(&risk.distance));
            found.extend(fraction.zip(distance).map(|(fraction, distance)| SizeExpr::Risk { fraction, distance }));
        }
        if let Some(v) = &size.volatility {
            let (target, of) = (self.expr(&v.target), self.expr(&v.of));
            found.extend(target.zip(of).map(|(target, of)| SizeExpr::Volatility { target, of }));
        }
        if found.len() > 1 {
            let place = found.last().map_or(0..1, |s| s.place());
            self.problems.push(Diagnostic::new(
                "a size is said once: margin_fraction, size, notional_usdt, risk or volatility",
                place,
            ));
        }
        found.into_iter().next()
    }

    fn order(&mut self, order: &OrderText) -> OrderExpr {
        let kind = match order.order.as_ref().map(|o| (o.get_ref().as_str(), o.span())) {
            None | Some(("market", _)) => OrderKind::Market,
            Some(("limit", _)) => OrderKind::Limit,
            Some(("stop", _)) => OrderKind::Stop,
            Some((other, place)) => {
                self.problems.push(Diagnostic::new(format!("'{other}' is no order: market, limit or stop"), place));
                OrderKind::Market
            }
        };
        let (price, expires) = (self.some(order.price.as_ref()), self.some(order.expires.as_ref()));
        if let (OrderKind::Market, Some(expires)) = (kind, &order.expires) {
            self.problems
                .push(Diagnostic::new("a market order does not expire: it is filled at the next open", expires.span()));
        }
        if (kind != OrderKind::Market) != order.price.is_some() {
            let place = order.order.as_ref().map(toml::Spanned::span).or(order.price.as_ref().map(toml::Spanned::span));
            let what = "a limit or stop order has a price, and a market order has none";
            self.problems.push(Diagnostic::new(what, place.unwrap_or(0..1)));
        }
        OrderExpr { kind, price, expires }
    }

    fn entry(&mut self, e: &EntryText) -> Option<RuleExpr> {
        let side = match e.side.get_ref().as_str() {
            "long" => 1.0,
            "short" => -1.0,
            other => {
                self.problems.push(Diagnostic::new(format!("'{other}' is no side: long or short"), e.side.span()));
                return None;
            }
        };
        let (when, order) = (self.expr(&e.when), self.order(&e.order));
        let (size, leverage) = (self.size(e.margin_fraction.as_ref(), &e.size), self.some(e.leverage.as_ref()));
        Some(RuleExpr { act: Act::Enter(side), tag: e.tag.get_ref().clone(), when: Some(when?), order, size, leverage })
    }

    fn add(&mut self, number: usize, a: &AddText) -> Option<RuleExpr> {
        let tag = a.tag.as_ref().map_or_else(|| format!("add-{}", number + 1), |t| t.get_ref().clone());
        let (order, size, when) = (self.order(&a.order), self.size(None, &a.size), self.some(a.when.as_ref()));
        let max = a.max.unwrap_or(1);
        let act = match a.place.as_ref().map(|p| (p.get_ref().as_str(), p.span())) {
            None => Act::Add(max),
            Some(("with_entry", place)) => {
                if order.kind == OrderKind::Market || max > 50 {
                    let what = "a ladder is of limit or stop orders, at most 50";
                    self.problems.push(Diagnostic::new(what, place));
                }
                Act::Ladder(max.min(50))
            }
            Some((other, place)) => {
                let d = Diagnostic::new(format!("'{other}' is no place of an add"), place);
                self.problems.push(d.help("place = \"with_entry\" is a ladder of orders, k from 1 to max"));
                return None;
            }
        };
        Some(RuleExpr { act, tag, when, order, size, leverage: None })
    }

    fn exit(&mut self, e: &ExitText) -> Option<RuleExpr> {
        let (when, part, order) = (self.expr(&e.when), self.some(e.part.as_ref()), self.order(&e.order));
        let tag = e.name.get_ref().clone();
        Some(RuleExpr { act: Act::Leave(part), tag, when: Some(when?), order, size: None, leverage: None })
    }

    fn target(&mut self, t: &TargetText) -> Option<TargetExpr> {
        let (all, each) = match &t.weight {
            Weights::All(text) => (self.expr(text), BTreeMap::new()),
            Weights::Each(each) => {
                let each = each.iter().filter_map(|(s, text)| Some((s.clone(), self.expr(text)?))).collect();
                (None, each)
            }
        };
        let (when, band) = (self.expr(&t.when), self.some(t.band.as_ref()));
        Some(TargetExpr { all, each, when: when?, band, together: t.together })
    }
}

impl SizeExpr {
    /// Where it stands.
    pub fn place(&self) -> std::ops::Range<usize> {
        match self {
            SizeExpr::Margin(e) | SizeExpr::Equity(e) | SizeExpr::Notional(e) => e.span.clone(),
            SizeExpr::Risk { fraction: e, .. } | SizeExpr::Volatility { target: e, .. } => e.span.clone(),
        }
    }
}

impl Program {
    /// Parses every expression of a file. Gives what could be read of it, and each expression's first problem.
    pub fn parse(file: &StrategyFile, text: &str) -> (Program, Vec<Diagnostic>) {
        let mut p = Parsing { text, problems: Vec::new() };
        let mut defs = BTreeMap::new();
        for (name, source) in &file.indicators {
            defs.extend(p.expr(source).map(|e| (name.clone(), Def::Plain(e))));
        }
        for (name, state) in &file.states {
            defs.extend(p.state(state).map(|def| (name.clone(), def)));
        }
        let trade = file.trade.iter().filter_map(|(name, state)| Some((name.clone(), p.state(state)?))).collect();
        let functions = file.functions.iter().filter_map(|(name, f)| p.function(name, f)).collect();
        let (block, trade) = (p.block(defs), p.block(trade));
        let mut out = Program { block, trade, functions, ..Program::default() };
        out.constraints = file.constraints.iter().filter_map(|c| Some((c.get_ref().0.clone(), p.expr(c)?))).collect();
        out.conditions = file.conditions.iter().filter_map(|(name, e)| Some((name.clone(), p.expr(e)?))).collect();
        for (name, source) in file.fields() {
            out.fields.extend(p.some(source).map(|e| (name, e)));
        }
        out.trailing = file
            .stops
            .levels
            .trailing
            .iter()
            .filter_map(|step| Some((p.some(step.after.as_ref()), p.expr(&step.distance)?)))
            .collect();
        out.size = p.size(file.sizing.margin_fraction.as_ref(), &file.sizing.other);
        out.rules = file.exits.iter().filter_map(|e| p.exit(e)).collect();
        out.rules.extend(file.entries.iter().filter_map(|e| p.entry(e)));
        out.rules.extend(file.adds.iter().enumerate().filter_map(|(n, a)| p.add(n, a)));
        out.target = file.target.as_ref().and_then(|t| p.target(t));
        if !p.problems.is_empty() {
            out.unread = file.names().into_iter().filter(|name| !out.knows(name)).collect();
        }
        (out, p.problems)
    }

    fn knows(&self, name: &str) -> bool {
        let function = |(known, f): (&String, &FunctionDef)| known == name || f.block.defs.contains_key(name);
        self.block.defs.contains_key(name) || self.trade.defs.contains_key(name) || self.functions.iter().any(function)
    }

    /// Names of rules in the order of their numbers; the first is that of none.
    pub fn tags(&self) -> Vec<String> {
        let mut out = vec![String::new()];
        for rule in &self.rules {
            if !out.contains(&rule.tag) {
                out.push(rule.tag.clone());
            }
        }
        out
    }
}

impl StrategyFile {
    /// All names that it defines, those inside its functions too.
    fn names(&self) -> BTreeSet<String> {
        let word = |name: &String| name.split('(').next().unwrap_or_default().trim().to_string();
        let inside = self.functions.values().flat_map(|f| match f {
            FunctionText::Short(_) => Vec::new(),
            FunctionText::Long(long) => long.defs.keys().cloned().collect(),
        });
        let blocks = self.indicators.keys().chain(self.states.keys()).chain(self.trade.keys()).cloned();
        blocks.chain(self.functions.keys().map(word)).chain(inside).collect()
    }

    /// Its single expressions by their names.
    fn fields(&self) -> [(&'static str, Option<&Placed>); 11] {
        let (s, t, z) = (&self.signals, &self.stops, &self.sizing);
        [
            ("long_entry", s.long_entry.as_ref()),
            ("long_exit", s.long_exit.as_ref()),
            ("short_entry", s.short_entry.as_ref()),
            ("short_exit", s.short_exit.as_ref()),
            ("stop_loss", t.stop_loss.as_ref()),
            ("take_profit", t.take_profit.as_ref()),
            ("trailing_stop", t.trailing_stop.as_ref()),
            ("stop_price", t.levels.stop_price.as_ref()),
            ("target_price", t.levels.target_price.as_ref()),
            ("max_bars", t.levels.max_bars.as_ref()),
            ("leverage", z.leverage.as_ref()),
        ]
    }
}

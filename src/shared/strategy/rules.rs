//! Rules of one symbol as nodes: of a graph while it is compiled, of a plan once it is bound.

use super::compile::{At, Compiler};
use super::diagnostic::Diagnostic;
use super::file::StrategyFile;
use super::graph::Check;
use super::parse::{Expr, Kind};
use super::program::{Act, OrderExpr, OrderKind, Program, RuleExpr, SizeExpr};

/// Position of a node, in a graph or a plan.
pub type Place = usize;

/// How much.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)]
pub enum Size {
    Margin(Place),
    Equity(Place),
    Notional(Place),
    Risk { fraction: Place, distance: Place },
    Volatility { target: Place, of: Place },
}

/// How an order fills.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)]
pub struct Order {
    pub kind: OrderKind,
    pub price: Option<Place>,
    pub expires: Option<Place>,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Does {
    Enter(f64),
    Add(u32),
    /// A ladder: orders and sizes of its rungs.
    Ladder(Vec<(Order, Option<Size>)>),
    Leave(Option<Place>),
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Rule {
    pub does: Does,
    pub tag: u16,
    pub when: Option<Place>,
    pub order: Order,
    pub size: Option<Size>,
    pub leverage: Option<Place>,
}

/// Levels of a position.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs)]
pub struct LevelPlaces {
    pub stop_loss: Option<Place>,
    pub take_profit: Option<Place>,
    pub trailing_stop: Option<Place>,
    pub stop_price: Option<Place>,
    pub target_price: Option<Place>,
    pub max_bars: Option<Place>,
    /// Profit and distance of each step.
    pub trailing: Vec<(Option<Place>, Place)>,
}

/// All rules of a symbol.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SymbolRules {
    /// In the order in which they are looked at.
    pub rules: Vec<Rule>,
    /// Levels.
    pub levels: LevelPlaces,
    /// The weight to hold, and when it is looked at.
    pub target: Option<(Place, Place)>,
}

impl Size {
    /// The same over other places.
    pub fn map(self, f: &impl Fn(Place) -> Place) -> Size {
        match self {
            Size::Margin(a) => Size::Margin(f(a)),
            Size::Equity(a) => Size::Equity(f(a)),
            Size::Notional(a) => Size::Notional(f(a)),
            Size::Risk { fraction, distance } => Size::Risk { fraction: f(fraction), distance: f(distance) },
            Size::Volatility { target, of } => Size::Volatility { target: f(target), of: f(of) },
        }
    }
}

impl Size {
    /// Tells every place in it.
    pub fn each(self, mut tell: impl FnMut(Place)) {
        match self {
            Size::Margin(a) | Size::Equity(a) | Size::Notional(a) => tell(a),
            Size::Risk { fraction: a, distance: b } | Size::Volatility { target: a, of: b } => {
                tell(a);
                tell(b);
            }
        }
    }
}

impl Order {
    fn map(self, f: &impl Fn(Place) -> Place) -> Order {
        Order { kind: self.kind, price: self.price.map(f), expires: self.expires.map(f) }
    }
}

impl LevelPlaces {
    /// Every place in it.
    pub fn map(&self, f: &impl Fn(Place) -> Place) -> LevelPlaces {
        LevelPlaces {
            stop_loss: self.stop_loss.map(f),
            take_profit: self.take_profit.map(f),
            trailing_stop: self.trailing_stop.map(f),
            stop_price: self.stop_price.map(f),
            target_price: self.target_price.map(f),
            max_bars: self.max_bars.map(f),
            trailing: self.trailing.iter().map(|(after, distance)| (after.map(f), f(*distance))).collect(),
        }
    }
}

impl LevelPlaces {
    /// Tells every place in it.
    pub fn each(&self, tell: impl FnMut(Place)) {
        let tell = std::cell::RefCell::new(tell);
        self.map(&|place| {
            (tell.borrow_mut())(place);
            place
        });
    }
}

impl SymbolRules {
    /// The same rules over other places.
    pub fn map(&self, f: &impl Fn(Place) -> Place) -> SymbolRules {
        let rung = |(order, size): &(Order, Option<Size>)| (order.map(f), size.map(|s| s.map(f)));
        let rule = |r: &Rule| Rule {
            does: match &r.does {
                Does::Ladder(rungs) => Does::Ladder(rungs.iter().map(rung).collect()),
                Does::Leave(part) => Does::Leave(part.map(f)),
                other => other.clone(),
            },
            tag: r.tag,
            when: r.when.map(f),
            order: r.order.map(f),
            size: r.size.map(|s| s.map(f)),
            leverage: r.leverage.map(f),
        };
        SymbolRules {
            rules: self.rules.iter().map(rule).collect(),
            levels: self.levels.map(f),
            target: self.target.map(|(weight, when)| (f(weight), f(when))),
        }
    }

    /// Tells every place in it.
    pub fn each(&self, tell: impl FnMut(Place)) {
        let tell = std::cell::RefCell::new(tell);
        self.map(&|place| {
            (tell.borrow_mut())(place);
            place
        });
    }
}

type Keep<'k> = &'k mut dyn FnMut(Diagnostic);

/// Compiles the rules of a symbol.
pub(super) fn compile<'a>(
    c: &mut Compiler<'a>,
    program: &'a Program,
    file: &StrategyFile,
    symbol: usize,
    keep: Keep<'_>,
) -> SymbolRules {
    let at = At::rule(symbol);
    let rules = program.rules.iter().filter_map(|r| rule(c, r, at).map_err(&mut *keep).ok()).collect();
    let levels = levels(c, program, at, keep);
    let target = program.target.as_ref().and_then(|t| {
        let weight = t.all.as_ref().or_else(|| t.each.get(&file.symbols[symbol]))?;
        let found = within(c, weight, at, (-100.0, 100.0)).and_then(|weight| Ok((weight, c.truth(&t.when, at)?)));
        found.map_err(&mut *keep).ok()
    });
    SymbolRules { rules, levels, target }
}

pub(super) fn size<'a>(c: &mut Compiler<'a>, size: &'a SizeExpr, at: At<'a>) -> Result<Size, Diagnostic> {
    Ok(match size {
        SizeExpr::Margin(e) => Size::Margin(within(c, e, at, (1e-6, 1.0))?),
        SizeExpr::Equity(e) => Size::Equity(within(c, e, at, (1e-6, 100.0))?),
        SizeExpr::Notional(e) => Size::Notional(within(c, e, at, (1e-6, 1e12))?),
        SizeExpr::Risk { fraction, distance } => Size::Risk {
            fraction: within(c, fraction, at, (1e-6, 1.0))?,
            distance: within(c, distance, at, (1e-12, 1e12))?,
        },
        SizeExpr::Volatility { target, of } => {
            Size::Volatility { target: within(c, target, at, (1e-6, 10.0))?, of: within(c, of, at, (1e-6, 1e6))? }
        }
    })
}

/// A number that must lie between two others where it is of numbers and parameters only; what depends on data is looked
/// at when it is known.
fn within<'a>(c: &mut Compiler<'a>, e: &'a Expr, at: At<'a>, (low, high): (f64, f64)) -> Result<Place, Diagnostic> {
    let node = c.number(e, at)?;
    if c.graph.fixed[node] {
        c.graph.checks.push(Check::Between { node, low, high, span: e.span.clone() });
    }
    Ok(node)
}

/// An expression of numbers and parameters only, between two numbers.
fn fixed<'a>(c: &mut Compiler<'a>, e: &'a Expr, at: At<'a>, (low, high): (f64, f64)) -> Result<Place, Diagnostic> {
    let node = c.number(e, at)?;
    if !c.graph.fixed[node] {
        return Err(Diagnostic::new("this is made of numbers and parameters only", e.span.clone()));
    }
    c.graph.checks.push(Check::Between { node, low, high, span: e.span.clone() });
    Ok(node)
}

fn order<'a>(c: &mut Compiler<'a>, o: &'a OrderExpr, at: At<'a>) -> Result<Order, Diagnostic> {
    let price = o.price.as_ref().map(|p| c.number(p, at)).transpose()?;
    let expires = o.expires.as_ref().map(|e| fixed(c, e, at, (1.0, 1e6))).transpose()?;
    Ok(Order { kind: o.kind, price, expires })
}

fn rule<'a>(c: &mut Compiler<'a>, r: &'a RuleExpr, at: At<'a>) -> Result<Rule, Diagnostic> {
    let does = match &r.act {
        Act::Enter(side) => Does::Enter(*side),
        Act::Add(max) => Does::Add(*max),
        Act::Leave(part) => Does::Leave(part.as_ref().map(|p| within(c, p, at, (1e-6, 1.0))).transpose()?),
        Act::Ladder(rungs) => {
            let mut out = Vec::new();
            for k in 1..=*rungs {
                let at = c.counting("k", f64::from(k), at);
                let size = r.size.as_ref().map(|s| size(c, s, at)).transpose()?;
                out.push((order(c, &r.order, at)?, size));
            }
            Does::Ladder(out)
        }
    };
    let tag = c.tags.iter().position(|t| *t == r.tag).unwrap_or_default() as u16;
    let when = r.when.as_ref().map(|w| c.truth(w, at)).transpose()?;
    let (order, size) = match does {
        Does::Ladder(_) => (Order { kind: OrderKind::Market, price: None, expires: None }, None),
        _ => (order(c, &r.order, at)?, r.size.as_ref().map(|s| size(c, s, at)).transpose()?),
    };
    let leverage = r.leverage.as_ref().map(|l| fixed(c, l, at, (1.0, 150.0))).transpose()?;
    Ok(Rule { does, tag, when, order, size, leverage })
}

fn levels<'a>(c: &mut Compiler<'a>, program: &'a Program, at: At<'a>, keep: Keep<'_>) -> LevelPlaces {
    let mut one = |name: &str, below: Option<f64>| {
        let e = program.fields.get(name)?;
        let node = c.number(e, at).map_err(&mut *keep).ok()?;
        if let (true, Some(below)) = (c.graph.fixed[node], below) {
            c.graph.checks.push(Check::Stop { node, below, span: e.span.clone() });
        }
        Some(node)
    };
    let mut out = LevelPlaces {
        stop_loss: one("stop_loss", Some(1.0)),
        take_profit: one("take_profit", Some(100.0)),
        trailing_stop: one("trailing_stop", Some(1.0)),
        stop_price: one("stop_price", None),
        target_price: one("target_price", None),
        max_bars: None,
        trailing: Vec::new(),
    };
    out.max_bars = program.fields.get("max_bars").and_then(|e| match e.kind {
        Kind::Duration(_) => c.bars(e, 1, at).map_err(&mut *keep).ok(),
        _ => fixed(c, e, at, (1.0, 1e6)).map_err(&mut *keep).ok(),
    });
    for (after, distance) in &program.trailing {
        let after = after.as_ref().map(|a| within(c, a, at, (0.0, 100.0))).transpose();
        let found = after.and_then(|after| Ok((after, within(c, distance, at, (1e-6, 0.999_999))?)));
        out.trailing.extend(found.map_err(&mut *keep).ok());
    }
    out
}

//! Other clocks and symbols: `on(4h, …)`, `on(BTCUSDT, …)`, `on(BTCUSDT@4h, …)`, and members.

use super::{At, Compiler, Diagnostic, Expr, Kind, Node, Type, Typed, arity, column};
use crate::market::FIELDS;
use crate::strategy::clock::begins;
use crate::time::{DAY_MS, interval_text};

impl<'a> Compiler<'a> {
    /// All of an expression on another clock or symbol, seen after its close.
    pub(super) fn on(&mut self, args: &'a [Expr], e: &'a Expr, at: At<'a>) -> Typed {
        arity(args, 2, "on(4h, x), on(BTCUSDT, x) or on(BTCUSDT@4h, x)", e)?;
        let inside = self.place(&args[0], at)?;
        let (id, t) = self.expr(&args[1], inside)?;
        if self.graph.account[id] {
            let what = "what the account shows is of this bar, on no other clock or symbol";
            return Err(Diagnostic::new(what, args[1].span.clone()));
        }
        if let Type::Outputs(parts) = t {
            let parts: Vec<_> = parts.into_iter().map(|(name, id, t)| (name, self.held(id, inside, at), t)).collect();
            return Ok((parts.first().map_or(id, |p| p.1), Type::Outputs(parts)));
        }
        Ok((self.held(id, inside, at), t))
    }

    fn held(&mut self, id: super::NodeId, inside: At<'a>, at: At<'a>) -> super::NodeId {
        let same = inside.clock == at.clock || self.graph.fixed[id];
        if same { id } else { self.add(Node::Held(id), at) }
    }

    /// The clock and symbol that a text names.
    fn place(&mut self, e: &'a Expr, at: At<'a>) -> Result<At<'a>, Diagnostic> {
        match &e.kind {
            Kind::Duration(ms) => self.clock(*ms, e, at),
            Kind::Name(name) => self.of_symbol(name, e, at),
            Kind::At(of, ms) => match &of.kind {
                Kind::Name(name) => {
                    let at = self.of_symbol(name, of, at)?;
                    self.clock(*ms, e, at)
                }
                _ => Err(Diagnostic::new("before '@' stands a symbol", of.span.clone())),
            },
            Kind::Text(text) => Err(Diagnostic::new("a clock or symbol stands without quotes", e.span.clone())
                .help(format!("on({text}, x)"))),
            _ => Err(Diagnostic::new("this is neither a clock such as 4h nor a symbol", e.span.clone())
                .help("on(4h, x), on(BTCUSDT, x) or on(BTCUSDT@4h, x)")),
        }
    }

    fn of_symbol(&mut self, name: &str, e: &Expr, at: At<'a>) -> Result<At<'a>, Diagnostic> {
        match self.symbols.iter().position(|s| s == name) {
            Some(symbol) => Ok(At { symbol: Some(symbol), ..at }),
            None => {
                let what = format!("'{name}' is not one of the symbols");
                let known = self.symbols.iter().map(String::as_str);
                let foreign = name.len() > 3 && name.chars().all(|c| c.is_alphanumeric() && !c.is_lowercase());
                let problem = Diagnostic::new(what, e.span.clone()).suggest(name, known);
                let way = format!("read it without trading it: references = [\"{name}\"]");
                Err(if foreign { problem.help(way) } else { problem })
            }
        }
    }

    fn clock(&mut self, ms: i64, e: &Expr, at: At<'a>) -> Result<At<'a>, Diagnostic> {
        let base = self.graph.clocks[0];
        let divides = DAY_MS % ms == 0 || ms % DAY_MS == 0;
        if ms % base != 0 || !divides || !begins(0, base) {
            let (own, clock) = (interval_text(base), interval_text(ms));
            let what = format!("bars of {clock} cannot be made of bars of {own}");
            return Err(Diagnostic::new(what, e.span.clone())
                .help("a clock is a multiple of the interval, and divides the day or is whole days"));
        }
        let known = self.graph.clocks.iter().position(|c| *c == ms);
        let clock = known.unwrap_or_else(|| {
            self.graph.clocks.push(ms);
            self.graph.clocks.len() - 1
        });
        match u8::try_from(clock) {
            Ok(clock) if clock < 32 => Ok(At { clock, ..at }),
            _ => Err(Diagnostic::new("a strategy has at most 32 clocks", e.span.clone())),
        }
    }

    /// `symbol.column`, `symbol@4h.column`, `indicator.output`, `position.profit`.
    pub(super) fn member(&mut self, of: &'a Expr, member: &str, e: &'a Expr, at: At<'a>) -> Typed {
        if let Some(found) = self.seen(of, member, e, at) {
            return found;
        }
        let known = |c: &Compiler<'_>, name: &str| c.symbols.iter().any(|s| s == name);
        let foreign = |name: &str| name.len() > 3 && name.chars().all(|c| c.is_alphanumeric() && !c.is_lowercase());
        let placed = match &of.kind {
            Kind::Name(name) => known(self, name) || foreign(name) && column(member).is_some(),
            Kind::At(..) => true,
            _ => false,
        };
        if placed && at.symbol.is_some() {
            let inside = self.place(of, at)?;
            let id = self.column(member, inside).ok_or_else(|| {
                Diagnostic::new(format!("'{member}' is not a column"), e.span.clone())
                    .suggest(member, FIELDS.iter().map(|f| f.1))
            })?;
            return Ok((self.held(id, inside, at), Type::Number));
        }
        match self.expr(of, at)? {
            (_, Type::Outputs(parts)) => match parts.iter().find(|p| p.0 == *member) {
                Some((_, id, t)) => Ok((*id, t.clone())),
                None => {
                    let names: Vec<&str> = parts.iter().map(|p| p.0.as_str()).collect();
                    Err(Diagnostic::new(format!("there is no output '{member}'"), e.span.clone())
                        .help(format!("the outputs are {}", names.join(", "))))
                }
            },
            _ => Err(Diagnostic::new("only symbols and functions with several outputs have members", e.span.clone())),
        }
    }
}

//! Over all symbols that are traded: `across.rank(x)`, `across.sum(x)`, `mine(x)`.

use super::{At, Compiler, Diagnostic, Expr, Kind, Node, NodeId, Type, Typed, arity};
use crate::strategy::op::Binary;
use crate::strategy::plan::Across;

/// The functions over symbols.
pub(super) const ACROSS: [&str; 9] = [
    "across.sum",
    "across.mean",
    "across.median",
    "across.min",
    "across.max",
    "across.count",
    "across.rank",
    "across.top",
    "across.bottom",
];

/// Whether an expression names the symbol that asks.
fn asks(e: &Expr) -> bool {
    matches!(&e.kind, Kind::Call(name, _) if name == "mine") || e.parts().into_iter().any(asks)
}

impl<'a> Compiler<'a> {
    /// What each symbol's own value is, in the order of symbols.
    fn everywhere(&mut self, e: &'a Expr, at: At<'a>, symbol: usize) -> Result<Vec<NodeId>, Diagnostic> {
        // Without the symbol that asks it is the same for all of them.
        let mine = asks(e).then_some(symbol);
        let key = (std::ptr::from_ref(e) as usize, (at.scope, mine, at.clock), at.vars);
        if let Some(known) = self.everywhere.get(&key) {
            return Ok(known.clone());
        }
        let own = |other| At { symbol: Some(other), mine, ..at };
        let all: Vec<NodeId> = (0..self.traded).map(|other| self.number(e, own(other))).collect::<Result<_, _>>()?;
        if all.iter().any(|id| self.graph.account[*id]) {
            return Err(Diagnostic::new("what the account shows is of one symbol", e.span.clone()));
        }
        self.everywhere.insert(key, all.clone());
        Ok(all)
    }

    /// A function over all symbols.
    pub(super) fn across(&mut self, name: &str, args: &'a [Expr], e: &'a Expr, at: At<'a>) -> Typed {
        let Some(symbol) = at.symbol else {
            return Err(Diagnostic::new("symbols are not known here", e.span.clone()));
        };
        let word = name.trim_start_matches("across.");
        let kind = match word {
            "sum" => Across::Sum,
            "mean" => Across::Mean,
            "median" => Across::Median,
            "min" => Across::Min,
            "max" => Across::Max,
            "count" => Across::Count,
            "rank" | "top" | "bottom" => Across::Rank(symbol),
            _ => {
                let problem = Diagnostic::new(format!("unknown function '{name}'"), e.span.clone());
                return Err(problem.suggest(name, ACROSS));
            }
        };
        if matches!(kind, Across::Rank(_)) && symbol >= self.traded {
            return Err(Diagnostic::new("a symbol that is only read has no rank", e.span.clone()));
        }
        if !matches!(word, "top" | "bottom") {
            arity(args, 1, &format!("{name}(x)"), e)?;
            let all = self.everywhere(&args[0], at, symbol)?;
            return Ok((self.add(Node::Across(kind, all), at), Type::Number));
        }
        arity(args, 2, &format!("{name}(x, n)"), e)?;
        let all = self.everywhere(&args[0], at, symbol)?;
        let n = self.number(&args[1], at)?;
        let rank = self.add(Node::Across(kind, all.clone()), at);
        let top = if word == "top" {
            self.add(Node::Binary(Binary::LessEqual, rank, n), at)
        } else {
            let count = self.add(Node::Across(Across::Count, all), at);
            let above = self.add(Node::Binary(Binary::Subtract, count, n), at);
            self.add(Node::Binary(Binary::Greater, rank, above), at)
        };
        Ok((top, Type::Truth))
    }

    /// Inside `across`, the value of the symbol that asks.
    pub(super) fn mine(&mut self, args: &'a [Expr], e: &'a Expr, at: At<'a>) -> Typed {
        arity(args, 1, "mine(x)", e)?;
        match at.mine {
            Some(symbol) => self.single(&args[0], At { symbol: Some(symbol), mine: None, ..at }),
            None => Err(Diagnostic::new("mine(x) stands inside across", e.span.clone())
                .help("across.sum(if(mine(side) == side, weight, 0))")),
        }
    }
}

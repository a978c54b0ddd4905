//! What the account shows: `position.profit`, `last.side`, `account.equity`; and what belongs to a position.

use super::{At, Compiler, Diagnostic, Expr, Kind, Node, Type, Typed};
use crate::strategy::seen::{REASONS, SEEN};

impl<'a> Compiler<'a> {
    /// A word of the account, if it is one.
    pub(super) fn seen(&mut self, of: &Expr, member: &str, e: &Expr, at: At<'a>) -> Option<Typed> {
        let Kind::Name(space) = &of.kind else { return None };
        if !SEEN.iter().any(|s| s.0 == space) || self.scopes[at.scope].block.defs.contains_key(space.as_str()) {
            return None;
        }
        let span = e.span.clone();
        let Some((_, _, seen, _)) = SEEN.iter().find(|s| s.0 == space && s.1 == member) else {
            let known: Vec<&str> = SEEN.iter().filter(|s| s.0 == space).map(|s| s.1).collect();
            let problem = Diagnostic::new(format!("{space} has no '{member}'"), span);
            let all = format!("it has {}", known.join(", "));
            let near = problem.clone().suggest(member, known);
            return Some(Err(if near.help.is_some() { near } else { problem.help(all) }));
        };
        let Some(symbol) = at.symbol.filter(|s| *s < self.traded) else {
            let what = format!("'{space}.{member}' is of a symbol that is traded, on its bar");
            return Some(Err(Diagnostic::new(what, span)));
        };
        if at.clock != 0 || at.mine.is_some() {
            let what = "what the account shows is of this bar, on no other clock or symbol";
            return Some(Err(Diagnostic::new(what, span)));
        }
        let t = match member {
            "reason" => Type::Text(REASONS.iter().map(|r| r.0.to_string()).collect()),
            "tag" => Type::Text(self.tags.clone()),
            _ => Type::Number,
        };
        Some(Ok((self.add(Node::Seen(*seen, symbol), at), t)))
    }

    /// What belongs to a position.
    pub(super) fn born(&mut self, start: &'a Expr, next: &'a Expr, at: At<'a>) -> Typed {
        let (first, t) = self.single(start, at)?;
        let then = self.typed(next, at, &t)?;
        let symbol = at.symbol.unwrap_or_default();
        Ok((self.add(Node::Born(symbol, first, then), at), t))
    }
}

//! Functions of the file: each call sees its arguments and has definitions, and states, of its own.

use super::{Arg, At, Compiler, Diagnostic, Expr, Scope, Type, Typed};
use crate::strategy::program::FunctionDef;

impl<'a> Compiler<'a> {
    /// A call of a function of the file.
    pub(super) fn function(
        &mut self,
        (name, def): (&'a str, &'a FunctionDef),
        args: &'a [Expr],
        e: &'a Expr,
        at: At<'a>,
    ) -> Typed {
        let shape = format!("{name}({})", def.arguments.join(", "));
        if args.len() != def.arguments.len() {
            let what = format!("{name} takes {} arguments, {} given", def.arguments.len(), args.len());
            return Err(Diagnostic::new(what, e.span.clone()).help(shape));
        }
        let above = self.scopes[at.scope].function.clone().unwrap_or_default();
        if above.contains(&name) {
            let way: Vec<&str> = above.iter().copied().chain([name]).collect();
            return Err(Diagnostic::new(
                format!("a function cannot call itself: {}", way.join(" -> ")),
                e.span.clone(),
            )
            .help("what remembers is a state: { start = \"…\", next = \"…\" }"));
        }
        // The same call is the same states.
        let nodes = args.iter().map(|a| self.expr(a, at).map(|found| found.0)).collect::<Result<Vec<_>, _>>()?;
        let key = (name, (0, at.symbol, at.clock), nodes);
        let scope = match self.calls.get(&key) {
            Some(scope) => *scope,
            None => {
                let args = def.arguments.iter().zip(args);
                let args = args.map(|(name, expr)| (name.as_str(), Arg { expr, at })).collect();
                let function = Some(above.into_iter().chain([name]).collect());
                self.scopes.push(Scope { block: &def.block, args, function });
                self.calls.insert(key, self.scopes.len() - 1);
                self.scopes.len() - 1
            }
        };
        let inside = At { scope, own: None, circle: None, vars: None, mine: None, ..at };
        let mut parts = Vec::new();
        for output in &def.outputs {
            let (id, t) = match self.defined(output, e.span.clone(), inside)? {
                (_, Type::Outputs(mut inner)) if inner.len() == 1 => {
                    inner.pop().map_or((0, Type::Number), |p| (p.1, p.2))
                }
                other => other,
            };
            parts.push((output.clone(), id, t));
        }
        let first = parts.first().map_or(0, |p| p.1);
        Ok((first, Type::Outputs(parts)))
    }
}

//! Circles closed: what slots give on the next bar, once all names are there.

use super::{Compiler, Diagnostic, Later, Node, NodeId, Type};
use crate::strategy::circles::groups;

impl Compiler<'_> {
    /// What remains: the values that slots give on the next bar.
    ///
    /// # Errors
    /// The first problem, at its place.
    pub(crate) fn close_circles(&mut self) -> Result<(), Diagnostic> {
        while let Some((slot, what, at, truth)) = self.later.pop() {
            let (id, t, span) = match what {
                Later::Own(name) => {
                    let (id, t) = self.defined(name, 0..1, at)?;
                    (id, t, 0..1)
                }
                Later::Expr(e) => {
                    let (id, t) = self.single(e, at)?;
                    (id, t, e.span.clone())
                }
            };
            let want = if truth { Type::Truth } else { Type::Number };
            if t != want {
                let what = format!("this must be {}, but it is {}", want.name(), t.name());
                return Err(Diagnostic::new(what, span));
            }
            self.graph.slots[slot] = id;
        }
        self.one_clock()
    }

    /// That every circle stays on one clock.
    fn one_clock(&self) -> Result<(), Diagnostic> {
        if self.graph.slots.is_empty() || self.graph.clocks.len() < 2 {
            return Ok(());
        }
        let needs = |id| {
            let mut out = Vec::new();
            self.graph.needs(id, |of| out.push(of));
            out
        };
        let all: Vec<Vec<NodeId>> = (0..self.graph.nodes.len()).map(needs).collect();
        for group in groups(&all).into_iter().filter(|g| g.len() > 1) {
            let clocks = |id: &&NodeId| self.graph.clock[**id] != self.graph.clock[group[0]] && !self.graph.fixed[**id];
            let slot = group
                .iter()
                .find_map(|id| if let Node::Back(slot) = self.graph.nodes[*id] { Some(slot) } else { None });
            if let (Some(_), Some(slot)) = (group.iter().find(clocks), slot) {
                let (name, span) = self.asked[slot].clone();
                return Err(Diagnostic::new(format!("the circle of '{name}' passes several clocks"), span)
                    .help("a state remembers on one clock: on(4h, …) around all of it"));
            }
        }
        Ok(())
    }
}

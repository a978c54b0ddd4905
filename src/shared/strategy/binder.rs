//! Nodes of a graph made operations of a plan: numbers in place of parameters, each distinct one once.

use super::compiled::Compiled;
use super::graph::{Node, NodeId, Twin, Window};
use super::op::Memory;
use super::pair::Pair;
use super::plan::{Id, Op, Plan};
use std::collections::BTreeMap;

pub(super) struct Binder<'a> {
    c: &'a Compiled,
    values: &'a [f64],
    plan: Plan,
    seen: BTreeMap<Vec<u64>, Id>,
    bound: Vec<Option<Id>>,
    /// The graph's slots that are in the plan, in its order.
    slots: Vec<usize>,
    /// Those of positions, with their symbols.
    recalled: Vec<(usize, usize)>,
}

impl<'a> Binder<'a> {
    /// Makes a plan of the nodes that are needed.
    pub(super) fn bind(c: &'a Compiled, values: &'a [f64], needed: &[bool]) -> (Plan, Vec<Option<Id>>) {
        let plan = Plan { clocks: c.graph.clocks.clone(), ..Plan::default() };
        let bound = vec![None; c.graph.nodes.len()];
        let (slots, recalled) = (Vec::new(), Vec::new());
        let mut b = Binder { c, values, plan, seen: BTreeMap::new(), bound, slots, recalled };
        for (id, _) in needed.iter().enumerate().filter(|(_, needed)| **needed) {
            b.bound[id] = Some(b.node(id));
        }
        let of = |slot: &usize| b.bound[c.graph.slots[*slot]].unwrap_or_default();
        b.plan.slots = b.slots.iter().map(of).collect();
        b.plan.recalled = b.recalled.iter().map(|(slot, symbol)| (*symbol, of(slot))).collect();
        (b.plan, b.bound)
    }

    /// Adds an operation, or finds the same one: values can make different expressions equal.
    fn add(&mut self, op: Op, (clock, account, varies): (u8, bool, bool), mut key: Vec<u64>) -> Id {
        key.push(u64::from(clock));
        if let Some(id) = self.seen.get(&key) {
            return *id;
        }
        self.plan.ops.push(op);
        self.plan.clock_of.push(clock);
        self.plan.account.push(account);
        self.plan.varies.push(varies);
        self.seen.insert(key, self.plan.ops.len() - 1);
        self.plan.ops.len() - 1
    }

    fn constant(&mut self, v: f64, varies: bool) -> Id {
        self.add(Op::Const(v), (0, false, varies), vec![0, v.to_bits()])
    }

    /// A bound node; what it needs is bound already.
    fn node(&mut self, id: NodeId) -> Id {
        if self.c.graph.fixed[id] {
            return self.constant(self.values[id], self.c.graph.touched[id]);
        }
        let at = |id: NodeId| self.bound[id].unwrap_or_default();
        let (op, key) = match &self.c.graph.nodes[id] {
            Node::Const(_) | Node::Param(_) => return self.constant(self.values[id], self.c.graph.touched[id]),
            Node::If(k, a, b) if self.c.graph.fixed[*k] => match self.values[*k] {
                1.0 => return at(*a),
                0.0 => return at(*b),
                _ => return self.constant(f64::NAN, true),
            },
            Node::Window(..) | Node::Twin(..) => self.looking_back(id),
            Node::Back(slot) => {
                let own = place(&mut self.slots, *slot);
                (Op::Back(own), vec![9, own as u64])
            }
            Node::Recalled(slot, symbol) => {
                let own = place(&mut self.recalled, (*slot, *symbol));
                (Op::Recalled(own), vec![13, own as u64])
            }
            Node::Ta { function, options, inputs } => {
                let options: Vec<f64> = options.iter().map(|o| self.values[*o]).collect();
                let inputs: Vec<Id> = inputs.iter().map(|i| at(*i)).collect();
                let name = function.name().bytes().map(u64::from);
                let key = [6].into_iter().chain(name).chain([u64::MAX]).chain(options.iter().map(|o| o.to_bits()));
                let key = key.chain(inputs.iter().map(|i| *i as u64)).collect();
                (Op::Ta { function: *function, options, inputs }, key)
            }
            Node::Across(across, of) => {
                let of: Vec<Id> = of.iter().map(|id| at(*id)).collect();
                let key = [12].into_iter().chain(across.key()).chain(of.iter().map(|id| *id as u64)).collect();
                (Op::Across(*across, of), key)
            }
            node => plain(node, &at),
        };
        self.add(op, (self.c.graph.clock[id], self.c.graph.account[id], self.c.graph.touched[id]), key)
    }

    /// A node that remembers earlier bars, with its lengths.
    fn looking_back(&self, id: NodeId) -> (Op, Vec<u64>) {
        let at = |id: NodeId| self.bound[id].unwrap_or_default();
        let n = |id: &NodeId| self.values[*id] as usize;
        match &self.c.graph.nodes[id] {
            Node::Window(window, a) => {
                let (memory, kind, bars) = match window {
                    Window::Prev(b) => (Memory::Prev(n(b)), 0, n(b)),
                    Window::Highest(b) => (Memory::Highest(n(b)), 1, n(b)),
                    Window::Lowest(b) => (Memory::Lowest(n(b)), 2, n(b)),
                    Window::Count(b) => (Memory::Count(n(b)), 3, n(b)),
                    Window::BarsSince => (Memory::BarsSince, 4, 0),
                    Window::Hold => (Memory::Hold, 5, 0),
                    Window::Figure(figure, b) => (Memory::Figure(*figure, n(b)), figure.key(), n(b)),
                };
                (Op::Memory(memory, at(*a)), vec![5, kind, bars as u64, at(*a) as u64])
            }
            Node::Twin(twin, a, b) => {
                let (a, b) = (at(*a), at(*b));
                let (pair, kind, bars) = match twin {
                    Twin::Figure(figure, bars) => (Pair::Figure(*figure, n(bars)), *figure as u64, n(bars)),
                    Twin::ValueWhen(bars) => (Pair::ValueWhen(n(bars)), 10, n(bars)),
                    Twin::At(bars) => (Pair::At(n(bars)), 11, n(bars)),
                    Twin::Latch => (Pair::Latch, 12, 0),
                    Twin::State => (Pair::State, 13, 0),
                };
                (Op::Pair(pair, a, b), vec![11, kind, bars as u64, a as u64, b as u64])
            }
            node => plain(node, &at),
        }
    }
}

/// The place of an item in a list, where it is put if it is not there.
fn place<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    list.iter().position(|i| *i == item).unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    })
}

/// A node that is computed from others alone, and what makes it the same as another.
fn plain(node: &Node, at: &impl Fn(NodeId) -> Id) -> (Op, Vec<u64>) {
    let key = |kind: u64, op: u64, of: &[Id]| [kind, op].into_iter().chain(of.iter().map(|id| *id as u64)).collect();
    match node {
        Node::Column { symbol, field } => {
            (Op::Column { symbol: *symbol, field: *field }, key(1, *symbol as u64, &[*field as usize]))
        }
        Node::Unary(op, a) => (Op::Unary(*op, at(*a)), key(2, *op as u64, &[at(*a)])),
        Node::Binary(op, a, b) => (Op::Binary(*op, at(*a), at(*b)), key(3, *op as u64, &[at(*a), at(*b)])),
        Node::If(k, a, b) => (Op::If(at(*k), at(*a), at(*b)), key(4, 0, &[at(*k), at(*a), at(*b)])),
        Node::Output(of, k) => (Op::Output(at(*of), *k), key(7, *k as u64, &[at(*of)])),
        Node::Calendar(c) => (Op::Calendar(*c), key(8, *c as u64, &[])),
        Node::Held(a) => (Op::Held(at(*a)), key(10, 0, &[at(*a)])),
        Node::Seen(seen, symbol) => (Op::Seen(*seen, *symbol), key(14, *seen as u64, &[*symbol])),
        Node::Born(symbol, a, b) => (Op::Born(*symbol, at(*a), at(*b)), key(15, *symbol as u64, &[at(*a), at(*b)])),
        _ => (Op::Const(f64::NAN), key(0, f64::NAN.to_bits(), &[])),
    }
}

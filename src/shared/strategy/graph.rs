//! A compiled strategy: each distinct expression once, parameters as nodes of their own. Binding
//! values substitutes; nothing is compiled again.

use super::clock::Calendar;
use super::op::{Binary, Unary};
use super::plan::Across;
use super::seen::Seen;
use super::stat::{Figure, Paired};
use crate::indicator::Function;
use crate::market::Field;
use std::collections::BTreeMap;
use std::ops::Range;

/// Position of a node in its graph. What a node needs stands before it.
pub type NodeId = usize;

/// Functions that remember earlier bars, with the node of their length where they have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Window {
    Prev(NodeId),
    Highest(NodeId),
    Lowest(NodeId),
    Count(NodeId),
    BarsSince,
    Hold,
    Figure(Figure, NodeId),
}

/// Functions of two values that remember earlier bars, with the node of their length where they have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Twin {
    Figure(Paired, NodeId),
    ValueWhen(NodeId),
    Latch,
    At(NodeId),
    State,
}

/// A node.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Node {
    Const(f64),
    /// A parameter by its position among the names.
    Param(usize),
    Column {
        symbol: usize,
        field: Field,
    },
    Calendar(Calendar),
    Unary(Unary, NodeId),
    Binary(Binary, NodeId, NodeId),
    If(NodeId, NodeId, NodeId),
    Window(Window, NodeId),
    Twin(Twin, NodeId, NodeId),
    /// What the node of a slot was on the bar before.
    Back(usize),
    /// The same of what belongs to a symbol's position.
    Recalled(usize, usize),
    /// What an account shows of a symbol.
    Seen(Seen, usize),
    /// What belongs to a symbol's position: its start on the bar that decided the entry, and what comes next.
    Born(usize, NodeId, NodeId),
    /// A node of another clock, since its last close.
    Held(NodeId),
    Across(Across, Vec<NodeId>),
    Ta {
        function: Function,
        options: Vec<NodeId>,
        inputs: Vec<NodeId>,
    },
    Output(NodeId, usize),
}

/// What a bound value must be, at its place in the text.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// A number of bars: whole, from the least on.
    Bars {
        /// The value.
        node: NodeId,
        /// The fewest.
        least: usize,
        /// Where it stands.
        span: Range<usize>,
    },
    /// An option of a function, in its range.
    Option {
        /// The function.
        function: Function,
        /// Which of its options.
        index: usize,
        /// The value.
        node: NodeId,
        /// Where it stands.
        span: Range<usize>,
    },
    /// A function whose options must fit together.
    Call {
        /// The function.
        function: Function,
        /// Its options.
        options: Vec<NodeId>,
        /// Where it stands.
        span: Range<usize>,
    },
    /// A size: between two numbers.
    Between {
        /// The value.
        node: NodeId,
        /// Smallest.
        low: f64,
        /// Largest.
        high: f64,
        /// Where it stands.
        span: Range<usize>,
    },
    /// A stop: a fraction above zero and below a limit.
    Stop {
        /// The value.
        node: NodeId,
        /// What it must stay below.
        below: f64,
        /// Where it stands.
        span: Range<usize>,
    },
}

/// What makes two nodes the same.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Const(u64),
    Param(usize),
    Column(usize, Field),
    Calendar(Calendar),
    Twin(Twin, NodeId, NodeId),
    Back(usize),
    Recalled(usize),
    Seen(Seen, usize),
    Born(usize, NodeId, NodeId),
    Held(NodeId),
    Across(Across, Vec<NodeId>),
    Unary(u8, NodeId),
    Binary(u8, NodeId, NodeId),
    If(NodeId, NodeId, NodeId),
    Window(Window, NodeId),
    Ta(&'static str, Vec<NodeId>, Vec<NodeId>),
    Output(NodeId, usize),
}

fn key(node: &Node) -> Key {
    match node {
        Node::Const(v) => Key::Const(v.to_bits()),
        Node::Param(p) => Key::Param(*p),
        Node::Column { symbol, field } => Key::Column(*symbol, *field),
        Node::Calendar(c) => Key::Calendar(*c),
        Node::Twin(t, a, b) => Key::Twin(*t, *a, *b),
        Node::Back(slot) => Key::Back(*slot),
        Node::Recalled(slot, _) => Key::Recalled(*slot),
        Node::Seen(seen, symbol) => Key::Seen(*seen, *symbol),
        Node::Born(symbol, a, b) => Key::Born(*symbol, *a, *b),
        Node::Held(a) => Key::Held(*a),
        Node::Across(across, of) => Key::Across(*across, of.clone()),
        Node::Unary(op, a) => Key::Unary(*op as u8, *a),
        Node::Binary(op, a, b) => Key::Binary(*op as u8, *a, *b),
        Node::If(c, a, b) => Key::If(*c, *a, *b),
        Node::Window(w, a) => Key::Window(*w, *a),
        Node::Ta { function, options, inputs } => Key::Ta(function.name(), options.clone(), inputs.clone()),
        Node::Output(of, k) => Key::Output(*of, *k),
    }
}

/// A graph being built, or built.
#[derive(Debug, Default)]
pub struct Graph {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// Whether a node depends on numbers and parameters only, so that its value is known once they
    /// are bound.
    pub fixed: Vec<bool>,
    /// Whether a node depends on what the account shows.
    pub account: Vec<bool>,
    /// Whether a node depends on a parameter.
    pub touched: Vec<bool>,
    /// The number of each node's clock; 0 is that of the data, and of what is fixed.
    pub clock: Vec<u8>,
    /// Milliseconds of a bar of each clock.
    pub clocks: Vec<i64>,
    /// For each slot the node whose value it gives on the next bar.
    pub slots: Vec<NodeId>,
    /// What bound values must be, in the order of the text's compilation.
    pub checks: Vec<Check>,
    seen: BTreeMap<(u8, Key), NodeId>,
}

impl Graph {
    /// An empty one, for data with bars of so many milliseconds.
    pub fn new(interval_ms: i64) -> Graph {
        Graph { clocks: vec![interval_ms], ..Graph::default() }
    }

    /// Adds a node of a clock, or finds the same one.
    pub fn add(&mut self, node: Node, clock: u8) -> NodeId {
        let all = |ids: &[NodeId]| ids.iter().all(|id| self.fixed[*id]);
        let fixed = match &node {
            Node::Const(_) | Node::Param(_) => true,
            Node::Unary(_, a) | Node::Window(Window::Prev(_), a) => all(&[*a]),
            Node::Binary(_, a, b) => all(&[*a, *b]),
            Node::If(c, a, b) => all(&[*c, *a, *b]),
            _ => false,
        };
        let key = (if fixed { 0 } else { clock }, key(&node));
        if let Some(id) = self.seen.get(&key) {
            return *id;
        }
        let mut account = matches!(node, Node::Recalled(..) | Node::Seen(..) | Node::Born(..));
        self.nodes.push(node);
        self.needs(self.nodes.len() - 1, |of| account |= self.account.get(of).copied().unwrap_or(false));
        self.account.push(account);
        self.fixed.push(fixed);
        self.clock.push(key.0);
        self.seen.insert(key, self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    /// The nodes that one is computed from: on the same bar, and through a slot on the bar before.
    pub fn needs(&self, id: NodeId, mut tell: impl FnMut(NodeId)) {
        match &self.nodes[id] {
            Node::Const(_) | Node::Param(_) | Node::Column { .. } | Node::Calendar(_) => {}
            Node::Unary(_, a) | Node::Window(_, a) | Node::Output(a, _) | Node::Held(a) => tell(*a),
            Node::Binary(_, a, b) | Node::Twin(_, a, b) | Node::Born(_, a, b) => [*a, *b].into_iter().for_each(tell),
            Node::If(c, a, b) => [*c, *a, *b].into_iter().for_each(tell),
            Node::Ta { inputs, .. } | Node::Across(_, inputs) => inputs.iter().copied().for_each(tell),
            Node::Back(slot) | Node::Recalled(slot, _) => tell(self.slots[*slot]),
            Node::Seen(..) => {}
        }
    }

    /// Forgets what only building needs.
    pub fn finish(&mut self) {
        self.seen = BTreeMap::new();
        self.touch();
    }

    /// Finds what a parameter touches, through circles too.
    fn touch(&mut self) {
        let mut touched = vec![false; self.nodes.len()];
        loop {
            let before = touched.iter().filter(|t| **t).count();
            for id in 0..self.nodes.len() {
                let mut any = matches!(self.nodes[id], Node::Param(_));
                self.needs(id, |of| any |= touched[of]);
                let lengths: &[NodeId] = match &self.nodes[id] {
                    Node::Window(
                        Window::Prev(n)
                        | Window::Highest(n)
                        | Window::Lowest(n)
                        | Window::Count(n)
                        | Window::Figure(_, n),
                        _,
                    )
                    | Node::Twin(Twin::Figure(_, n) | Twin::ValueWhen(n) | Twin::At(n), ..) => std::slice::from_ref(n),
                    Node::Ta { options, .. } => options,
                    _ => &[],
                };
                touched[id] |= any || lengths.iter().any(|n| touched[*n]);
            }
            if touched.iter().filter(|t| **t).count() == before {
                break;
            }
        }
        self.touched = touched;
    }
}

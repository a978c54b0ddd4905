//! A compiled strategy: each distinct expression once, parameters as nodes of their own. Binding
//! values substitutes; nothing is compiled again.

use super::op::{Binary, Unary};
use crate::indicator::Function;
use crate::market::{FIELDS, Field};
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
    Unary(Unary, NodeId),
    Binary(Binary, NodeId, NodeId),
    If(NodeId, NodeId, NodeId),
    Window(Window, NodeId),
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
    /// A number of bars: whole, from 1 on.
    Bars {
        /// The value.
        node: NodeId,
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
    Column(usize, usize),
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
        Node::Column { symbol, field } => {
            Key::Column(*symbol, FIELDS.iter().position(|(f, _)| f == field).unwrap_or(FIELDS.len()))
        }
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
    /// What bound values must be, in the order of the text's compilation.
    pub checks: Vec<Check>,
    seen: BTreeMap<Key, NodeId>,
}

impl Graph {
    /// Adds a node, or finds the same one.
    pub fn add(&mut self, node: Node) -> NodeId {
        let key = key(&node);
        if let Some(id) = self.seen.get(&key) {
            return *id;
        }
        let all = |ids: &[NodeId]| ids.iter().all(|id| self.fixed[*id]);
        self.fixed.push(match &node {
            Node::Const(_) | Node::Param(_) => true,
            Node::Unary(_, a) | Node::Window(Window::Prev(_), a) => all(&[*a]),
            Node::Binary(_, a, b) => all(&[*a, *b]),
            Node::If(c, a, b) => all(&[*c, *a, *b]),
            _ => false,
        });
        self.nodes.push(node);
        self.seen.insert(key, self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    /// Forgets what only building needs.
    pub fn finish(&mut self) {
        self.seen = BTreeMap::new();
    }
}

//! Columns that are kept for whoever computes the same again: trials, threads and studies over one market.
//!
//! A column is known by what it is: its operation with all that it is computed from, down to the market's columns. Kept
//! are those that cost something, and those that no parameter touches; the least recently used go first.

use super::plan::{Id, Op, Plan};
use super::schedule::Step;
use super::series::Series;
use assay_ledger::Hash;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

#[derive(Debug, Default)]
struct Inner {
    series: BTreeMap<Hash, (Series, u64)>,
    used: BTreeMap<u64, Hash>,
    bytes: usize,
    clock: u64,
}

/// Columns over one market, up to so many bytes.
#[derive(Debug)]
pub struct Kept {
    inner: Mutex<Inner>,
    limit: usize,
}

impl Kept {
    /// Room for so many bytes.
    pub fn new(limit: usize) -> Kept {
        Kept { inner: Mutex::default(), limit }
    }

    fn get(&self, key: &Hash) -> Option<Series> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.clock += 1;
        let now = inner.clock;
        let (series, used) = inner.series.get_mut(key)?;
        let (series, before) = (series.clone(), std::mem::replace(used, now));
        inner.used.remove(&before);
        inner.used.insert(now, *key);
        Some(series)
    }

    fn put(&self, key: Hash, series: &Series) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.clock += 1;
        let now = inner.clock;
        inner.bytes += series.bytes();
        if let Some((old, used)) = inner.series.insert(key, (series.clone(), now)) {
            inner.bytes -= old.bytes();
            inner.used.remove(&used);
        }
        inner.used.insert(now, key);
        while inner.bytes > self.limit {
            let Some((_, oldest)) = inner.used.pop_first() else { break };
            let gone = inner.series.remove(&oldest).map_or(0, |(series, _)| series.bytes());
            inner.bytes -= gone;
        }
    }

    /// Bytes of what is kept.
    pub fn bytes(&self) -> usize {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }
}

/// The columns of one plan among those that are kept.
pub(super) struct Known<'k> {
    kept: &'k Kept,
    keys: Vec<Option<Hash>>,
}

impl<'k> Known<'k> {
    /// Finds what each node of a plan is.
    pub(super) fn new(kept: &'k Kept, plan: &Plan, schedule: &[Step]) -> Known<'k> {
        let mut keys: Vec<Option<Hash>> = vec![None; plan.ops.len()];
        for step in schedule {
            match step {
                Step::Node(id) => keys[*id] = key(plan, *id, &keys),
                Step::Circles(circles) => {
                    for ids in circles {
                        let group = circle(plan, ids, &keys);
                        for (place, id) in ids.iter().enumerate() {
                            keys[*id] = group.map(|g| Hash::of(&[&g.0[..], &place.to_be_bytes()].concat()));
                        }
                    }
                }
            }
        }
        let mut circled = vec![false; plan.ops.len()];
        let circles = schedule.iter().filter(|s| matches!(s, Step::Circles(_)));
        circles.flat_map(Step::ids).for_each(|id| circled[id] = true);
        let worth = |id: Id| match &plan.ops[id] {
            Op::Ta { .. } | Op::Memory(..) | Op::Pair(..) | Op::Held(_) | Op::Across(..) | Op::Calendar(_) => true,
            Op::Column { .. } => plan.clock_of[id] > 0,
            Op::Const(_) | Op::Output(..) => false,
            _ => !plan.varies[id],
        };
        for id in 0..keys.len() {
            if keys[id].is_some() && !worth(id) && !circled[id] {
                keys[id] = None;
            }
        }
        Known { kept, keys }
    }

    /// A node's column, if it is kept.
    pub(super) fn get(&self, id: Id) -> Option<Series> {
        self.kept.get(self.keys[id].as_ref()?)
    }

    /// Keeps a node's column if it is worth it.
    pub(super) fn put(&self, id: Id, series: &Series) {
        if let Some(key) = self.keys[id] {
            self.kept.put(key, series);
        }
    }
}

/// What a node does, whatever it is computed from; none for what belongs to an account.
fn head(plan: &Plan, id: Id) -> Option<String> {
    let mut out = format!("{} ", plan.clocks.get(usize::from(plan.clock_of[id])).copied().unwrap_or_default());
    let written = match &plan.ops[id] {
        Op::Const(v) => write!(out, "number {:x}", v.to_bits()),
        Op::Column { symbol, field } => write!(out, "column {symbol} {field:?}"),
        Op::Calendar(of) => write!(out, "{of:?}"),
        Op::Unary(op, _) => write!(out, "{op:?}"),
        Op::Binary(op, ..) => write!(out, "{op:?}"),
        Op::If(..) => write!(out, "if"),
        Op::Memory(of, _) => write!(out, "{of:?}"),
        Op::Pair(of, ..) => write!(out, "{of:?}"),
        Op::Output(_, n) => write!(out, "output {n}"),
        Op::Held(_) => write!(out, "held"),
        Op::Across(of, _) => write!(out, "across {of:?}"),
        Op::Ta { function, options, .. } => {
            let bits: Vec<String> = options.iter().map(|o| format!("{:x}", o.to_bits())).collect();
            write!(out, "{}({})", function.name(), bits.join(","))
        }
        Op::Back(_) | Op::Seen(..) | Op::Recalled(_) | Op::Born(..) => return None,
    };
    written.ok().map(|()| out)
}

fn key(plan: &Plan, id: Id, keys: &[Option<Hash>]) -> Option<Hash> {
    let mut bytes = head(plan, id)?.into_bytes();
    let mut known = true;
    plan.ops[id].needs(|of| match keys[of] {
        Some(key) => bytes.extend_from_slice(&key.0),
        None => known = false,
    });
    known.then(|| Hash::of(&bytes))
}

fn circle(plan: &Plan, ids: &[Id], keys: &[Option<Hash>]) -> Option<Hash> {
    let (mut bytes, mut known) = (b"circle".to_vec(), true);
    let mut tell = |of: Id| match (ids.binary_search(&of), keys[of]) {
        (Ok(place), _) => bytes.extend_from_slice(&[&b"own"[..], &place.to_be_bytes()].concat()),
        (Err(_), Some(key)) => bytes.extend_from_slice(&[&b"of"[..], &key.0].concat()),
        (Err(_), None) => known = false,
    };
    let mut heads = String::new();
    for id in ids {
        match &plan.ops[*id] {
            Op::Back(slot) => {
                heads.push_str("back;");
                tell(plan.slots[*slot]);
            }
            op => {
                heads.push_str(&head(plan, *id)?);
                heads.push(';');
                op.needs(&mut tell);
            }
        }
    }
    known.then(|| Hash::of(&[bytes, heads.into_bytes()].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::signals;

    fn strategy(entry: &str) -> crate::strategy::Strategy {
        crate::strategy::Strategy::parse(&format!(
            "name = \"x\"\ninterval = \"1h\"\nsymbols = [\"S0USDT\", \"S1USDT\"]\n[parameters]\n\
             n = {{ type = \"int\", low = 2, high = 30, default = 9 }}\nx = {{ type = \"float\", low = 0.0, high = 9.0, default = 2.0 }}\n\
             [states]\nup = {{ start = \"0\", next = \"if(close > prev(close), self + 1, 0)\" }}\n\
             [signals]\nlong_entry = \"{entry}\"\n[sizing]\nmargin_fraction = 0.1\nleverage = 1\n"
        ))
        .unwrap()
    }

    /// Bytes that each of two trials adds to what is kept, and their signals.
    fn kept_of(entry: &str, first: (i64, f64), second: (i64, f64)) -> [usize; 2] {
        let (s, m, kept) = (strategy(entry), crate::market::tests::walk(400, 2, 3), Kept::new(1 << 26));
        let mut before = 0;
        [first, second].map(|(n, x)| {
            let params = [("n".into(), crate::strategy::Value::Int(n)), ("x".into(), crate::strategy::Value::Float(x))];
            let bound = s.bind(&params.into()).unwrap();
            let shared = signals::signals(&bound, &m, Some(&kept)).unwrap();
            let alone = signals::signals(&bound, &m, None).unwrap();
            for (a, b) in shared.iter().zip(&alone) {
                assert!((0..m.len()).all(|t| a.flags(t) == b.flags(t)), "{entry} {n} {x}");
            }
            let added = kept.bytes() - before;
            before = kept.bytes();
            added
        })
    }

    /// What no parameter touches is computed once in all, states too; functions once for each of their options; cheap
    /// nodes that a parameter touches are not kept.
    #[test]
    fn what_is_kept() {
        let one = 2 * (400 * 8 + 64);
        assert_eq!(kept_of("EMA(close, n) > x", (5, 1.0), (5, 2.0)), [one, 0]);
        assert_eq!(kept_of("EMA(close, n) > x", (5, 1.0), (6, 1.0)), [one, one]);
        let [first, second] = kept_of("high - low > x", (5, 1.0), (6, 3.0));
        assert_eq!((first, second), (one, 0));
        let [first, second] = kept_of("up > x", (5, 1.0), (6, 3.0));
        assert!(first > 0 && second == 0, "{first} {second}");
        assert_eq!(kept_of("close > x", (5, 100.0), (6, 110.0)), [0, 0]);
        // A state that a parameter touches is another one for each of its values.
        let [first, second] = kept_of("highest(up + n, 3) > 8", (5, 0.0), (6, 0.0));
        assert!(first > second && second > 0, "{first} {second}");
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let kept = Kept::new(3 * (800 + 64));
        let (key, series) = (|n: u8| Hash::of(&[n]), |v: f64| Series::of(vec![vec![v; 100]]));
        for n in 0..3 {
            kept.put(key(n), &series(f64::from(n)));
        }
        assert!(kept.get(&key(0)).is_some_and(|s| s[5] == 0.0));
        kept.put(key(3), &series(3.0));
        assert!(kept.get(&key(1)).is_none() && kept.get(&key(0)).is_some() && kept.get(&key(3)).is_some());
        assert!(kept.bytes() <= 3 * 864);
        // What is larger than all the room is not kept, and nothing is left of it.
        kept.put(key(9), &Series::of(vec![vec![0.0; 10_000]]));
        assert_eq!((kept.get(&key(9)).is_none(), kept.bytes()), (true, 0));
    }
}

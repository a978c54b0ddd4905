//! Which nodes of a plan need no column: what is asked of them at a bar, or at 64 of them, is made of columns then.

use super::op::Memory;
use super::plan::{Id, Op, Plan};
use super::schedule::Step;

/// Operations that one value may take that is made when it is asked for.
const MOST: usize = 48;
/// What several ask for is a column from this many operations on.
const WORTH: usize = 8;

/// The nodes that need no column, and those whose columns are needed for them and for whatever is wanted.
pub(super) struct Choice {
    pub late: Vec<bool>,
    pub roots: Vec<Id>,
}

/// Chooses. Where columns are kept for others (`keeps`), what no parameter touches is one.
pub(super) fn choose(plan: &Plan, schedule: &[Step], wanted: &[Id], keeps: bool) -> Choice {
    let mut may = vec![true; plan.ops.len()];
    for step in schedule {
        if let Step::Circles(circles) = step {
            circles.iter().flatten().for_each(|id| may[*id] = false);
        }
    }
    for (id, op) in plan.ops.iter().enumerate() {
        let is_free = matches!(op, Op::Const(_) | Op::Memory(Memory::Prev(_), _));
        let is_kept = keeps && !is_free && !plan.varies.get(id).copied().unwrap_or(true);
        may[id] &= plan.clock_of[id] == 0 && !plan.waits(id) && !is_kept;
    }
    let sizes = narrow(plan, &mut may);
    let (late, roots) = reach(plan, &may, wanted);
    // What many look at, and is not cheap, is computed once.
    let mut uses = vec![0_usize; plan.ops.len()];
    wanted.iter().for_each(|id| uses[*id] += 1);
    for id in (0..late.len()).filter(|id| late[*id]) {
        plan.ops[id].needs(|of| uses[of] += 1);
    }
    let shared: Vec<Id> = (0..late.len()).filter(|id| late[*id] && uses[*id] > 2 && sizes[*id] > WORTH).collect();
    if shared.is_empty() {
        return without_columns(plan, late, roots);
    }
    shared.into_iter().for_each(|id| may[id] = false);
    narrow(plan, &mut may);
    let (late, roots) = reach(plan, &may, wanted);
    without_columns(plan, late, roots)
}

/// Leaves those that can be made of what is below them, and gives how many operations each takes.
fn narrow(plan: &Plan, may: &mut [bool]) -> Vec<usize> {
    let mut sizes = vec![1; plan.ops.len()];
    for (id, op) in plan.ops.iter().enumerate() {
        let mut size = 1_usize;
        op.needs(|of| size = size.saturating_add(if may[of] { sizes[of] } else { 1 }));
        may[id] &= size <= MOST
            && match op {
                Op::Const(_) | Op::Unary(..) | Op::Binary(..) | Op::If(..) | Op::Across(..) => true,
                Op::Memory(Memory::Prev(_), a) => !may[*a] || matches!(plan.ops[*a], Op::Const(_)),
                _ => false,
            };
        sizes[id] = if may[id] { size } else { 1 };
    }
    sizes
}

/// From what is wanted down to the first columns.
fn reach(plan: &Plan, may: &[bool], wanted: &[Id]) -> (Vec<bool>, Vec<Id>) {
    let (mut late, mut seen, mut roots) = (vec![false; may.len()], vec![false; may.len()], Vec::new());
    let mut open = wanted.to_vec();
    while let Some(id) = open.pop() {
        if std::mem::replace(&mut seen[id], true) {
            continue;
        }
        if may[id] {
            late[id] = true;
            plan.ops[id].needs(|of| open.push(of));
        } else {
            roots.push(id);
        }
    }
    (late, roots)
}

/// What is a column anyway, since another one is computed from it, is read there.
fn without_columns(plan: &Plan, mut late: Vec<bool>, mut roots: Vec<Id>) -> Choice {
    let mut seen = vec![false; late.len()];
    let mut open = roots.clone();
    while let Some(id) = open.pop() {
        let mut tell = |of: Id| {
            if !std::mem::replace(&mut seen[of], true) {
                open.push(of);
            }
        };
        plan.ops[id].needs(&mut tell);
        if let Op::Back(slot) = plan.ops[id] {
            tell(plan.slots[slot]);
        }
    }
    for id in (0..late.len()).filter(|id| seen[*id] && !matches!(plan.ops[*id], Op::Const(_))) {
        if std::mem::replace(&mut late[id], false) {
            // Those below it may be late for nobody now; that costs nothing.
            roots.push(id);
        }
    }
    roots.sort_unstable();
    Choice { late, roots }
}

#[cfg(test)]
mod tests {
    use super::super::op::Binary;
    use super::super::schedule::schedule;
    use super::*;
    use crate::market::Field;

    fn plan(ops: Vec<Op>) -> Plan {
        let n = ops.len();
        Plan { ops, clock_of: vec![0; n], varies: vec![true; n], ..Plan::default() }
    }

    fn chosen(plan: &Plan, wanted: &[Id], keeps: bool) -> (Vec<Id>, Vec<Id>) {
        let c = choose(plan, &schedule(plan), wanted, keeps);
        ((0..c.late.len()).filter(|id| c.late[*id]).collect(), c.roots)
    }

    const CLOSE: Op = Op::Column { symbol: 0, field: Field::Close };

    #[test]
    fn what_has_no_memory_needs_no_column() {
        let mut p = plan(vec![
            CLOSE,
            Op::Const(2.0),
            Op::Binary(Binary::Multiply, 0, 1),
            Op::Memory(Memory::Highest(5), 2),
            Op::Memory(Memory::Prev(1), 3),
            Op::Binary(Binary::Greater, 4, 1),
            Op::Binary(Binary::Less, 2, 4),
        ]);
        assert_eq!(chosen(&p, &[5], false), (vec![1, 4, 5], vec![3]));
        // What another column is computed from is a column for all.
        assert_eq!(chosen(&p, &[5, 6], false), (vec![1, 4, 5, 6], vec![0, 2, 3]));
        // What no parameter touches is kept, where columns are.
        p.varies[2] = false;
        assert_eq!(chosen(&p, &[2], false), (vec![1, 2], vec![0]));
        assert_eq!(chosen(&p, &[2], true), (Vec::new(), vec![2]));
    }

    /// However often a value is squared, none takes more than so many operations.
    #[test]
    fn nothing_is_made_of_too_much() {
        let mut ops = vec![CLOSE];
        ops.extend((0..200).map(|i| Op::Binary(Binary::Multiply, i, i)));
        let p = plan(ops);
        let (late, roots) = chosen(&p, &[200], false);
        assert!(late.len() < 7 && roots.len() == 1, "{late:?} {roots:?}");
        let mut ops = vec![CLOSE];
        ops.extend((1..5).map(|i| Op::Binary(Binary::Multiply, i - 1, 0)));
        ops.extend((0..9).map(|i| Op::Binary(Binary::Less, 4, i % 2)));
        let p = plan(ops);
        let wanted: Vec<Id> = (5..14).collect();
        assert!(chosen(&p, &wanted, false).1.contains(&4), "nine look at it");
    }
}

//! In which order the columns of a plan are computed, and how long each is needed.

use super::circle::{LANES, shape};
use super::circles::groups;
use super::plan::{Id, Op, Plan};
use std::collections::BTreeMap;

/// What is computed at once.
#[derive(Debug)]
pub(super) enum Step {
    Node(Id),
    /// Circles of one shape that do not need each other; bar by bar.
    Circles(Vec<Vec<Id>>),
}

impl Step {
    pub(super) fn ids(&self) -> impl Iterator<Item = Id> {
        let (node, circles) = match self {
            Step::Node(id) => (Some(*id), &[][..]),
            Step::Circles(circles) => (None, &circles[..]),
        };
        node.into_iter().chain(circles.iter().flatten().copied())
    }
}

/// The nodes in the order in which they are computed.
pub(super) fn schedule(plan: &Plan) -> Vec<Step> {
    if plan.slots.is_empty() {
        return (0..plan.ops.len()).map(Step::Node).collect();
    }
    let needs = |(_, op): (usize, &Op)| {
        let mut out = Vec::new();
        op.needs(|of| out.push(of));
        if let Op::Back(slot) = op {
            out.push(plan.slots[*slot]);
        }
        out
    };
    let needs: Vec<Vec<Id>> = plan.ops.iter().enumerate().map(needs).collect();
    // How many circles stand below a node, one on the other.
    let mut level = vec![0; plan.ops.len()];
    let mut circles: BTreeMap<(usize, u8), Vec<Vec<Id>>> = BTreeMap::new();
    let mut plain: BTreeMap<usize, Vec<Id>> = BTreeMap::new();
    for mut group in groups(&needs) {
        let below = group.iter().flat_map(|id| &needs[*id]).filter(|of| !group.contains(of)).map(|of| level[*of]).max();
        let below = below.unwrap_or_default();
        let alone = group.len() == 1 && !needs[group[0]].contains(&group[0]);
        group.iter().for_each(|id| level[*id] = below + usize::from(!alone));
        if alone {
            plain.entry(below).or_default().push(group[0]);
        } else {
            group.sort_unstable();
            circles.entry((below + 1, plan.clock_of[group[0]])).or_default().push(group);
        }
    }
    let most = level.iter().copied().max().unwrap_or_default();
    let mut out = Vec::with_capacity(plan.ops.len());
    for at in 0..=most {
        for circles in circles.range_mut((at, 0)..=(at, u8::MAX)).map(|of| std::mem::take(of.1)) {
            out.extend(beside(plan, circles).into_iter().map(Step::Circles));
        }
        out.extend(plain.remove(&at).into_iter().flatten().map(Step::Node));
    }
    out
}

/// Circles of one shape go beside each other.
fn beside(plan: &Plan, circles: Vec<Vec<Id>>) -> Vec<Vec<Vec<Id>>> {
    let (mut alone, mut shapes) = (Vec::new(), BTreeMap::new());
    for ids in circles {
        match shape(plan, &ids) {
            None => alone.push(vec![ids]),
            Some(shape) => shapes.entry(shape).or_insert_with(Vec::new).push(ids),
        }
    }
    alone.extend(shapes.into_values().flat_map(|same| same.chunks(LANES).map(<[_]>::to_vec).collect::<Vec<_>>()));
    alone
}

/// For each step of a schedule, the nodes that nothing needs any more once it is done.
pub(super) fn spent(plan: &Plan, schedule: &[Step], wanted: impl Iterator<Item = Id>) -> Vec<Vec<Id>> {
    let mut last = vec![0; plan.ops.len()];
    for (step, of) in schedule.iter().enumerate() {
        for id in of.ids() {
            last[id] = last[id].max(step);
            plan.ops[id].needs(|of| last[of] = last[of].max(step));
            if let Op::Back(slot) = plan.ops[id] {
                let of = plan.slots[slot];
                last[of] = last[of].max(step);
            }
        }
    }
    wanted.for_each(|id| last[id] = usize::MAX);
    let mut out = vec![Vec::new(); schedule.len()];
    for (id, last) in last.into_iter().enumerate().filter(|(_, last)| *last != usize::MAX) {
        out[last].push(id);
    }
    out
}

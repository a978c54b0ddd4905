//! What needs each other: strongly connected groups of a graph.

/// The groups of a graph, each with its nodes in order, in an order in which each group follows those that it needs.
/// Walked without recursion: a chain of any length is only long. (Tarjan 1972.)
pub(super) fn groups(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    const NEW: usize = usize::MAX;
    let mut walk = Walk {
        number: vec![NEW; needs.len()],
        low: vec![0; needs.len()],
        held: vec![false; needs.len()],
        stack: Vec::new(),
        next: 0,
        out: Vec::new(),
    };
    for start in 0..needs.len() {
        if walk.number[start] != NEW {
            continue;
        }
        let mut path = vec![(start, 0)];
        walk.enter(start);
        while let Some((node, at)) = path.last_mut() {
            let node = *node;
            if let Some(next) = needs[node].get(*at).copied() {
                *at += 1;
                if walk.number[next] == NEW {
                    walk.enter(next);
                    path.push((next, 0));
                } else if walk.held[next] {
                    walk.low[node] = walk.low[node].min(walk.number[next]);
                }
            } else {
                path.pop();
                if let Some((above, _)) = path.last() {
                    walk.low[*above] = walk.low[*above].min(walk.low[node]);
                }
                walk.leave(node);
            }
        }
    }
    walk.out
}

struct Walk {
    number: Vec<usize>,
    low: Vec<usize>,
    held: Vec<bool>,
    stack: Vec<usize>,
    next: usize,
    out: Vec<Vec<usize>>,
}

impl Walk {
    fn enter(&mut self, node: usize) {
        (self.number[node], self.low[node], self.held[node]) = (self.next, self.next, true);
        self.next += 1;
        self.stack.push(node);
    }

    fn leave(&mut self, node: usize) {
        if self.low[node] != self.number[node] {
            return;
        }
        let from = self.stack.iter().rposition(|n| *n == node).unwrap_or_default();
        let mut group = self.stack.split_off(from);
        group.iter().for_each(|n| self.held[*n] = false);
        group.sort_unstable();
        self.out.push(group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_follow_what_they_need() {
        let needs = vec![vec![1], vec![2, 3], vec![1], vec![], vec![4, 0], vec![0]];
        assert_eq!(groups(&needs), [vec![3], vec![1, 2], vec![0], vec![4], vec![5]]);
        let chain: Vec<Vec<usize>> = (0..100_000).map(|i| if i == 0 { vec![] } else { vec![i - 1] }).collect();
        assert_eq!(groups(&chain).len(), 100_000);
    }
}

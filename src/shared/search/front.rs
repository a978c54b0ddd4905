//! Which of several trials are not beaten in everything by another one: Pareto fronts.

/// A trial as fronts see it: its objectives, each to be maximised, and by how much it breaks its constraints.
/// One without a score has no objectives.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Its objectives; none of a trial without a score.
    pub objectives: Vec<f64>,
    /// Sum of its constraint violations; zero when feasible.
    pub violation: f64,
}

impl Judged {
    /// Whether it beats another: feasible before infeasible, of two infeasible ones the less, of two feasible ones that
    /// which is no worse in any objective and better in one. (Deb's constrained domination.)
    pub fn beats(&self, other: &Judged) -> bool {
        let group = |j: &Judged| if j.objectives.is_empty() { 2 } else { u8::from(j.violation > 0.0) };
        let (own, theirs) = (group(self), group(other));
        if own != theirs || own == 2 {
            return own < theirs;
        }
        if own == 1 {
            return self.violation < other.violation;
        }
        let mut better = false;
        for (a, b) in self.objectives.iter().zip(&other.objectives) {
            if a < b {
                return false;
            }
            better |= a > b;
        }
        better
    }
}

/// The number of each trial's front, the first one being 0: those that nobody beats. Then those that only they beat.
pub fn fronts(all: &[Judged]) -> Vec<usize> {
    let beaten_by = |i: usize| (0..all.len()).filter(|j| all[*j].beats(&all[i])).count();
    let mut left: Vec<usize> = (0..all.len()).map(beaten_by).collect();
    let mut out = vec![usize::MAX; all.len()];
    for front in 0.. {
        let now: Vec<usize> = (0..all.len()).filter(|i| out[*i] == usize::MAX && left[*i] == 0).collect();
        if now.is_empty() {
            break;
        }
        now.iter().for_each(|i| out[*i] = front);
        for i in now {
            (0..all.len()).filter(|j| all[i].beats(&all[*j])).for_each(|j| left[j] -= 1);
        }
    }
    out
}

/// How far each of a front's trials stands from its neighbours, over all objectives; the ends are infinitely far.
pub fn crowding(front: &[&Judged]) -> Vec<f64> {
    let mut out = vec![0.0; front.len()];
    let objectives = front.iter().map(|j| j.objectives.len()).min().unwrap_or_default();
    for m in 0..objectives {
        let mut order: Vec<usize> = (0..front.len()).collect();
        order.sort_by(|a, b| front[*a].objectives[m].total_cmp(&front[*b].objectives[m]).then(a.cmp(b)));
        let at = |place: usize| front[order[place]].objectives[m];
        let last = order.len() - 1;
        let wide = at(last) - at(0);
        for (place, i) in order.iter().enumerate() {
            out[*i] += match place {
                0 => f64::INFINITY,
                _ if place == last => f64::INFINITY,
                _ if wide > 0.0 => (at(place + 1) - at(place - 1)) / wide,
                _ => 0.0,
            };
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn judged(objectives: &[f64], violation: f64) -> Judged {
        Judged { objectives: objectives.to_vec(), violation }
    }

    #[test]
    fn fronts_and_distances() {
        let all = [
            judged(&[1.0, 5.0], 0.0),
            judged(&[3.0, 3.0], 0.0),
            judged(&[5.0, 1.0], 0.0),
            judged(&[2.0, 2.0], 0.0),
            judged(&[9.0, 9.0], 2.0),
            judged(&[0.0, 0.0], 1.0),
            judged(&[], 0.0),
            judged(&[3.0, 3.0], 0.0),
        ];
        assert_eq!(fronts(&all), [0, 0, 0, 1, 3, 2, 4, 0]);
        let front: Vec<&Judged> = [&all[0], &all[1], &all[2]].to_vec();
        assert_eq!(crowding(&front), [f64::INFINITY, 2.0, f64::INFINITY]);
        assert_eq!((crowding(&[]), fronts(&[])), (Vec::new(), Vec::new()));
    }

    proptest! {
        /// Nobody of the first front is beaten, and whoever is in a later one is beaten by one of the front before.
        #[test]
        fn each_front_is_beaten_by_the_one_before(all in prop::collection::vec((prop::collection::vec(0i32..6, 2), 0i32..3), 1..40)) {
            let all: Vec<Judged> = all.into_iter().map(|(o, v)| judged(&o.into_iter().map(f64::from).collect::<Vec<_>>(), f64::from((v - 1).max(0)))).collect();
            let found = fronts(&all);
            for (i, one) in all.iter().enumerate() {
                let beaters: Vec<usize> = (0..all.len()).filter(|j| all[*j].beats(one)).map(|j| found[j]).collect();
                prop_assert_eq!(found[i], beaters.iter().max().map_or(0, |front| front + 1));
                prop_assert!(!one.beats(one));
            }
        }
    }
}

//! Spaces in which what counts depends on other values.

use super::tests::{float, samplers};
use super::*;
use crate::strategy::Value;

/// A space in which what counts depends on other values.
struct Forked;

impl Domain for Forked {
    fn allows(&self, params: &Params) -> bool {
        params["a"].number() != 6.0
    }

    fn is_forked(&self) -> bool {
        true
    }

    fn settle(&self, params: &mut Params) -> Vec<usize> {
        let silent = if params["f"].number() > 0.5 { vec![3] } else { vec![0, 2] };
        let space = forked();
        for (d, (name, range)) in space.iter().enumerate().filter(|(d, _)| silent.contains(d)) {
            assert!(d < space.len());
            params.insert(name.clone(), range.default());
        }
        silent
    }
}

fn forked() -> Space {
    Space::from([
        ("a".into(), Range::Int { low: 2, high: 14, step: 4, log: false, default: 10 }),
        ("b".into(), Range::Choice { choices: vec![1.0, 3.0, 9.0], default: 3.0 }),
        ("c".into(), Range::Float { low: 0.1, high: 0.9, step: Some(0.2), log: false, default: 0.5 }),
        ("d".into(), Range::Choice { choices: vec![1.0, 3.0], default: 3.0 }),
        ("f".into(), Range::Bool { default: true }),
    ])
}

/// What does not count is its default in every point that is asked for; no two points differ in it alone, and none is
/// asked twice before all were; nothing is hidden.
#[test]
fn what_does_not_count_is_not_searched() {
    let space = forked();
    // With f: three of a, three of b, five of c. Without: three of b, two of d.
    let all = 3 * 3 * 5 + 3 * 2;
    assert_eq!(
        (grid::distinct(&space, None, &Forked), grid::distinct(&space, Some(7), &Forked)),
        (Some(all), Some(all))
    );
    for sampler in samplers() {
        let (mut search, mut told, mut seen) = (Search::new(&sampler, &space, 4, &Forked), Vec::new(), Vec::new());
        let mut pending = Vec::new();
        for number in 0..all {
            let params = search.ask(number, &pending);
            let mut settled = params.clone();
            Forked.settle(&mut settled);
            assert_eq!(params, settled, "{sampler:?}");
            assert!(
                Forked.allows(&params) && params.iter().all(|(k, v)| space[k].contains(v)),
                "{sampler:?} {params:?}"
            );
            let early = number < all * 2 / 3 || matches!(sampler, Sampler::Grid { .. });
            assert!(!early || !seen.contains(&params), "{sampler:?}: {params:?} comes twice, as trial {number}");
            seen.push(params.clone());
            pending.push(params);
            if number % 4 == 3 {
                for params in pending.drain(..) {
                    let score = (number != 7).then(|| params["a"].number() - params["d"].number());
                    let trial = Observation { score, params, ..Observation::default() };
                    search.tell(&trial);
                    told.push(trial);
                }
                let mut anew = Search::new(&sampler, &space, 4, &Forked);
                told.iter().for_each(|o| anew.tell(o));
                assert_eq!(anew.ask(number + 1, &[]), search.ask(number + 1, &[]), "{sampler:?} {number}");
            }
        }
    }
}

/// Where one branch is better, and only near one value of what counts in it alone, it is found as in a space that has
/// nothing else: what did not count misleads nobody.
#[test]
fn a_branch_is_searched_as_if_it_were_alone() {
    struct Branch;
    impl Domain for Branch {
        fn allows(&self, _: &Params) -> bool {
            true
        }

        fn is_forked(&self) -> bool {
            true
        }

        fn settle(&self, params: &mut Params) -> Vec<usize> {
            let left = params["kind"] == Value::Text("left".into());
            // The default of what does not count is far from what is good.
            params.insert(if left { "y" } else { "x" }.into(), Value::Float(0.0));
            vec![if left { 2 } else { 1 }]
        }
    }
    let space = Space::from([
        ("kind".into(), Range::Text { choices: ["left", "right"].map(String::from).to_vec(), default: "left".into() }),
        ("x".into(), float(0.0, 1.0)),
        ("y".into(), float(0.0, 1.0)),
    ]);
    let value = |p: &Params| match &p["kind"] {
        Value::Text(kind) if kind == "left" => (p["x"].number() - 0.8).abs(),
        _ => 0.3 + (p["y"].number() - 0.2).abs(),
    };
    for sampler in samplers().into_iter().filter(|s| matches!(s, Sampler::Tpe { .. })) {
        let mut bests: Vec<f64> = Vec::new();
        for seed in 0..9 {
            let mut search = Search::new(&sampler, &space, seed, &Branch);
            let mut best = f64::INFINITY;
            for number in 0..60 {
                let params = search.ask(number, &[]);
                best = best.min(value(&params));
                search.tell(&Observation { score: Some(-value(&params)), params, ..Observation::default() });
            }
            bests.push(best);
        }
        bests.sort_by(f64::total_cmp);
        assert!(bests[4] < 0.012, "{sampler:?}: {bests:?}");
    }
}

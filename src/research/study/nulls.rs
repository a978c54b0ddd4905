//! Studies that search where nothing is to be found: how often the best of them is called real.
//!
//! Prices are random walks without drift, and nothing costs anything, so that no strategy has an edge and none a burden.
//! A deflated Sharpe ratio above 0.95 is then wrong, and must be so in a twentieth of all cases at most: of 200 in no more
//! than 16 (95 % of a binomial distribution), however the search was arranged.

use super::tests::{STRATEGY, Stage, stage};
use super::truth::{logged, read};
use assay_shared::event::Event;
use assay_shared::market::Field;
use assay_shared::recount::{Finished, best, figures};
use assay_shared::strategy::{Strategy, Value};

const CASES: u64 = 200;
const BARS: usize = 24 * 150;
const TRIALS: u64 = 15;
const STUDY: &str = r#"
name = "null"
trials = 15
seed = 1
[sampler]
name = "random"
[splits]
in_sample_days = 40
out_of_sample_days = 20
warmup_bars = 100
[objective]
figure = "sharpe"
stability_weight = 0.0
degradation_weight = 0.0
[guardrails]
min_trades = 3
max_liquidations = 1000
[assumptions]
initial_cash_usdt = 100000.0
slippage_bps = 0.0
"#;
/// The events of a study, and its id.
type Logged = (Vec<Event>, [u8; 16]);
/// Signals of other kinds, none of which knows anything.
const OTHERS: [(&str, &str); 4] = [
    ("RSI(close, slow) < 30 + fast", "RSI(close, slow) > 50 + fast"),
    ("close > highest(prev(high), slow)", "close < lowest(prev(low), fast)"),
    ("hour == fast and ROC(close, slow) > 0", "hour == 2"),
    ("zscore(close, slow) < -fast / 8", "zscore(close, slow) > 0"),
];

/// Steps up and down by chance, each bar within itself too.
fn walked(s: &mut Stage, seed: u64) {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut step = || {
        let mut sum = -6.0;
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sum += (state >> 11) as f64 / (1_u64 << 53) as f64;
        }
        // A price that is expected to stay where it is: its logarithm falls by half its variance.
        0.003_f64 * sum - 0.5 * 0.003 * 0.003
    };
    let mut price = 10_000.0_f64;
    let mut bars: [Vec<f64>; 4] = std::array::from_fn(|_| Vec::new());
    for _ in 0..s.market.len() {
        let path = [0; 5].map(|_| {
            price *= step().exp();
            price
        });
        let (high, low) = path.iter().fold((0.0_f64, f64::INFINITY), |(h, l), p| (h.max(*p), l.min(*p)));
        bars[0].push(path[0]);
        bars[1].push(high);
        bars[2].push(low);
        bars[3].push(path[4]);
    }
    let columns = &mut s.market.columns[0];
    for (names, bars) in [
        (Field::Open, Field::MarkOpen, &bars[0]),
        (Field::High, Field::MarkHigh, &bars[1]),
        (Field::Low, Field::MarkLow, &bars[2]),
        (Field::Close, Field::MarkClose, &bars[3]),
    ]
    .map(|(traded, mark, bars)| ([traded, mark], bars))
    {
        names.into_iter().for_each(|name| columns.get_mut(name).clone_from(bars));
    }
    columns.settlements.clear();
}

fn null(seed: u64, strategy: &str) -> Stage {
    let text = strategy.replace(", \"ETHUSDT\"", "").replace("max_concurrent_positions = 2", "");
    let mut s = stage(&text, STUDY);
    s.market = crate::data::generate::market(&s.strategy.file.symbols, BARS, 5);
    for rules in &mut s.book.rules {
        (rules.taker_fee, rules.maker_fee) = (0.0, 0.0);
    }
    walked(&mut s, seed);
    s
}

/// A box around the best of a study.
fn narrowed(log: &[Event]) -> Option<String> {
    let finished: Vec<Finished> = log.iter().filter_map(Finished::of).collect();
    let (number, _) = best(&finished)?;
    let params = &finished.iter().find(|f| f.number == number)?.seen.params;
    let of = |name: &str| params.get(name).map_or(0.0, Value::number);
    let (fast, slow, stop) = (of("fast") as i64, of("slow") as i64, of("stop"));
    let text = STRATEGY
        .replace("low = 3, high = 20, default = 8", &format!("low = {fast}, high = {}, default = {fast}", fast + 2))
        .replace(
            "low = 10, high = 90, step = 5, default = 40",
            &format!("low = {slow}, high = {}, step = 5, default = {slow}", slow + 5),
        )
        .replace(
            "low = 0.004, high = 0.2, log = true, default = 0.05",
            &format!("low = {stop}, high = {}, log = true, default = {stop}", stop * 1.2),
        );
    Strategy::parse(&text).ok().map(|_| text)
}

/// The highest deflated Sharpe ratio that a best trial of these studies has, counted beside all of them, and the highest
/// probability that one has alone.
fn called_real(studies: &[(&Stage, &Logged)]) -> (f64, f64) {
    let log: Vec<Event> = studies.iter().flat_map(|s| s.1.0.iter().cloned()).collect();
    let (tally, _) = read(&log);
    let of = |(s, (own, id)): &(&Stage, &Logged)| {
        let finished: Vec<Finished> = own.iter().filter_map(Finished::of).collect();
        let (number, _) = best(&finished)?;
        let bars = s.evaluator().unwrap().out_of_sample().len() as f64;
        let lineage = tally.lineage(&tally.scope(id)?);
        assert!(lineage.trials >= TRIALS * studies.len() as u64, "{} of {} studies", lineage.trials, studies.len());
        let s = figures::of(finished.iter().find(|f| f.number == number)?, bars, &lineage)?;
        s.dsr.zip(s.psr)
    };
    studies.iter().filter_map(of).fold((0.0, 0.0), |a, b| (f64::max(a.0, b.0), f64::max(a.1, b.1)))
}

#[test]
fn nothing_is_rarely_called_real() {
    let mut wrong = [[0; 2]; 5];
    for case in 0..CASES {
        let plain = null(case, STRATEGY);
        let first = logged(&plain, [1; 32]);
        let study = |s: Stage, data: u8| {
            let events = logged(&s, [data; 32]);
            (s, events)
        };
        let narrow = narrowed(&first.0).map(|text| study(null(case, &text), 1));
        let reseeded = [2, 3].map(|seed| {
            let mut s = null(case, STRATEGY);
            s.study.seed = seed;
            study(s, 1)
        });
        let mut cut = null(case, STRATEGY);
        cut.market = cut.market.slice(1, cut.market.len());
        let cut = study(cut, 2);
        let others = OTHERS.map(|(entry, exit)| {
            let text = STRATEGY
                .replace("crosses_above(EMA(close, fast), EMA(close, slow))", entry)
                .replace("crosses_below(EMA(close, fast), EMA(close, slow))", exit);
            study(null(case, &text), 1)
        });
        let beside = |more: Vec<&(Stage, Logged)>| {
            let all: Vec<_> = std::iter::once((&plain, &first)).chain(more.iter().map(|m| (&m.0, &m.1))).collect();
            called_real(&all)
        };
        let found = [
            beside(vec![]),
            beside(narrow.iter().collect()),
            beside(reseeded.iter().collect()),
            beside(vec![&cut]),
            beside(others.iter().collect()),
        ];
        for (wrong, (dsr, alone)) in wrong.iter_mut().zip(found) {
            *wrong = [wrong[0] + i32::from(dsr > 0.95), wrong[1] + i32::from(alone > 0.95)];
        }
    }
    let ways = ["plain", "narrowed", "re-seeded", "data cut", "many studies"];
    assert!(wrong.iter().all(|n| n[0] <= 16), "{ways:?}: {wrong:?} of {CASES}");
    // Who counts nothing is wrong too often where much is tried: it is the counting that holds.
    assert!(wrong[2][1] > 16 && wrong[4][1] > 3 * 16, "{ways:?}: {wrong:?} of {CASES}");
}

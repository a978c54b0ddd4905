//! Results are promises: streams, hashes, suggestions and statistics stand in `tests/golden/results.txt`.

use crate::desk::real_data;
use assay_lab::rules;
use assay_ledger::Hash;
use assay_research::data::generate;
use assay_research::simulate::{prepare, run};
use assay_shared::account::{Assumptions, MarginMode};
use assay_shared::market::Market;
use assay_shared::metric::{self, Metric};
use assay_shared::rulebook::Rulebook;
use assay_shared::rulebook::book::{Between, Wanted};
use assay_shared::search::{self, Observation, Sampler, Search, Space};
use assay_shared::statistic::{Blocks, Observed, expected_max, min_track_record, pbo, psr};
use assay_shared::strategy::Params;
use assay_shared::strategy::Strategy;
use assay_shared::strategy::space::{Range, defaults};
use std::path::{Path, PathBuf};

const CHANGED: &str = "a result has changed. If that was not meant, a fault has come in: find it. If it was meant, raise \
    RESULTS in src/shared/lib.rs, say in CHANGELOG.md what changed and why, and run the test with ASSAY_BLESS=1";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn strategies() -> Vec<Strategy> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder().join("strategies")).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let parse = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        Strategy::parse(&text).unwrap_or_else(|d| panic!("{}", d[0].render(&path.display().to_string(), &text)))
    };
    files.iter().map(parse).collect()
}

/// Every strategy over a market: the hash of its stream, and figures that say what changed.
fn streams(name: &str, market: &Market, book: &Rulebook, out: &mut Vec<String>) {
    out.push(format!("data {name} {}", market.data_hash()));
    out.push(format!("data {name} as version 0.1.0 has it {}", market.data_hash_v1()));
    let assumptions = Assumptions { initial_cash_usdt: 50_000.0, slippage_bps: 1.5, ..Assumptions::default() };
    for s in strategies() {
        let market = market.select(&s.file.symbols).unwrap();
        let bound = s.bind(&defaults(&s.file.parameters)).unwrap();
        let signals = prepare(&bound, &market).unwrap();
        let r = run(&bound, &signals, &market, book, &assumptions, 100..market.len(), true).unwrap();
        let m = metric::of(&r.whole(), market.interval_ms);
        let shown = |metric| m.get(&metric).map_or("-".into(), f64::to_string);
        let fields = [
            format!("stream {name} {} {}", s.file.name, r.stream_hash),
            format!("{} trades", r.trades.len()),
            format!("{} liquidations", r.counts.liquidations),
            format!("{} USDT", shown(Metric::FinalEquityUsdt)),
            format!("sharpe {}", shown(Metric::Sharpe)),
        ];
        out.push(fields.join(", "));
    }
    for mode in [MarginMode::Isolated, MarginMode::Cross] {
        out.push(crate::golden_orders::stream(name, market, book, mode));
    }
}

fn generated(out: &mut Vec<String>) {
    let market = generate::market(&["BTCUSDT", "LTCUSDT"].map(String::from), 3000, 17);
    let from_ms = market.times[0];
    let wanted = Wanted { symbols: &market.symbols, from_ms, between: Between::Harsher, assume_brackets_from: None };
    let book = rules::book(&rules::shipped().unwrap(), rules::SOURCE, &wanted).unwrap();
    out.push(format!("rulebook generated {}", book.hash()));
    streams("generated", &market, &book, out);
}

fn real(data: &Path, out: &mut Vec<String>) {
    let desk = crate::desk::Desk::new();
    desk.assay(&["init", "lab"]).ok();
    let import = [
        "data",
        "import",
        data.to_str().unwrap(),
        "--symbols",
        "BTCUSDT,LTCUSDT",
        "--from",
        "2022-03-01",
        "--to",
        "2022-08-01",
    ];
    desk.assay(&import).ok();
    let session = assay_lab::Session::silent();
    let lab = assay_lab::Lab::open(&desk.path("lab"), &session).unwrap();
    let row = &lab.mirror().unwrap().snapshots().unwrap()[0];
    let market = lab.snapshot(&row.data_hash, None).unwrap().1;
    let book = std::fs::read_dir(desk.path("lab/rulebooks")).unwrap().next().unwrap().unwrap().path();
    let book = Rulebook::parse(&std::fs::read_to_string(book).unwrap()).unwrap();
    out.push(format!("rulebook real {}", book.hash()));
    streams("real", &market, &book, out);
}

fn suggestions(out: &mut Vec<String>) {
    let space = Space::from([
        ("a".into(), Range::Int { low: 2, high: 30, step: 4, log: false, default: 2 }),
        ("b".into(), Range::Int { low: 1, high: 500, step: 1, log: true, default: 1 }),
        ("c".into(), Range::Float { low: 0.1, high: 0.9, step: Some(0.2), log: false, default: 0.1 }),
        ("d".into(), Range::Choice { choices: vec![1.0, 3.0, 9.0], default: 1.0 }),
        ("e".into(), Range::Float { low: 1e-4, high: 1.0, step: None, log: true, default: 0.1 }),
    ]);
    out.push(format!("sampler version {}", search::VERSION));
    let tpe = |multivariate| Sampler::Tpe { startup_trials: 10, candidates: 24, multivariate };
    for (name, sampler) in [
        ("random", Sampler::Random {}),
        ("grid", Sampler::Grid { points: 4 }),
        ("sobol", Sampler::Sobol {}),
        ("cma-es", Sampler::CmaEs {}),
        ("tpe", tpe(None)),
        ("tpe-multivariate", tpe(Some(true))),
        ("tpe-univariate", tpe(Some(false))),
    ] {
        let allowed = |p: &Params| p["a"].number() < p["b"].number();
        let mut search = Search::new(&sampler, &space, 5, &allowed);
        let mut history: Vec<Observation> = Vec::new();
        let mut pending: Vec<Params> = Vec::new();
        for number in 0..80u32 {
            if number % 4 == 0 {
                for (i, params) in pending.drain(..).enumerate() {
                    let score = (i != 2)
                        .then(|| -(params["e"].number() - 0.3).abs() - params["d"].number() / params["a"].number());
                    let violation = if i == 3 { 1.0 } else { 0.0 };
                    history.push(Observation { params, score, violation, ..Observation::default() });
                    history.last().iter().for_each(|o| search.tell(o));
                }
            }
            let params = search.ask(number, &pending);
            if number % 10 == 9 {
                let values: Vec<String> = params.iter().map(|(k, v)| format!("{k}={v}")).collect();
                out.push(format!("suggestion {name} {number} {}", values.join(" ")));
            }
            pending.push(params);
        }
        let all = format!("{history:?}");
        out.push(format!("suggestions {name} {}", Hash::of(all.as_bytes())));
    }
}

fn statistics(out: &mut Vec<String>) {
    let market = generate::market(&["BTCUSDT".to_string()], 1600, 4);
    let close = market.columns[0].get(assay_shared::market::Field::Close);
    let returns = |lag: usize| -> Vec<f64> {
        (lag..close.len())
            .map(|t| (close[t] / close[t - 1] - 1.0) * if close[t - 1] > close[t - lag] { 1.0 } else { -1.0 })
            .collect()
    };
    let all: Vec<Vec<f64>> = (1..12).map(|k| returns(k * 7)[..1500].to_vec()).collect();
    let blocks: Vec<Blocks> = all.iter().map(|r| Blocks::of(r, 16).unwrap()).collect();
    let m = metric::moments(&all[0]).unwrap();
    let o = Observed { sharpe: m.mean / m.std, n: 1500.0, skew: m.skew, kurtosis: m.kurtosis };
    for (name, value) in [
        ("sharpe", Some(o.sharpe)),
        ("skew", Some(m.skew)),
        ("kurtosis", Some(m.kurtosis)),
        ("psr", psr(&o, 0.0)),
        ("dsr", psr(&o, expected_max(11.0, 0.0007))),
        ("expected-max", Some(expected_max(11.0, 0.0007))),
        ("min-track-record", min_track_record(&Observed { sharpe: 0.05, ..o }, 0.0, 0.05)),
        ("pbo", pbo(&blocks, 93)),
    ] {
        out.push(format!("statistic {name} {value:?}"));
    }
}

#[test]
fn results_stand() {
    let mut now = vec![format!("results {}", assay_shared::RESULTS)];
    for s in strategies() {
        now.push(format!("strategy {} {}", s.file.name, s.hash()));
    }
    generated(&mut now);
    suggestions(&mut now);
    statistics(&mut now);
    let mut with_real = now.clone();
    let data = real_data();
    if let Some(data) = &data {
        real(data, &mut with_real);
    }
    let path = folder().join("results.txt");
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let golden: Vec<&str> = golden.lines().collect();
    if std::env::var_os("ASSAY_BLESS").is_some() && golden != with_real {
        assert!(data.is_some(), "bless with the real data (ASSAY_DATA)");
        assert!(golden.first().is_none_or(|first| *first != now[0]), "{CHANGED} (RESULTS is the old one)");
        std::fs::write(&path, with_real.join("\n") + "\n").unwrap();
        return;
    }
    let wanted = if data.is_some() { &golden[..] } else { &golden[..golden.len().min(now.len())] };
    for (old, new) in wanted.iter().zip(&with_real) {
        assert_eq!(old, new, "{CHANGED}");
    }
    assert_eq!(wanted.len(), with_real.len(), "{CHANGED}");
}

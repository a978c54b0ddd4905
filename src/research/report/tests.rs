//! A report says what the run says, as numbers and as a page that fetches nothing.

use super::quality::{NotUsed, QualityReport, SeriesRow};
use super::quality_page::html;
use super::{Bars, Report};
use crate::data::Oddity;
use crate::mirror::query::{StudyRow, TrialRow};
use assay_ledger::Hash;
use assay_shared::account::{Account, Assumptions, Run};
use assay_shared::event::study::FoldFact;
use assay_shared::market::MarketBar;
use assay_shared::recount::figures::Statistics;
use assay_shared::rulebook::{BracketSet, Rulebook};
use assay_shared::statistic::Effective;
use assay_shared::strategy::space::defaults;
use assay_shared::strategy::{Strategy, signals};
use base64::Engine as _;
use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

const STRATEGY: &str = include_str!("../../../configs/strategies/trend.toml");

fn strategy() -> Strategy {
    let text = STRATEGY.replace("\"XRPUSDT\", \"ADAUSDT\", \"LTCUSDT\"", "\"XRPUSDT\", \"SOLUSDT\"");
    Strategy::parse(&text).unwrap_or_else(|d| panic!("{}", d[0]))
}

/// A strategy run over a generated market.
fn ran(seed: u64, bars: usize) -> (Vec<String>, Vec<i64>, Run) {
    let strategy = strategy();
    let mut book = Rulebook::parse(include_str!("../../../configs/rulebook.toml")).unwrap();
    book.rules[0].effective = "2020-01-01".into();
    let first = book.brackets[0].clone();
    book.brackets.insert(0, BracketSet { effective: "2020-01-01".into(), ..first });
    let market = crate::data::generate::market(&strategy.file.symbols, bars, seed);
    let bound = strategy.bind(&defaults(&strategy.file.parameters)).unwrap();
    let signals = signals::signals(&bound, &market, None).unwrap();
    let assumptions = Assumptions { initial_cash_usdt: 10_000.0, slippage_bps: 1.0, ..Assumptions::default() };
    let mut account = Account::new(bound.terms(), &book, &assumptions, market.times[0], true).unwrap();
    for index in 0..market.len() {
        account.step(&MarketBar { market: &market, index }, |s| signals[s].at(index)).unwrap();
    }
    let run = account.finish(&MarketBar { market: &market, index: market.len() - 1 });
    (market.symbols.clone(), market.times, run)
}

fn rows(name: &str, generated: bool) -> (StudyRow, TrialRow) {
    let study = StudyRow {
        study_id: "00ff".into(),
        name: name.into(),
        strategy: "<trend>".into(),
        strategy_hash: "aa".into(),
        data_hash: "bb".into(),
        rulebook_hash: "cc".into(),
        generated,
        trials: 7,
        completed: 5,
        closed: true,
        best: Some(3),
        best_score: Some(1.5),
        // Those of the best, which this trial is not.
        statistics: BTreeMap::from([("dsr".into(), 0.99), ("trials_lineage".into(), 7.0)]),
        text: String::new(),
    };
    let fold = |is, oos| FoldFact { in_sample: is, out_of_sample: oos, is_trades: 4, oos_trades: 2 };
    let trial = TrialRow {
        also: Vec::new(),
        constraints: vec![0.0],
        study_id: "00ff".into(),
        number: 3,
        seq: 11,
        state: "COMPLETE".into(),
        score: Some(1.5),
        violation: Some(0.0),
        reason: None,
        params: defaults(&strategy().file.parameters),
        folds: vec![fold(Some(1.0), Some(-0.5)), fold(None, None)],
        identity: "dd".into(),
        stream_hash: Some("ee".into()),
        metrics: BTreeMap::from([("sharpe".into(), 1.25), ("max_drawdown".into(), 0.125)]),
    };
    (study, trial)
}

pub(super) fn report(name: &str, generated: bool, seed: u64) -> Report {
    let (study, trial) = rows(name, generated);
    let (symbols, times, run) = ran(seed, 24 * 300);
    let tested = times.len() / 2;
    let own = Statistics {
        trials: 19,
        studies: 2,
        declared: 3,
        bars: 100.0,
        sharpe_per_bar: 0.1,
        variance: 0.02,
        expected_max: 0.3,
        psr: Some(0.8),
        dsr: Some(0.25),
        min_track_record: None,
    };
    let closes =
        symbols.iter().map(|_| times.iter().map(|ms| 100.0 + (ms % 7_000_000) as f64 / 1e6).collect()).collect();
    let bars = Bars { symbols, times_ms: times, closes, tested };
    Report::new(study, trial, bars, run, true).with_statistics(Some(own), None)
}

#[test]
fn the_json_holds_every_number_to_the_last_bit() {
    let r = report("s", true, 3);
    assert!(r.trades.len() > 3, "the run trades");
    let back: serde_json::Value = serde_json::from_str(&r.to_json()).unwrap();
    let numbers = |key: &str| -> Vec<u64> {
        back[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap().to_bits()).collect()
    };
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(numbers("equity_usdt"), bits(&r.equity_usdt));
    assert_eq!(numbers("drawdown"), bits(&r.drawdown));
    assert_eq!(numbers("margin_usage"), bits(&r.margin_usage));
    assert_eq!(back["times_ms"].as_array().unwrap().len(), r.equity_usdt.len());
    for (row, trade) in back["trades"].as_array().unwrap().iter().zip(&r.trades) {
        assert_eq!(row["pnl_usdt"].as_f64().unwrap().to_bits(), trade.pnl_usdt.to_bits());
        assert_eq!(row["symbol"], r.symbols[trade.symbol].as_str());
        assert!(row["entry_time"].as_str().unwrap() <= row["exit_time"].as_str().unwrap());
    }
    assert_eq!(back["stream_hash"].as_str().unwrap(), r.stream_hash.to_string());
    assert_eq!((back["generated_data"].as_bool(), back["trial"]["number"].as_u64()), (Some(true), Some(3)));
    // Each figure is defined in the report itself.
    for figure in back["figures"].as_array().unwrap() {
        assert!(["name", "unit", "direction", "definition"].iter().all(|k| figure[k].is_string()), "{figure}");
    }
}

#[test]
fn the_page_fetches_nothing_and_obeys_no_name() {
    let page = report("<script>alert('x')</script> & \"q\"", false, 4).to_html();
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
    // Two scripts: the data, which are not run, and the one that the page's policy names.
    let scripts: Vec<&str> = page.match_indices("<script").map(|(at, _)| &page[at..]).collect();
    assert_eq!(scripts.len(), 2, "a name is shown, not run");
    let inside = |s: &str| s[s.find('>').unwrap() + 1..s.find("</script>").unwrap()].to_string();
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(inside(scripts[1])));
    assert!(page.contains(&format!("script-src 'sha256-{hash}'\"")) && page.contains("default-src 'none'"));
    let charts: serde_json::Value = serde_json::from_str(&inside(scripts[0])).unwrap();
    let page = page.replace(&inside(scripts[0]), "").replace(&inside(scripts[1]), "").replace(" id=\"data\"", "");
    let ids: Vec<&str> = charts.as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap()).collect();
    assert!(ids.starts_with(&["equity", "drawdown", "margin", "price-0"]) && ids.ends_with(&["sharpe", "volatility"]));
    for chart in charts.as_array().unwrap() {
        assert!(page.contains(&format!("id=\"{}\"", chart["id"].as_str().unwrap())), "each has its place");
        let n = chart["at"].as_array().unwrap().len();
        assert!(chart["values"].as_array().unwrap().iter().all(|v| v.as_array().unwrap().len() == n));
        assert!(n > 2 && n <= 3002, "{n}");
    }
    assert!(page.contains("&lt;script&gt;alert('x')&lt;/script&gt; &amp; &quot;q&quot;"));
    assert!(page.contains("&lt;trend&gt;"));
    for outside in ["http://", "https://", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(
        page.contains(
            "7 trials were tried to find it, beside 19 trials (3 of them made elsewhere and declared) of 2 studies"
        ) && page.contains("undefined")
    );
    let words = page.split("</style>").nth(1).unwrap();
    assert!(!words.contains("NaN") && !words.contains("inf"), "what is undefined is said in words");
    // Every tag that is opened is closed.
    for tag in ["table", "tr", "td", "th", "div", "svg", "h2", "span", "body", "html", "head", "code"] {
        let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

/// The page of a quality report fetches nothing either, whatever files and symbols are named; it is known again.
#[test]
fn a_quality_page() {
    let nasty = "</title><script src=http://x>\"&";
    let row = |symbol: &str, last: &str| SeriesRow {
        symbol: symbol.into(),
        first: "2024-01-01 00:00:00".into(),
        last: last.into(),
        bars: 48,
        fields: vec!["open".into(), nasty.into()],
        settlements: 6,
    };
    let finding = |error: bool, treated: Option<&str>| Oddity {
        code: "gap".into(),
        symbol: "AUSDT".into(),
        detail: nasty.into(),
        from: "2024-01-01 05:00:00".into(),
        to: "2024-01-01 07:00:00".into(),
        stretches: vec![(1_704_085_200_000, 1_704_092_400_000), (i64::MIN, i64::MAX)],
        error,
        treated: treated.map(Into::into),
        treatments: vec!["gap=hold".into()],
    };
    let mut report = QualityReport {
        detail: Some("5m".into()),
        paths: (90, 100),
        source: nasty.into(),
        generated: true,
        interval: "1h".into(),
        first: "2024-01-01 00:00:00".into(),
        last: "2024-01-02 23:00:00".into(),
        bars: 48,
        series: vec![row("AUSDT", "2024-01-02 23:00:00"), row(nasty, "nonsense")],
        findings: vec![finding(true, None), finding(false, Some("gap=hold")), finding(false, None)],
        used: vec![nasty.into()],
        unused: vec![NotUsed { file: nasty.into(), why: nasty.into() }],
        assumptions: vec![nasty.into()],
        treatments_unused: vec![nasty.into()],
    };
    let page = html(&report);
    assert!(!page.contains("<script") && !page.contains("http://x>") && !page.contains("NaN"), "{page}");
    for words in ["GENERATED", "1 finding must be treated", "--treat gap=hold", "treated: gap=hold", "class=\"error\""]
    {
        assert!(page.contains(words), "{words}");
    }
    assert!(QualityReport::is_page(&page) && !QualityReport::is_page("<!doctype html><title>other"));
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<QualityReport>(&text).unwrap(), report);
    (report.findings, report.series) = (Vec::new(), Vec::new());
    assert!(html(&report).contains("Nothing odd found"));
}

#[test]
fn generated_data_is_labelled() {
    assert!(report("s", true, 5).to_html().contains("GENERATED DATA"));
    assert!(!report("s", false, 5).to_html().contains("GENERATED DATA"));
}

#[test]
fn only_reports_are_taken_for_reports() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        Report::is_one(&path)
    };
    let r = report("s", true, 6);
    assert!(at("a.json", &r.to_json()) && at("a.html", &r.to_html()) && at("a.jsonl", &r.to_stream()));
    assert!(at("t.csv", &r.trades_csv()) && at("e.csv", &r.equity_csv()) && !at("o.csv", "time,equity\n1,2\n"));
    assert!(!at("b.json", "{}") && !at("b.html", "<!doctype html><p>mine</p>") && !at("c", "") && !at("d", "[1, 2"));
    assert!(!Report::is_one(dir.path()) && !Report::is_one(&dir.path().join("none")));
    std::fs::write(dir.path().join("e"), [0xff, 0xfe]).unwrap();
    assert!(!Report::is_one(&dir.path().join("e")));
}

/// Whoever adds up the cash flows of the stream's file has each balance, and the one of the books at the end.
#[test]
fn the_stream_adds_up() {
    let r = report("s", true, 6);
    let text = r.to_stream();
    let mut lines = text.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
    assert_eq!(lines.next().unwrap()["stream_hash"], r.stream_hash.to_string());
    let (mut sum, mut fills) = (0.0, 0);
    for row in lines {
        assert!(row["ms"].as_i64().is_some() && row["symbol"].is_string(), "{row}");
        match row["record"].as_str().unwrap() {
            "cash" => {
                sum += row["amount"].as_f64().unwrap();
                assert_eq!(Some(sum), row["balance"].as_f64());
            }
            "fill" => fills += 1,
            other => assert_eq!(other, "order"),
        }
    }
    assert!(fills > 2 * r.trades.len() - 1 && (sum - r.books.balance_usdt).abs() < 1e-9);
}

/// A run with nothing in it still gives a report.
#[test]
fn an_empty_run_is_shown() {
    let (study, trial) = rows("empty", true);
    let run = Run { equity: Vec::new(), margin_usage: Vec::new(), trades: Vec::new(), ..ran(1, 300).2 };
    let r = Report::new(study, trial, Bars::default(), Run { stream_hash: Hash::ZERO, ..run }, false);
    assert!(r.to_html().contains("<h2>Trades (0)</h2>"));
    assert!(serde_json::from_str::<serde_json::Value>(&r.to_json()).unwrap()["trades"].as_array().unwrap().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// The drawdown is never above zero, is zero at each new peak, and is that of the equity.
    #[test]
    fn drawdown_is_the_fall_from_the_peak(seed in 1u64..1000) {
        let r = report("s", true, seed);
        let mut peak = r.initial_usdt;
        for (equity, drawdown) in r.equity_usdt.iter().zip(&r.drawdown) {
            peak = peak.max(*equity);
            prop_assert!(*drawdown <= 0.0 && *drawdown >= -1.0);
            prop_assert_eq!(*drawdown == 0.0, *equity == peak);
            prop_assert!((peak * (1.0 + drawdown) - equity).abs() < 1e-9 * peak);
        }
    }
}

/// A study's page: every number of it from its trials, nothing that a browser would run or load, and no name that is markup.
#[test]
fn a_study_as_a_page() {
    use super::study_page::StudyPage;
    let (study, one) = rows("<script>x</script>", false);
    let trials: Vec<TrialRow> = (0..40u32)
        .map(|n| TrialRow {
            number: n,
            score: (n % 7 != 0).then(|| f64::from(n) / 10.0),
            violation: Some(if n % 5 == 0 { 2.0 } else { 0.0 }),
            constraints: vec![if n % 5 == 0 { 2.0 } else { 0.0 }, 0.0, 0.0],
            state: if n % 7 == 0 { "FAIL" } else { "COMPLETE" }.into(),
            reason: (n % 7 == 0).then(|| format!("drawdown proxy: {n}.5 % at leverage 3 is beyond 40.0 %")),
            ..one.clone()
        })
        .collect();
    let page = |generated: bool| StudyPage {
        study: StudyRow { generated, trials: 40, best: Some(39), best_score: Some(3.9), ..study.clone() },
        trials: trials.clone(),
        space: strategy().file.parameters.clone(),
        folds: vec![((0, 86_400_000), (86_400_000, 172_800_000)); 2],
        interval_ms: 3_600_000,
        statistics: Some(Statistics {
            trials: 123,
            studies: 4,
            declared: 0,
            bars: 100.0,
            sharpe_per_bar: 0.02,
            variance: 1e-4,
            expected_max: 0.03,
            psr: Some(0.8),
            dsr: Some(0.25),
            min_track_record: None,
        }),
        effective: Some(Effective { known: 3, correlation: 0.5, trials: 2.0, clusters: 2 }),
        min_backtest_years: Some(7.25),
        pbo: Some(0.5),
        later: (vec!["trial".into()], vec![vec!["<b>".into()]], "nobody".into()),
    };
    let html = page(false).html();
    assert!(StudyPage::is_one(&html) && !html.contains("<script") && !html.contains("<b>39</b><b>"));
    for words in [
        "123 in 4",
        "0.2500",
        "1970-01-01 to 1970-01-02",
        "&lt;b&gt;",
        "by chance",
        "class=\"best\"",
        "2 in 2 groups",
        "7.25",
    ] {
        assert!(html.contains(words), "no '{words}'");
    }
    assert!(html.contains("drawdown proxy: … % at leverage … is beyond … %</td><td>6</td>"), "equal reasons meet");
    assert!(html.contains("infeasible: too few trades out of sample</td><td>8</td>"));
    assert!(!html.contains("http://") && !html.contains("https://") && html.contains("default-src 'none'"));
    let made_up = page(true).html();
    assert!(made_up.contains("GENERATED DATA") && !made_up.contains("0.2500") && !made_up.contains("7.25"));
    // One without any trial is a page too.
    let empty = StudyPage { trials: vec![], ..page(false) };
    assert!(empty.html().contains("nothing"));
}

/// Days, months, years, falls and what holding gave: in the page as in the JSON, each month in its own cell.
#[test]
fn the_sheet_stands_in_the_page() {
    let r = report("s", false, 6);
    let (page, json): (String, serde_json::Value) = (r.to_html(), serde_json::from_str(&r.to_json()).unwrap());
    let months = r.sheet.whole.months();
    let cells = page.split("class=\"gain").count() + page.split("class=\"loss").count() - 2;
    assert_eq!(cells, months.len() + r.sheet.whole.years().len());
    assert!(page.contains("gain seen\"") || page.contains("loss seen\""), "months in sample are told from others");
    assert!(page.contains("symbols held in equal parts") && page.contains("beta of the run on it"));
    let figures = json["sheet"]["tested_figures"].as_array().unwrap();
    assert_eq!(figures.len(), r.sheet.tested_figures.len());
    for f in &r.sheet.tested_figures {
        assert!(page.contains(&format!("<td>{}</td>", f.name)), "{}", f.name);
    }
    let deepest = r.sheet.tested.falls()[0].depth;
    assert!(
        (figures.iter().find(|f| f["name"] == "maximum drawdown").unwrap()["value"].as_f64().unwrap() - deepest).abs()
            < 1e-12
    );
    // Out of sample begins where the run was before: both spans compound to the run's end.
    let end = r.equity_usdt.last().unwrap() / r.equity_usdt[r.tested_bar() - 1] - 1.0;
    assert!((r.sheet.tested_figures[0].value.unwrap() - end).abs() < 1e-9);
    // More trades than a page can bear are cut, and that is said.
    let many = Report { trades: r.trades.iter().cycle().take(2500).cloned().collect(), ..r };
    let page = many.to_html();
    assert!(page.contains("Trades (2500)") && page.contains("The last 2000; the report's JSON file has all."));
    assert_eq!(page.split("<tbody>").nth(1).unwrap().split("</tbody>").next().unwrap().matches("<tr>").count(), 2000);
}

//! What was seen of trials after their study, in words: the vault, and forward runs.

use super::output::{counted, one_line, table};
use assay_ledger::Hash;
use assay_shared::metric::Metric;
use assay_shared::recount::{LaterRun, Looked};
use assay_shared::time::format_ms;
use serde_json::{Value, json};

/// The columns of [`rows`].
pub const HEAD: [&str; 11] =
    ["trial", "seen on", "from", "to", "return", "Sharpe", "CAGR", "max DD", "trades", "liq.", "who looked there"];

/// A row for each run.
pub fn rows<'a>(all: impl Iterator<Item = (&'a LaterRun, &'a Looked)>) -> Vec<Vec<String>> {
    let row = |(run, looked): (&LaterRun, &Looked)| {
        let l = &run.fact;
        let of = |m: Metric, show: fn(f64) -> String| l.metrics.get(m.name()).map_or("-".into(), |v| show(*v));
        let percent = |v: f64| format!("{:.1}%", v * 100.0);
        let day = |ms: i64| format_ms(ms).chars().take(10).collect::<String>();
        vec![
            l.number.to_string(),
            if l.forward.is_some() { "forward" } else { "vault" }.into(),
            day(l.first_ms),
            day(l.last_ms),
            of(Metric::TotalReturn, percent),
            of(Metric::Sharpe, |v| format!("{v:.2}")),
            of(Metric::Cagr, percent),
            of(Metric::MaxDrawdown, percent),
            of(Metric::Trades, |v| format!("{v:.0}")),
            of(Metric::Liquidations, |v| format!("{v:.0}")),
            who(looked),
        ]
    };
    all.map(row).collect()
}

fn who(l: &Looked) -> String {
    match (l.runs, l.studies) {
        (0, 0) => "nobody".into(),
        (runs, 0) => counted(runs as usize, "other run"),
        (0, studies) => counted(studies as usize, "study"),
        (runs, studies) => format!("{}, {}", counted(runs as usize, "other run"), counted(studies as usize, "study")),
    }
}

/// What the runs are worth, in sentences.
pub fn worth<'a>(all: impl Iterator<Item = (&'a LaterRun, &'a Looked)>) -> String {
    let mut lines = Vec::new();
    let (mut runs, mut searched, mut any) = (0, (0, 0), false);
    for (run, looked) in all {
        any = true;
        runs = runs.max(looked.runs);
        searched = searched.max((looked.trials, looked.studies));
        if let (Some(elsewhere), Some(data)) = (&run.fact.forward, &run.data) {
            let kind = if data.generated { "GENERATED data" } else { "data" };
            let checked = data.files.map_or("nothing is said of its files".into(), |(all, checked)| {
                format!("{checked} of {all} files fit a checksum beside them")
            });
            let hash = Hash(elsewhere.data_hash);
            lines.push(format!(
                "trial {} forward on {kind} {} from {}; {checked}",
                run.fact.number,
                hash.short(),
                one_line(&data.source)
            ));
        }
    }
    if !any {
        return "nothing: neither its vault was opened nor was it run over younger bars".into();
    }
    if runs > 0 {
        lines.push(format!(
            "{} of trials, in vaults or forward, on these bars: what was chosen after the first was chosen by them too",
            counted(runs as usize, "other run")
        ));
    }
    if searched.0 > 0 {
        let (trials, studies) = searched;
        lines.push(format!(
            "{studies} studies with {trials} trials searched on these bars: they were not kept back from those"
        ));
    }
    if runs == 0 && searched.0 == 0 {
        lines.push("no study and no other run of the logs that count has these bars".into());
    }
    lines.join("\n")
}

/// A table of the runs, and what they are worth.
pub fn words(all: &[(&LaterRun, &Looked)]) -> String {
    let head = table(&HEAD, &rows(all.iter().copied()));
    format!("{head}\n{}", worth(all.iter().copied()))
}

/// A run as JSON.
pub fn to_json(run: &LaterRun, looked: &Looked) -> Value {
    let l = &run.fact;
    let data = run.data.as_ref().map(|d| json!({"generated": d.generated, "source": d.source, "files": d.files}));
    json!({
        "trial": l.number, "on": if l.forward.is_some() { "forward" } else { "vault" }, "elsewhere": l.forward,
        "first": format_ms(l.first_ms), "last": format_ms(l.last_ms), "bars": l.bars, "metrics": l.metrics,
        "stream_hash": Hash(l.stream_hash).to_string(), "entry": run.seq, "data": data, "looked": looked,
    })
}

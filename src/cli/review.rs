//! `assay review`

use super::Context;
use super::output::{harmless, print, print_json, table};
use super::place::Place;
use assay_lab::LabError;
use assay_lab::review::{Changed, Review, proposals, review};
use assay_production::gate::Figures;
use assay_shared::event::SeedGrade;
use assay_shared::metric::Metric;
use assay_shared::time::format_ms;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Show what a proposed branch would put live, what the gate says of it, and the statement to sign
///
/// Everything is verified now and computed again from the branch and the logs of the repository: every field that
/// changes, figures old and new, what was tried to find it, who reproduced it. Without a branch, lists the proposals.
///
/// Example: assay review promote/trend-v1-0123456789ab
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The branch
    branch: Option<String>,
    /// Print only the approval statement, for `ssh-keygen -Y sign -n approval@assay -f KEY`
    #[arg(long)]
    statement: bool,
    #[command(flatten)]
    place: Place,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let repo = args.place.proposals(cx)?;
    let Some(branch) = args.branch else {
        let branches = proposals(&repo)?;
        if cx.json {
            print_json(&branches);
        } else {
            print(&branches.join("\n"));
        }
        return Ok(());
    };
    if args.statement {
        print(assay_lab::review::read(&repo, &branch)?.statement.trim_end());
        return Ok(());
    }
    let review = review(&repo, &branch)?;
    if cx.json {
        print_json(&to_json(&review));
    } else {
        show(&review, &branch);
    }
    Ok(())
}

fn to_json(r: &Review) -> Value {
    let p = &r.proposal;
    let checks: Vec<Value> = r
        .preview
        .checks
        .iter()
        .map(|c| match &c.outcome {
            Ok(words) => json!({"check": c.name, "ok": true, "words": words}),
            Err(words) => json!({"check": c.name, "ok": false, "words": words}),
        })
        .collect();
    let figures = r.preview.figures.as_ref().map(|f| {
        json!({"metrics": f.metrics, "folds": f.folds, "trials": f.trials, "statistics": f.statistics, "pbo": f.pbo})
    });
    let reproduced: BTreeMap<&String, &str> = r.preview.reproduced.iter().map(|(who, o)| (who, o.name())).collect();
    json!({
        "config": p.config, "config_sha256": p.sha256, "statement": p.statement, "changes": r.changes,
        "checks": checks, "figures": figures, "figures_before": r.figures_before, "reproduced": reproduced,
        "approved": r.preview.approved, "seed": r.seed, "reason": r.reason, "single_person_policy": r.single_person,
    })
}

/// Shows a review in a terminal.
pub fn show(r: &Review, branch: &str) {
    let p = &r.proposal.config.promotion;
    print(&harmless(&format!(
        "{} v{} by {}, trial {} of '{}'",
        p.strategy, p.version, p.author, p.trial_id, p.study_name
    )));
    if p.generated_data {
        print("GENERATED DATA: never trade it");
    }
    if r.single_person {
        print("SINGLE-PERSON POLICY: one person alone may decide what goes live");
    }
    let reason = harmless(r.reason.as_deref().unwrap_or("no reason was given"));
    match p.restores_version {
        Some(_) if p.retired => print(&format!("RETIRES {}: nothing of it will be live: {reason}", p.strategy)),
        Some(v) => print(&format!("rollback to version {v}: {reason}")),
        None => {}
    }
    changes(r);
    if let Some(figures) = &r.preview.figures {
        print("");
        self::figures(r, figures);
    }
    print("\nthe gate");
    let row = |c: &assay_production::gate::Check| match &c.outcome {
        Ok(words) => vec![c.name.to_string(), "ok".into(), harmless(words)],
        Err(words) => vec![c.name.to_string(), "REFUSED".into(), harmless(words)],
    };
    print(&table(&["check", "", "what it says"], &r.preview.checks.iter().map(row).collect::<Vec<_>>()));
    let (statement, sha256) = (&r.proposal.statement, r.proposal.sha256);
    print(&format!(
        "\nto reproduce: assay reproduce {branch} --key FILE\nto approve: assay approve {branch} --key FILE --config {sha256}\n\
         or sign this with ssh-keygen:\n\n{statement}"
    ));
}

fn changes(r: &Review) {
    print(if r.before.is_some() { "\nwhat changes" } else { "\neverything is new" });
    let short = |text: &String| {
        let text = harmless(text).replace('\n', " ");
        if text.chars().count() > 100 { text.chars().take(99).chain(['…']).collect() } else { text }
    };
    let line = |c: &Changed| match (&c.before, &c.after) {
        (Some(old), Some(new)) => format!("~ {} = {} -> {}", harmless(&c.name), short(old), short(new)),
        (None, Some(new)) => format!("+ {} = {}", harmless(&c.name), short(new)),
        (old, None) => format!("- {} = {}", harmless(&c.name), old.as_ref().map(short).unwrap_or_default()),
    };
    print(&r.changes.iter().map(line).collect::<Vec<_>>().join("\n"));
    if r.before.is_some() && r.changes.is_empty() {
        print("  nothing");
    }
}

/// What a reviewer sees first of a trial.
const SHOWN: [Metric; 8] = [
    Metric::Cagr,
    Metric::Sharpe,
    Metric::MaxDrawdown,
    Metric::Trades,
    Metric::WinRate,
    Metric::Liquidations,
    Metric::FeesUsdt,
    Metric::FundingUsdt,
];

fn figures(r: &Review, f: &Figures) {
    let show = |v: Option<&f64>| v.map_or("-".into(), |v| format!("{v:.4}"));
    let row = |m: Metric| {
        let before = r.figures_before.as_ref().and_then(|b| b.get(m.name()));
        vec![m.name().to_string(), show(before), show(f.metrics.get(m.name()))]
    };
    print(&table(&["out of sample", "in force", "proposed"], &SHOWN.map(row)));
    if f.metrics.get(Metric::MaxDrawdown.name()).is_some_and(|d| *d < -0.5) {
        print("WARNING: it has lost more than half of its money on the way");
    }
    let number = |v: Option<f64>| v.map_or("-".into(), |v| format!("{v:.4}"));
    let fold = |(i, f): (usize, &assay_shared::event::study::FoldFact)| {
        vec![(i + 1).to_string(), number(f.in_sample), number(f.out_of_sample), f.oos_trades.to_string()]
    };
    let folds: Vec<_> = f.folds.iter().enumerate().map(fold).collect();
    print(&format!("\n{}", table(&["fold", "in sample", "out of sample", "trades"], &folds)));
    let d = &f.data;
    let (from, to) = (format_ms(d.first_ms), format_ms(d.last_ms));
    let files = d.files.map_or("nothing is said of its files".into(), |(all, checked)| {
        format!("{checked} of {all} files as the vendor's checksums say")
    });
    print(&harmless(&format!(
        "\ndata: {} from {from} to {to}, {} bars, from {}; {files}",
        d.symbols.join(", "),
        d.bars,
        d.source
    )));
    for (what, list) in [("treatment", &d.treatments), ("assumption", &d.assumptions)] {
        list.iter().for_each(|words| print(&harmless(&format!("  {what}: {words}"))));
    }
    print(&format!(
        "its study:\n{}",
        harmless(f.study.trim_end()).lines().map(|l| format!("  {l}")).collect::<Vec<_>>().join("\n")
    ));
    let seed = match r.seed {
        Some(SeedGrade::Witnessed) => "out of the researcher's reach: a witness gave it",
        _ => "named by the researcher: other seeds may have been tried and thrown away",
    };
    print(&format!("\nits study has {} trials; the seed is {seed}", f.trials));
    let defined = |v: Option<f64>| v.map_or("undefined".into(), |v| format!("{v:.4}"));
    match (&f.statistics, r.proposal.config.promotion.generated_data) {
        (_, true) => print("no statistic says anything on generated data"),
        (None, _) => print("its Sharpe ratio is undefined, and so is every statistic of it"),
        (Some(s), _) => print(&format!(
            "beside {} trials of {} studies on prices that overlap (variance {:.3e}): deflated Sharpe ratio {}, alone {};\n\
             minimum track record {} of {} bars; probability that the study's choice is overfitted: {}",
            s.trials,
            s.studies,
            s.variance,
            defined(s.dsr),
            defined(s.psr),
            s.min_track_record.map_or("undefined".into(), |v| format!("{v:.0}")),
            s.bars,
            defined(f.pbo)
        )),
    }
    let who = r.preview.reproduced.iter().map(|(person, origin)| format!("{person} ({})", origin.name()));
    let who: Vec<String> = who.collect();
    print(&format!("reproduced by: {}", if who.is_empty() { "nobody else".into() } else { who.join(", ") }));
}

//! The page of a review: what speaks against a proposal and its figures first, every field at the end.

use super::later;
use super::output::{grouped, one_line};
use super::page::Block;
use assay_lab::concerns::{About, concerns};
use assay_lab::review::{Changed, Review};
use assay_production::gate::{Check, Figures, Limit};
use assay_shared::event::SeedGrade;
use assay_shared::format::reproduction::Origin;
use assay_shared::metric::{Metric, Unit};
use assay_shared::strategy::Strategy;
use assay_shared::strategy::explain::{Section, explain};
use assay_shared::study::Study;
use assay_shared::time::{format_ms, format_us};
use std::collections::BTreeMap;

/// Everything that a reviewer decides by: what speaks against it and the figures first, every field at the end.
pub fn blocks(r: &Review, branch: &str) -> Vec<Block> {
    let p = &r.proposal.config.promotion;
    let mut out = Vec::new();
    let reason = one_line(r.reason.as_deref().unwrap_or("no reason was given"));
    match p.restores_version {
        Some(_) if p.retired => {
            out.push(Block::Warning(format!("RETIRES {}: nothing of it will be live: {reason}", p.strategy)));
        }
        Some(v) => out.push(Block::Words(format!("rollback to version {v}: {reason}"))),
        None => {}
    }
    let against = concerns(r);
    let kinds: Vec<&str> = {
        let mut kinds: Vec<About> = against.iter().map(|c| c.about).collect();
        kinds.dedup();
        kinds.into_iter().map(About::name).collect()
    };
    let head = if kinds.is_empty() { String::new() } else { format!(": {}", kinds.join(", ")) };
    out.push(Block::Title(format!("what speaks against it{head}")));
    out.push(match against.is_empty() {
        true => Block::Words("nothing that this program can see".into()),
        false => Block::List(against.iter().map(|c| format!("{}: {}", c.about.name(), c.words)).collect()),
    });
    if let Some(figures) = &r.preview.figures {
        self::figures(r, figures, &mut out);
    }
    gate(r, &mut out);
    if let Ok(strategy) = Strategy::recorded(&r.proposal.config.strategy_text) {
        out.push(Block::Title("what it does".into()));
        let lines = |(head, lines): Section| vec![head.to_string(), lines.join("; ")];
        let mut rows: Vec<Vec<String>> = explain(&strategy).into_iter().map(lines).collect();
        let values = &r.proposal.config.parameters;
        let values: Vec<String> = values.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        rows.push(vec!["With".into(), values.join(", ")]);
        out.push(Block::Table(vec!["", ""], rows));
    }
    if let Some(figures) = &r.preview.figures {
        origins(r, figures, &mut out);
    }
    if r.preview.figures.is_some() {
        out.push(Block::Title("words".into()));
        let row = |(word, means): (&str, &str)| vec![word.to_string(), means.to_string()];
        out.push(Block::Table(vec!["", ""], WORDS.map(row).to_vec()));
    }
    changes(r, &mut out);
    let sha256 = r.proposal.sha256;
    out.push(Block::Title("to do".into()));
    out.push(Block::Words(format!(
        "to reproduce: assay reproduce {branch} --key FILE\nto approve: assay approve {branch} --key FILE --config {sha256}\n\
         or sign this with ssh-keygen:"
    )));
    out.push(Block::Code(r.proposal.statement.clone()));
    out
}

/// What the policy asks for, and every check of the gate.
fn gate(r: &Review, out: &mut Vec<Block>) {
    if !r.preview.limits.is_empty() {
        out.push(Block::Title("what the policy asks for".into()));
        let row = |l: &Limit| {
            let kept = if l.broken.is_none() { "kept" } else { "BROKEN" };
            vec![l.name.to_string(), l.asked.clone(), l.usual.clone(), l.found.clone(), kept.into()]
        };
        out.push(Block::Table(
            vec!["limit", "asked", "by a new policy", "found", ""],
            r.preview.limits.iter().map(row).collect(),
        ));
    }
    out.push(Block::Title("the gate".into()));
    let row = |c: &Check| match &c.outcome {
        // What came of it is for people to judge.
        Ok(words) if c.name == "seen later" => vec![c.name.to_string(), "recorded".into(), words.clone()],
        Ok(words) => vec![c.name.to_string(), "ok".into(), words.clone()],
        // What others have still to do is no refusal of the proposal.
        Err(words) if matches!(c.name, "approvals" | "reproductions") => {
            vec![c.name.to_string(), "not yet".into(), words.clone()]
        }
        Err(words) => vec![c.name.to_string(), "REFUSED".into(), words.clone()],
    };
    out.push(Block::Table(vec!["check", "", "what it says"], r.preview.checks.iter().map(row).collect()));
}

fn changes(r: &Review, out: &mut Vec<Block>) {
    out.push(Block::Title(if r.before.is_some() { "what changes" } else { "everything is new" }.into()));
    let line = |c: &Changed| match (&c.before, &c.after) {
        (Some(old), Some(new)) => {
            let (old, new) = apart(old, new);
            format!("~ {} = {old} -> {new}", c.name)
        }
        (None, Some(new)) => format!("+ {} = {}", c.name, short(new)),
        (old, None) => format!("- {} = {}", c.name, old.as_ref().map(|old| short(old)).unwrap_or_default()),
    };
    let lines: Vec<String> = r.changes.iter().map(line).collect();
    out.push(Block::Code(if lines.is_empty() { "  nothing".into() } else { lines.join("\n") }));
}

/// Most characters of a value that is shown whole.
const WHOLE: usize = 400;
/// Characters beside a difference.
const BESIDE: usize = 40;

fn short(text: &str) -> String {
    let text = text.replace('\n', " ");
    if text.chars().count() > WHOLE { text.chars().take(WHOLE).chain(" ...".chars()).collect() } else { text }
}

/// Two values, so that what differs is seen: of long ones what they have in common is left out.
fn apart(old: &str, new: &str) -> (String, String) {
    let (old, new): (Vec<char>, Vec<char>) =
        (old.replace('\n', " ").chars().collect(), new.replace('\n', " ").chars().collect());
    if old.len().max(new.len()) <= 100 {
        return (old.into_iter().collect(), new.into_iter().collect());
    }
    let front = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - front;
    let back = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let (from, behind) = (front.saturating_sub(BESIDE), back.saturating_sub(BESIDE));
    let part = |all: &[char]| {
        let middle: String = all[from..all.len() - behind].iter().collect();
        let (before, after) = (if from > 0 { "... " } else { "" }, if behind > 0 { " ..." } else { "" });
        format!("{before}{middle}{after}")
    };
    (part(&old), part(&new))
}

/// Words of the page that not everybody has.
const WORDS: [(&str, &str); 8] = [
    ("out of sample", "bars of each fold that come after those that it is compared with; the study chose by both"),
    ("score", "median of the folds' figures out of sample, less their spread, less what was lost against in sample"),
    ("vault", "the last days of the data, which no trial of the study saw"),
    ("forward", "bars that began after the study was opened"),
    (
        "deflated Sharpe ratio",
        "probability that its Sharpe ratio is above what the best of all those trials has without any edge",
    ),
    ("alone", "probability that its Sharpe ratio is above zero, as if nothing else had been tried"),
    ("probability of overfitting", "how often the best of one half of the data is below the median on the other half"),
    (
        "minimum track record",
        "bars that it takes to be 95 % sure that its Sharpe ratio is above zero, if it were the only trial",
    ),
];

/// What a reviewer sees first of a trial.
const SHOWN: [Metric; 13] = [
    Metric::Cagr,
    Metric::Volatility,
    Metric::Sharpe,
    Metric::Sortino,
    Metric::Calmar,
    Metric::MaxDrawdown,
    Metric::ProfitFactor,
    Metric::Trades,
    Metric::WinRate,
    Metric::Exposure,
    Metric::Liquidations,
    Metric::FeesUsdt,
    Metric::FundingUsdt,
];

/// What the trial was searched for, and how it stands among the others of its study.
fn standing(r: &Review, f: &Figures) -> String {
    let values: Vec<String> = f.objectives.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
    let own = r.proposal.config.promotion.trial_id;
    let best = match f.standing.best {
        Some(best) if best == own => "it is the best of its study by the score".to_string(),
        Some(best) => format!("it is not the best of its study by the score: that is trial {best}"),
        None => "no trial of its study is feasible".into(),
    };
    let front = match f.standing.front {
        None => "",
        Some(true) => "; on the front of its objectives",
        Some(false) => "; another trial is as good in every objective and better in one",
    };
    format!("{}\n{best}{front}", values.join(", "))
}

/// A figure in its unit.
fn shown(m: Metric, v: f64) -> String {
    match m.unit() {
        Unit::Fraction => format!("{:.1} %", v * 100.0),
        Unit::Ratio => format!("{v:.3}"),
        Unit::Usdt => format!("{}{} USDT", if v < 0.0 { "-" } else { "" }, grouped(v.abs().round() as u64)),
        Unit::Count | Unit::Bars => format!("{v:.0}"),
    }
}

fn figures(r: &Review, f: &Figures, out: &mut Vec<Block>) {
    out.push(Block::Title("figures".into()));
    let show = |m: Metric, of: Option<&BTreeMap<String, f64>>| {
        of.and_then(|of| of.get(m.name())).map_or("-".into(), |v| shown(m, *v))
    };
    let name =
        |m: Metric| if m == Metric::FundingUsdt { "funding_usdt (paid: below zero)" } else { m.name() }.to_string();
    match &r.figures_before {
        Some(before) => {
            let row = |m: Metric| vec![name(m), show(m, Some(before)), show(m, Some(&f.metrics))];
            out.push(Block::Table(vec!["out of sample", "in force", "proposed"], SHOWN.map(row).to_vec()));
        }
        None => {
            let row = |m: Metric| vec![name(m), show(m, Some(&f.metrics))];
            out.push(Block::Table(vec!["out of sample", "proposed"], SHOWN.map(row).to_vec()));
        }
    }
    out.push(Block::Words(standing(r, f)));
    out.extend([Block::Title("how it was found".into()), Block::Words(found(r, f))]);
    if Study::recorded(&f.study).is_ok_and(|s| s.declared.is_none()) {
        out.push(Block::Words(
            "nothing was declared before the search: no hypothesis, and nothing that would refute it".into(),
        ));
    }
    if let Some(declared) = Study::recorded(&f.study).ok().and_then(|s| s.declared) {
        out.push(Block::Title("what was declared before the search".into()));
        let row = |name: &str, text: &str| vec![name.to_string(), one_line(text)];
        let rows = vec![row("hypothesis", &declared.hypothesis), row("refuted if", &declared.refuted_if)];
        out.push(Block::Table(vec!["", ""], rows));
    }
    out.push(Block::Title("seen afterwards".into()));
    if !f.later.is_empty() {
        out.push(Block::Table(later::HEAD.to_vec(), later::rows(f.later.iter().map(|(run, l)| (run, l)))));
    }
    let mut worth = later::worth(f.later.iter().map(|(run, l)| (run, l)));
    if !f.later.is_empty() {
        worth += "\nas recorded; `assay reproduce` runs all of it again. What was recorded after a reproduction only its author vouches for";
    }
    out.push(Block::Words(worth));
    let number = |v: Option<f64>| v.map_or("-".into(), |v| format!("{v:.4}"));
    let fold = |(i, f): (usize, &assay_shared::event::study::FoldFact)| {
        vec![(i + 1).to_string(), number(f.in_sample), number(f.out_of_sample), f.oos_trades.to_string()]
    };
    let figure =
        Study::recorded(&f.study).map_or(String::new(), |s| format!(": {} of each", s.objective.figure.name()));
    out.push(Block::Title(format!("folds{figure}")));
    let folds = f.folds.iter().enumerate().map(fold).collect();
    out.push(Block::Table(vec!["fold", "in sample", "out of sample", "trades"], folds));
    out.push(Block::Words(
        "the study chose by all of these: only what was seen afterwards was not chosen by. A trade that lasts from one fold into \
         the next counts in the whole only"
            .into(),
    ));
}

/// Its data, and its study as it was opened.
fn origins(r: &Review, f: &Figures, out: &mut Vec<Block>) {
    let d = &f.data;
    let (from, to) = (format_ms(d.first_ms), format_ms(d.last_ms));
    let files = d.files.map_or("nothing is said of its files".into(), |(all, checked)| {
        format!("{checked} of {all} files fit a checksum beside them, by its author's word")
    });
    let symbols = d.symbols.join(", ");
    let source = one_line(&d.source);
    let known = match r.preview.reproduced.values().any(|o| *o == Origin::Vendor) {
        true => {
            "a reproduction read the same prices from files that the exchange's archive confirmed to the reproducer"
        }
        false => "where they come from is its author's word: no reproduction read them from the vendor's files",
    };
    let mut data = vec![
        format!("{symbols} from {from} to {to}, {} bars", d.bars),
        format!("by its author from a folder called \"{source}\"; {files}"),
        known.into(),
    ];
    for (what, list) in [("treatment", &d.treatments), ("assumption", &d.assumptions)] {
        data.extend(list.iter().map(|words| format!("{what}: {}", one_line(words))));
    }
    out.extend([Block::Title("data".into()), Block::Words(data.join("\n"))]);
    out.extend([Block::Title("its study".into()), Block::Code(f.study.clone())]);
}

fn found(r: &Review, f: &Figures) -> String {
    let known = |c: &Check| c.name == "seed" && c.outcome.is_ok();
    let seed = match r.seed {
        Some(SeedGrade::Witnessed) if r.preview.checks.iter().any(known) => {
            "out of the researcher's reach: the policy's first witness gave it"
        }
        Some(SeedGrade::Witnessed) => {
            "given by a witness that is not the policy's first: it may be the researcher's own, or the one of several that pleased"
        }
        _ => "named by the researcher: other seeds may have been tried and thrown away",
    };
    let defined = |v: Option<f64>| v.map_or("undefined".into(), |v| format!("{v:.4}"));
    let statistics = match (&f.statistics, r.proposal.config.promotion.generated_data) {
        (_, true) => "no statistic says anything on generated data".into(),
        (None, _) => "its Sharpe ratio is undefined, and so is every statistic of it".into(),
        (Some(s), _) => format!(
            "beside {} (variance {:.3e}, no less than that of chance): deflated Sharpe ratio {}, alone {};\n\
             minimum track record {} of {} bars; probability that a choice by Sharpe ratio is overfitted: {}",
            s.beside(),
            s.variance,
            defined(s.dsr),
            defined(s.psr),
            s.min_track_record.map_or("undefined".into(), |v| format!("{v:.0}")),
            s.bars,
            defined(f.pbo)
        ),
    };
    let data = |origin: &Origin| match origin {
        Origin::Vendor => "on files that the exchange's archive confirmed",
        Origin::Import => "on own files that nothing confirms",
        Origin::Proposer => "on its author's copy of the data or of the exchange's rules",
    };
    let who: Vec<String> =
        r.preview.reproduced.iter().map(|(person, origin)| format!("{person} {}", data(origin))).collect();
    let who = if who.is_empty() { "nobody else".into() } else { who.join(", ") };
    let opened = f.opened_us.map_or(String::new(), |us| format!(", opened {} by its author's clock", format_us(us)));
    let given = match f.given.len() {
        0 => String::new(),
        n => format!(", {n} of them given by hand"),
    };
    let rounds = match f.rounds {
        0 => String::new(),
        n => format!(", extended after it was complete {n} times"),
    };
    let elsewhere = match f.elsewhere {
        (0, _) => String::new(),
        (trials, studies) => format!(
            "\n{trials} trials of {studies} other searches in the logs do not count beside it: their authors say that they were on other symbols or times"
        ),
    };
    format!(
        "its study has {} trials{given}{rounds}{opened}; the seed is {seed}\n{statistics}{elsewhere}\nreproduced by: {who}",
        f.trials
    )
}

#[cfg(test)]
mod tests {
    use super::apart;

    /// Two values that differ look different, however long they are and wherever it is, and nobody reads much of them.
    #[test]
    fn differences_are_seen() {
        for (front, back) in [(0, 0), (3, 200), (200, 3), (300, 300), (90, 9), (0, 120), (120, 0)] {
            for (old, new) in
                [("", "x"), ("x", ""), ("a", "b"), ("aa", "aaa"), ("ab", "ba"), ("180,-1", "180, 1"), ("…", "c")]
            {
                let with = |middle: &str| format!("{}{middle}{}", "a".repeat(front), "a".repeat(back));
                let (a, b) = apart(&with(old), &with(new));
                assert_ne!(a, b, "{front} {old} {new} {back}");
                assert!(a.chars().count() < 120 && b.chars().count() < 120, "{a} {b}");
            }
        }
    }
}

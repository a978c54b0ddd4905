//! Quality reports and snapshots, shown.

use crate::cli::Context;
use crate::cli::output::{counted, grouped, print, print_json, table};
use assay_lab::LabError;
use assay_lab::erased::erasures;
use assay_lab::kept::{Kept, kept};
use assay_ledger::Hash;
use assay_research::data::Oddity;
use assay_research::data::snapshot::{Contents, path};
use assay_research::mirror::query::SnapshotRow;
use assay_research::report::quality::{NotUsed, QualityReport, SeriesRow};
use assay_shared::time::{format_date, interval_text};
use serde_json::json;
use std::collections::BTreeMap;

/// Shows what was found, where it is to be shown.
pub fn show_quality(report: &QualityReport, out: fn(&str)) {
    if report.generated {
        out("GENERATED DATA: these prices are made up");
    }
    show_unused(&report.unused, out);
    let mut fields: Vec<&str> = Vec::new();
    for field in report.series.iter().flat_map(|s| &s.fields).filter(|f| !f.is_empty()) {
        if !fields.contains(&field.as_str()) {
            fields.push(field);
        }
    }
    out(&format!(
        "{} x {} {} bars, {} to {} UTC, with {}",
        counted(report.series.len(), "symbol"),
        grouped(report.bars),
        report.interval,
        report.first,
        report.last,
        fields.join(", ")
    ));
    if let Some(finer) = &report.detail {
        let (known, all) = report.paths;
        out(&format!("bars of {finer} show the path inside {} of {} bars", grouped(known), grouped(all)));
    }
    report.assumptions.iter().for_each(|a| out(&format!("assumed: {a}")));
    report.treatments_unused.iter().for_each(|t| out(&format!("nothing to treat: {t} is not recorded")));
    let row = |f: &Oddity| vec![f.symbol.clone(), f.code.to_string(), f.verdict(), f.detail.clone()];
    let shown: Vec<Vec<String>> = report.findings.iter().take(24).map(row).collect();
    if shown.is_empty() {
        out("quality: nothing odd found");
        return;
    }
    out(&format!("quality: {}, {} of them errors", counted(report.findings.len(), "finding"), report.errors()));
    out(&table(&["symbol", "finding", "verdict", "detail"], &shown));
    if report.findings.len() > shown.len() {
        out(&format!("… and {} more (--json shows all)", report.findings.len() - shown.len()));
    }
}

/// Lists the files that were not read, those with one reason together.
fn show_unused(unused: &[NotUsed], out: fn(&str)) {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for u in unused {
        reasons.entry(&u.why).or_default().push(&u.file);
    }
    for (why, files) in reasons {
        let more = if files.len() > 3 { format!(" and {} more", files.len() - 3) } else { String::new() };
        out(&format!("not used: {}{more}: {why}", files[..files.len().min(3)].join(", ")));
    }
}

fn words(kept: &Kept) -> String {
    match kept {
        Kept::There => "there".into(),
        Kept::Damaged => "DAMAGED: import the files again".into(),
        Kept::Gone => "GONE: import the files again".into(),
        Kept::Erased(at) => format!("ERASED: entry {at} says so"),
    }
}

/// All that is recorded of the one snapshot whose hash begins so.
pub fn one(cx: &Context, begin: &str) -> Result<(), LabError> {
    let lab = cx.lab()?;
    let rows = lab.mirror()?.snapshots()?;
    let found: Vec<&SnapshotRow> = rows.iter().filter(|s| s.data_hash.starts_with(begin)).collect();
    let [s] = found[..] else {
        let what = match found.len() {
            0 => format!("no snapshot {begin} is registered"),
            n => format!("{n} snapshots have a hash that begins with {begin}"),
        };
        return Err(LabError::usage(what, "see `assay data show`"));
    };
    let (kept, contents) = kept(&lab, &s.data_hash)?;
    let rows = |c: &Contents| c.series.iter().map(|sum| SeriesRow::of(sum, s.interval_ms)).collect::<Vec<_>>();
    let series = contents.as_ref().map(rows);
    let finer = contents.as_ref().and_then(|c| c.detail.as_ref());
    if cx.json {
        let mut row = json!(s);
        row["series"] = json!(series.unwrap_or_default());
        row["data"] = json!(words(&kept));
        row["detail"] = json!(finer.map(|f| interval_text(f.interval_ms)));
        print_json(&row);
        return Ok(());
    }
    let line = |name: &str, value: &str| vec![name.to_string(), value.to_string()];
    let mut out = vec![
        line("data hash", &s.data_hash),
        line("kind", if s.generated { "GENERATED, not real data" } else { "real" }),
        line("source", &s.source),
        line("data", &words(&kept)),
        line("rule book", s.rulebook_hash.as_deref().unwrap_or("the one that was registered with it")),
    ];
    if let (Some(files), Some(checked)) = (s.files, s.vendor_checked) {
        let words = format!("{files}, {checked} of them compared with the vendor's checksum");
        out.push(line("raw files", &words));
    }
    if let Some(finer) = finer {
        let all: u64 = finer.series.iter().map(|s| s.bars).sum();
        let words =
            format!("{} bars of {} of {} symbols", grouped(all), interval_text(finer.interval_ms), finer.series.len());
        out.push(line("finer bars", &words));
    }
    out.push(line("findings", &s.findings.to_string()));
    let list = |text: &str, mark: &str| -> Vec<String> {
        text.split(mark).map(str::trim).filter(|t| !t.is_empty()).map(str::to_string).collect()
    };
    list(&s.treatments, ",").iter().for_each(|t| out.push(line("treatment", t)));
    list(&s.assumptions, ";").iter().for_each(|a| out.push(line("assumption", a)));
    print(&table(&["what", "value"], &out));
    let row =
        |s: &SeriesRow| vec![s.symbol.clone(), s.first.clone(), s.last.clone(), s.bars.to_string(), s.fields.join(" ")];
    if let Some(series) = series {
        print("");
        print(&table(&["symbol", "first", "last", "bars", "fields"], &series.iter().map(row).collect::<Vec<_>>()));
    }
    Ok(())
}

/// The snapshots of a lab.
pub fn list(cx: &Context) -> Result<(), LabError> {
    let lab = cx.lab()?;
    let (rows, erased) = (lab.mirror()?.snapshots()?, erasures(&lab.log()?)?);
    // Data that were imported again are there again.
    let gone = |hash: Hash| erased.contains_key(&hash.0) && !path(&lab.snapshot_dir(), &hash).exists();
    let erased = |s: &SnapshotRow| s.data_hash.parse().is_ok_and(gone);
    if cx.json {
        let row = |s: &SnapshotRow| {
            let mut row = json!(s);
            row["erased"] = json!(erased(s));
            row
        };
        print_json(&rows.iter().map(row).collect::<Vec<_>>());
        return Ok(());
    }
    let row = |s: &SnapshotRow| {
        let kind = match (erased(s), s.generated) {
            (true, _) => "ERASED",
            (_, true) => "GENERATED",
            _ => "real",
        };
        vec![
            s.data_hash[..12].into(),
            kind.into(),
            interval_text(s.interval_ms),
            format_date(s.first_ms),
            format_date(s.last_ms),
            s.bars.to_string(),
            s.symbols.clone(),
        ]
    };
    print(&table(
        &["data hash", "kind", "bar", "first", "last", "bars", "symbols"],
        &rows.iter().map(row).collect::<Vec<_>>(),
    ));
    Ok(())
}

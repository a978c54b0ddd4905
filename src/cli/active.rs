//! `assay active`

use super::Context;
use super::output::{harmless, one_line, print, print_json, say, shortened, table};
use super::place::Place;
use assay_lab::LabError;
use assay_lab::clone::Went;
use assay_lab::halted::{Halted, standing, stood};
use assay_lab::live::{When, doubts, rows};
use assay_production::deploy::{COLUMNS, Cell, Row};
use assay_production::gate::Host;
use assay_shared::time::{format_us, parse_us};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Show what is live, or what was live at a time, who approved it and why
///
/// A version is live from its deployment (included) until the next one (excluded).
///
/// Example: assay active --at 2024-06-01T12:00
#[derive(Debug, clap::Args)]
pub struct Args {
    /// As of this time, UTC
    #[arg(long)]
    at: Option<String>,
    /// Every version that ever was live
    #[arg(long)]
    history: bool,
    /// The gate's folder [default: the lab's]
    #[arg(long)]
    gate: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

impl Args {
    /// The whole history of the lab's gate.
    pub fn all_history() -> Args {
        Args { at: None, history: true, gate: None, place: Place::default() }
    }
}

/// A row as JSON, by column name.
pub fn to_json(row: &Row) -> Value {
    let mut out = serde_json::Map::new();
    out.insert("strategy".into(), json!(row.strategy));
    out.insert("version".into(), json!(row.version));
    for ((name, _), cell) in COLUMNS.iter().zip(&row.cells) {
        out.insert(
            (*name).into(),
            match cell {
                Cell::Int(i) => json!(i),
                Cell::Text(t) if matches!(*name, "approvers" | "environment" | "event_hashes") => {
                    serde_json::from_str(t).unwrap_or(json!(t))
                }
                Cell::Text(t) => json!(t),
            },
        );
    }
    out.insert("deployed_at".into(), json!(format_us(row.deployed_us as u64)));
    Value::Object(out)
}

/// A time, where somebody said one.
fn since(at_us: u64) -> String {
    // To the next millisecond, at which it surely was live.
    if at_us == 0 { "not said".into() } else { format_us(at_us.saturating_add(999))[..23].to_string() }
}

fn nothing(args: &Args) -> String {
    args.at.as_ref().map_or("nothing is live".into(), |at| format!("nothing was live at {}", one_line(at)))
}

/// A name that whoever writes to the table gave.
fn short(name: &str) -> String {
    shortened(&one_line(name), 80)
}

/// A line for each strategy that is halted, or was.
pub fn halted_lines(halted: &BTreeMap<String, Halted>, then: bool) -> Vec<String> {
    let line = |(strategy, halt): (&String, &Halted)| {
        let unsigned = if halt.signed { "" } else { " (UNSIGNED)" };
        let (at, by) = (format_us(halt.since_us), short(&halt.by));
        let what = if then { "WAS HALTED then, since" } else { "is HALTED since" };
        let nobody = match (halt.goes_on, then) {
            (true, false) => {
                ", and TRADES ON: it was made to go on without enough people; `assay reconcile` halts it again"
            }
            (true, true) => ", and was made to go on without enough people for it",
            (false, false) => ": nobody trades it",
            (false, true) => "",
        };
        harmless(&format!("{} {what} {} by {by}{unsigned}{nobody}", short(strategy), &at[..19]))
    };
    halted.iter().map(line).collect()
}

/// What the log of the deploy host says, from a clone.
fn of_clone(cx: &Context, args: &Args, when: When) -> Result<(), LabError> {
    let clone = args.place.verified(cx)?;
    let went = match when {
        When::Now => clone.live_now()?,
        When::At(us) => clone.live_at(u64::try_from(us).unwrap_or_default())?,
        When::Ever => clone.went_live()?,
    };
    let halted = match when {
        When::Now => clone.halted(None)?,
        When::At(us) => clone.halted(Some(u64::try_from(us).unwrap_or_default()))?,
        When::Ever => BTreeMap::new(),
    };
    if cx.json {
        let row = |w: &Went| {
            let mut out = json!(w);
            if when != When::Ever {
                out["halted"] = json!(halted.contains_key(&w.strategy));
            }
            out
        };
        print_json(&went.iter().map(row).collect::<Vec<_>>());
    } else if went.is_empty() {
        print(&nothing(args));
    } else {
        let row = |w: &Went| {
            let note = match (w.on_the_branch, w.retired) {
                (false, _) => "NOT ON THE BRANCH",
                (true, true) => "retired",
                (true, false) => "",
            };
            let (since, commit) = (since(w.at_us), w.commit.chars().take(12).collect::<String>());
            vec![w.strategy.clone(), w.version.to_string(), since, commit, w.config_sha256.short(), note.into()]
        };
        let head = ["strategy", "version", "live since (UTC)", "commit", "config", ""];
        print(&table(&head, &went.iter().map(row).collect::<Vec<_>>()));
        halted_lines(&halted, when != When::Now).iter().for_each(|line| print(line));
    }
    if clone.host_log()?.is_none() {
        return Ok(());
    }
    let (mut odd, unsaid) = (clone.oddities()?, clone.unsaid()?);
    match when {
        When::Now => unsaid.iter().for_each(|words| say(&harmless(words))),
        // What a host's log does not say, its history has not either.
        When::At(_) | When::Ever => odd.extend(unsaid),
    }
    match odd.is_empty() {
        true => Ok(()),
        false => Err(LabError::Verification(odd.join("; "))),
    }
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let when = match (&args.at, args.history) {
        (Some(text), _) => {
            let bad = || LabError::usage(format!("'{text}' is not a time"), "write it as 2024-06-01T12:00");
            When::At(parse_us(text).ok_or_else(bad)?)
        }
        (None, true) => When::Ever,
        (None, false) => When::Now,
    };
    if args.gate.is_none() && args.place.is_clone(cx) {
        return of_clone(cx, &args, when);
    }
    let host = match &args.gate {
        Some(dir) => Host::open(dir)?,
        None => cx.lab()?.gate()?,
    };
    let rows = rows(&host, when)?;
    let doubts = doubts(&host, &rows);
    let halted = match when {
        When::Now => standing(&host)?,
        When::At(us) => stood(&host, Some(u64::try_from(us).unwrap_or_default()))?,
        When::Ever => BTreeMap::new(),
    };
    if cx.json {
        let row = |(row, doubt): (&Row, &Option<&str>)| {
            let mut out = to_json(row);
            out["doubt"] = json!(doubt);
            if when != When::Ever {
                out["halted"] = json!(halted.contains_key(&row.strategy));
            }
            out
        };
        print_json(&rows.iter().zip(&doubts).map(row).collect::<Vec<_>>());
        return Ok(());
    }
    if rows.is_empty() {
        print(&nothing(&args));
        return Ok(());
    }
    let row = |r: &Row| {
        let approvers: Vec<String> = serde_json::from_str(r.text("approvers")).unwrap_or_default();
        vec![
            r.strategy.clone(),
            r.version.to_string(),
            since(r.deployed_us as u64),
            r.text("author").into(),
            approvers.join(","),
            r.text("study_id")[..12.min(r.text("study_id").len())].into(),
            r.text("config_sha256")[..12.min(r.text("config_sha256").len())].into(),
        ]
    };
    print(&table(
        &["strategy", "version", "live since (UTC)", "author", "approved by", "study", "config"],
        &rows.iter().map(row).collect::<Vec<_>>(),
    ));
    for (r, doubt) in rows.iter().zip(&doubts).filter_map(|(r, doubt)| Some((r, (*doubt)?))) {
        print(&format!("{} v{}: {doubt}; `assay reconcile --check` says more", one_line(&r.strategy), r.version));
    }
    halted_lines(&halted, when != When::Now).iter().for_each(|line| print(line));
    Ok(())
}

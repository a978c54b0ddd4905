//! `assay halt` and `assay resume`

use super::Context;
use super::complete;
use super::output::{harmless, one_line, print, print_json, say, table};
use assay_lab::LabError;
use assay_lab::halt::{halt, resume};
use assay_lab::halted::list;
use assay_lab::notify::{Kind, News, tell};
use assay_production::deploy::halts::{Word, in_force};
use assay_production::gate::Host;
use assay_shared::time::format_us;
use serde_json::json;
use std::path::PathBuf;

/// Stop a strategy at once: whoever trades reads the table `halts` beside the live one
///
/// It needs the gate's folder and the live table, and neither git nor the ledger. A halt stops also without a key, and
/// is then reported as unsigned. `assay resume` needs several people.
///
/// Example: assay halt trend --reason "the exchange changes its fees" --key ~/.ssh/id_ed25519
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The strategy
    #[arg(required_unless_present = "list")]
    strategy: Option<String>,
    /// Why
    #[arg(long, required_unless_present = "list")]
    reason: Option<String>,
    /// Your name
    #[arg(long, default_value = "somebody")]
    person: String,
    /// Your private key
    #[arg(long)]
    key: Option<PathBuf>,
    /// Show what was said so far
    #[arg(long)]
    list: bool,
    /// The gate's folder [default: the lab's]
    #[arg(long)]
    gate: Option<PathBuf>,
}

/// Vote for going on with a halted strategy; with enough votes it trades again
///
/// It takes one more person than approvals of a promotion. The strategy trades as it did: the deployed version never
/// changed.
///
/// Example: assay resume trend --key ~/.ssh/id_ed25519
#[derive(Debug, clap::Args)]
pub struct ResumeArgs {
    /// The strategy
    #[arg(add = complete::strategies())]
    strategy: String,
    /// Your private key
    #[arg(long)]
    key: PathBuf,
    /// The gate's folder [default: the lab's]
    #[arg(long)]
    gate: Option<PathBuf>,
}

fn host(cx: &Context, gate: Option<&PathBuf>) -> Result<Host, LabError> {
    match gate {
        Some(dir) => Ok(Host::open(dir)?),
        None => cx.lab()?.gate(),
    }
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let host = host(cx, args.gate.as_ref())?;
    let (Some(strategy), Some(reason), false) = (args.strategy, args.reason, args.list) else {
        return said(cx, &host);
    };
    let (row, signed) = halt(&host, &strategy, &args.person, &reason, args.key.as_deref(), &cx.session)?;
    // A name counts where its signature does.
    let unsigned = if signed { "" } else { " (UNSIGNED)" };
    let words = format!("{strategy} is halted by {}{unsigned}: {reason}", row.person);
    tell(host.dir(), &[News::now(Kind::Halt, Some(&strategy), words)]);
    if cx.json {
        print_json(&row);
    } else {
        print(&format!("{strategy} is halted"));
        if !signed {
            say("it is unsigned, and will be reported as such: sign with --key");
        }
    }
    Ok(())
}

fn said(cx: &Context, host: &Host) -> Result<(), LabError> {
    let rows = list(host)?;
    if cx.json {
        print_json(&rows.iter().map(|(row, signed)| json!({"row": row, "signed": signed})).collect::<Vec<_>>());
        return Ok(());
    }
    let all: Vec<_> = rows.iter().map(|(row, _)| row.clone()).collect();
    let line = |(row, signed): &(assay_production::deploy::halts::Halt, Option<bool>)| {
        let in_force = in_force(&all, &row.strategy).is_some_and(|h| h == row);
        let who = match signed {
            Some(true) => row.person.clone(),
            // Votes before it carry it.
            Some(false) if row.word == Word::Resume => row.person.clone(),
            Some(false) => format!("{} (UNSIGNED)", row.person),
            None => format!("{} (not checked)", row.person),
        };
        let state = if in_force { "in force" } else { "" };
        let why = row.statement.lines().find_map(|line| line.strip_prefix("reason ")).unwrap_or_default();
        let at = format_us(row.at_us.unsigned_abs())[..19].to_string();
        let cells = [row.strategy.as_str(), row.word.name(), &at, &who, state, why];
        // Whoever may write there may write anything.
        cells.map(|cell| harmless(&one_line(cell)).chars().take(120).collect()).to_vec()
    };
    print(&table(&["strategy", "", "at (UTC)", "by", "", "why"], &rows.iter().map(line).collect::<Vec<_>>()));
    Ok(())
}

pub fn run_resume(cx: &Context, args: ResumeArgs) -> Result<(), LabError> {
    let host = host(cx, args.gate.as_ref())?;
    let found = resume(&host, &args.strategy, &args.key, &cx.session)?;
    if found.done {
        let words = format!("{} goes on: {}", args.strategy, found.people.join(", "));
        tell(host.dir(), &[News::now(Kind::Resume, Some(&args.strategy), words)]);
    }
    if cx.json {
        print_json(&json!({"people": found.people, "need": found.need, "done": found.done}));
    } else if found.done {
        print(&format!("{} goes on: {}", args.strategy, found.people.join(", ")));
    } else {
        let (people, need) = (found.people.join(", "), found.need);
        print(&format!("{} stays halted: {} of {need} are for going on ({people})", args.strategy, found.people.len()));
    }
    Ok(())
}

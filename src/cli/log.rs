//! `assay log`

use super::Context;
use super::complete;
use super::output::{print, say};
use assay_lab::LabError;
use assay_ledger::{Entry, Log};
use assay_shared::event::Event;
use assay_shared::time::{format_us, parse_us};
use serde_json::{Value, json};

/// Show the ledger's events, newest last
///
/// With --json, one JSON object a line, for jq.
///
/// Example: assay log --kind PromotionProposed --json
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this kind
    #[arg(long, add = complete::kinds())]
    kind: Option<String>,
    /// From this position on
    #[arg(long)]
    from: Option<u64>,
    /// From this time on, UTC, such as 2026-11-03 or "2026-11-03 14:00:00"
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// At most this many, counted from the end
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

/// The position at which a listing begins.
fn begin(log: &Log, args: &Args) -> Result<u64, LabError> {
    let from = args.from.unwrap_or(0);
    let Some(since) = &args.since else { return Ok(from) };
    let wrong = || LabError::usage(format!("'{since}' is no time"), "write it like 2026-11-03 or 2026-11-03T14:00:00");
    let us = parse_us(since).and_then(|us| u64::try_from(us).ok()).ok_or_else(wrong)?;
    Ok(from.max(log.since(us)?))
}

fn object(entry: &Entry) -> Value {
    let event = Event::of(entry).map_or_else(|e| json!({"unreadable": e.to_string()}), |e| e.to_json());
    json!({
        "seq": entry.seq, "id": entry.id.to_string(), "kind": entry.kind(), "version": entry.version,
        "time": format_us(entry.time_us), "author": entry.author.to_string(), "leaf": entry.leaf_hash(), "event": event,
    })
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let log = cx.lab()?.log()?;
    let begin = begin(&log, &args)?;
    if let Some(kind) = args.kind.as_deref().filter(|kind| !Event::KINDS.contains(kind))
        && log.newest_of(kind, 0..log.len(), 1)?.is_empty()
    {
        let mut kinds = Event::KINDS.to_vec();
        kinds.sort_unstable();
        kinds.dedup();
        return Err(LabError::usage(format!("there is no kind '{kind}'"), format!("kinds are {}", kinds.join(", "))));
    }
    let found: Vec<u64> = match &args.kind {
        Some(kind) => log.newest_of(kind, begin..log.len(), args.limit)?.into_iter().rev().collect(),
        None => (begin.max(log.len().saturating_sub(args.limit as u64))..log.len()).collect(),
    };
    if found.is_empty() && !cx.json {
        say("nothing of that is in the ledger");
    }
    for seq in found {
        let entry = &log.entry(seq)?;
        if cx.json {
            print(&object(entry).to_string());
            continue;
        }
        let text = Event::of(entry).map_or_else(|e| e.to_string(), |e| e.to_json().to_string());
        let short: String = text.chars().take(110).collect();
        print(&format!("{:>7}  {}  {:<20}  {short}", entry.seq, &format_us(entry.time_us)[..19], entry.kind()));
    }
    Ok(())
}

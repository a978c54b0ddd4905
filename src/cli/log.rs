//! `assay log`

use super::Context;
use super::complete;
use super::output::{print, say};
use super::place::Place;
use assay_lab::LabError;
use assay_ledger::{Entry, Log};
use assay_production::gate::VerifiedLog;
use assay_shared::event::Event;
use assay_shared::time::{format_us, parse_us};
use serde_json::{Value, json};
use std::ops::Range;

/// Show the ledger's events, newest last
///
/// With --json, one JSON object a line, for jq. Of a clone it lists a log that its repository holds, after all of it
/// was verified.
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
    /// Of a clone: which log [default: the only one that a researcher keeps]
    #[arg(long, requires = "repo")]
    origin: Option<String>,
    #[command(flatten)]
    place: Place,
}

/// What is listed: a lab's own log, or one of a clone.
enum Source<'a> {
    Own(&'a Log),
    Cloned(&'a VerifiedLog<'a>),
}

impl Source<'_> {
    fn len(&self) -> u64 {
        match self {
            Source::Own(log) => log.len(),
            Source::Cloned(log) => log.len(),
        }
    }

    fn entry(&self, seq: u64) -> Result<Entry, LabError> {
        match self {
            Source::Own(log) => Ok(log.entry(seq)?),
            Source::Cloned(log) => Ok(log.entry(seq)?),
        }
    }

    /// The newest entries of a kind, newest first.
    fn newest_of(&self, kind: &str, range: Range<u64>, limit: usize) -> Result<Vec<u64>, LabError> {
        if let Source::Own(log) = self {
            return Ok(log.newest_of(kind, range, limit)?);
        }
        let mut found = Vec::new();
        for seq in range.rev() {
            if found.len() == limit {
                break;
            }
            if self.entry(seq)?.kind() == kind {
                found.push(seq);
            }
        }
        Ok(found)
    }

    /// The first entry of a time or later, microseconds since 1970.
    fn since(&self, us: u64) -> Result<u64, LabError> {
        if let Source::Own(log) = self {
            return Ok(log.since(us)?);
        }
        // Of a log that verified no time is before the one in front of it.
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry(middle)?.time_us < us { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }
}

/// The position at which a listing begins.
fn begin(log: &Source<'_>, args: &Args) -> Result<u64, LabError> {
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
    if args.place.is_named() {
        let clone = args.place.verified(cx)?;
        list(cx, &args, &Source::Cloned(&clone.log(args.origin.as_deref())?))?;
        if !cx.json && args.origin.is_none() && clone.host_log()?.is_some() {
            say(&format!("the host's own log, of deployments and halts: --origin {}", clone.host_origin()));
        }
        return Ok(());
    }
    list(cx, &args, &Source::Own(&cx.lab()?.log()?))
}

fn list(cx: &Context, args: &Args, log: &Source<'_>) -> Result<(), LabError> {
    let begin = begin(log, args)?;
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
        let short = super::output::shortened(&text, 110);
        print(&format!("{:>7}  {}  {:<20}  {short}", entry.seq, &format_us(entry.time_us)[..19], entry.kind()));
    }
    Ok(())
}

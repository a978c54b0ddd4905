//! `assay log`

use super::Context;
use super::output::print;
use assay_lab::LabError;
use assay_ledger::Entry;
use assay_shared::event::Event;
use assay_shared::time::format_us;
use serde_json::{Value, json};

/// Show the ledger's events, newest last
///
/// With --json, one JSON object a line, for jq.
///
/// Example: assay log --kind PromotionProposed --json
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this kind
    #[arg(long)]
    kind: Option<String>,
    /// From this position on
    #[arg(long)]
    from: Option<u64>,
    /// At most this many, counted from the end
    #[arg(long, default_value_t = 50)]
    limit: usize,
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
    let mut found = std::collections::VecDeque::new();
    log.scan(args.from.unwrap_or(0), |entry| {
        if args.kind.as_ref().is_none_or(|k| k == entry.kind()) {
            found.push_back(entry);
            if found.len() > args.limit {
                found.pop_front();
            }
        }
        Ok::<(), LabError>(())
    })?;
    for entry in &found {
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

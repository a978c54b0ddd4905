//! `assay data`

use super::Context;
use super::output::{grouped, print, print_json, say, table};
use assay_lab::LabError;
use assay_lab::data::{Download, Import, Imported, Read, download, erase, read};
use assay_lab::erased::erasures;
use assay_ledger::Hash;
use assay_research::data::assemble::{Request, fields};
use assay_research::data::cells::Named;
use assay_research::data::fetch::DEFAULT_BASE;
use assay_research::data::snapshot::{Contents, contents_path, path};
use assay_research::data::source::Unused;
use assay_research::data::{Oddity, Treatments};
use assay_research::mirror::query::SnapshotRow;
use assay_shared::market::SeriesSum;
use assay_shared::rulebook::book::Between;
use assay_shared::time::{format_date, format_ms, interval_ms, interval_text, parse};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Import, download and list market data
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Import files in the exchange's layouts as a Parquet snapshot, with a quality report
    ///
    /// Every oddity is a finding; those that would falsify results stop the import unless a
    /// treatment is named, and the treatment is recorded with the snapshot.
    ///
    /// Example: assay data import ~/binance --from 2022-03-01 --symbols BTCUSDT,ETHUSDT
    Import(Box<ImportArgs>),
    /// Download monthly files from the exchange's public bulk data, with checksums and resume
    ///
    /// Example: assay data fetch --symbols BTCUSDT,ETHUSDT --from 2024-01 --to 2024-12 --out ~/binance
    Fetch {
        /// Symbols, with commas
        #[arg(long, value_delimiter = ',', required = true)]
        symbols: Vec<String>,
        /// First month, YYYY-MM
        #[arg(long)]
        from: String,
        /// Last month, YYYY-MM
        #[arg(long)]
        to: String,
        /// Bar interval
        #[arg(long, default_value = "1h")]
        interval: String,
        /// Folder for the files
        #[arg(long)]
        out: PathBuf,
        /// Address of the bulk data or of a mirror of it
        #[arg(long, default_value = DEFAULT_BASE)]
        base: String,
    },
    /// Destroy a snapshot's data, and record that it was
    ///
    /// The events about it and their proofs stay as they were; `assay verify --deep` says what was
    /// erased, and by which event. What was studied on it can be run again only by somebody who has the
    /// data.
    ///
    /// Example: assay data erase 1c682cfe… --reason "the vendor's contract ended"
    Erase {
        /// The snapshot's whole hash
        hash: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// List the snapshots of this lab, or all that is recorded of one: its rule book, files, treatments and
    /// assumptions
    ///
    /// Example: assay data show 1a2b3c4d
    Show {
        /// Beginning of a data hash
        hash: Option<String>,
    },
}

/// How to import.
#[derive(Debug, Clone, clap::Args)]
pub struct ImportArgs {
    /// Folder with the files; it is searched
    pub dir: PathBuf,
    /// Symbols, with commas [default: all that have candles]
    #[arg(long, value_delimiter = ',')]
    pub symbols: Vec<String>,
    /// Bar interval
    #[arg(long, default_value = "1h")]
    pub interval: String,
    /// First time, such as 2022-03-01
    #[arg(long)]
    pub from: Option<String>,
    /// Time before which it ends
    #[arg(long)]
    pub to: Option<String>,
    /// Treat a finding: CODE=WAY, for a symbol CODE=WAY@SYMBOL, for a stretch CODE=WAY@SYMBOL:FROM..TO; repeat
    /// for several
    ///
    /// Which codes and ways there are stands in each finding. It is recorded with the snapshot.
    #[arg(long = "treat", value_name = "CODE=WAY")]
    pub treat: Vec<String>,
    /// The same as --treat gap=longest
    #[arg(long, value_parser = ["longest", "hold"])]
    pub gaps: Option<String>,
    /// The same as --treat contradiction=first
    #[arg(long, value_parser = ["first", "last"])]
    pub duplicates: Option<String>,
    /// The same as --treat no-mark=last-price
    #[arg(long, value_parser = ["last-price"])]
    pub missing_mark: Option<String>,
    /// The same as --treat no-funding=zero --treat funding-gap=zero
    #[arg(long, value_parser = ["zero"])]
    pub missing_funding: Option<String>,
    /// Names of columns that no list knows, such as time=Zeit,close=Schluss
    #[arg(long, value_name = "WHAT=NAME,…")]
    pub columns: Option<String>,
    /// Take these fields only: volume, mark, funding, funding_mark beside the traded prices. Sources that share
    /// them have one data hash [default: all that there are]
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub fields: Option<Vec<String>>,
    /// The day on which bracket tables were seen whose file names have none
    #[arg(long, value_name = "DATE")]
    pub brackets_seen: Option<String>,
    /// Use the oldest bracket tables from this day on, though they are newer (an assumption that
    /// is recorded)
    #[arg(long, value_name = "DATE")]
    pub assume_brackets_from: Option<String>,
    /// Which bracket table holds between two days on which different ones were seen: nobody knows when the one
    /// took the other's place
    #[arg(long, default_value = "harsher", value_parser = ["harsher", "as-seen"])]
    pub brackets: String,
    /// Only print the quality report
    #[arg(long)]
    pub dry_run: bool,
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    match args {
        Args::Import(a) => {
            let (lab, request) = (cx.lab()?, a.request()?);
            let found = read(&request, &lab, !a.dry_run)?;
            show_quality(&found, cx.json);
            if a.dry_run {
                return found.check();
            }
            registered(&found.register(&lab)?);
            Ok(())
        }
        Args::Fetch { symbols, from, to, interval, out, base } => {
            let months = (from.as_str(), to.as_str());
            let connect = Duration::from_secs(10);
            let what = Download { symbols: &symbols, interval: &interval, months, base: &base, connect };
            let done = download(&what, &out, &cx.session)?;
            done.absent.iter().for_each(|path| say(&format!("the source has no {path}")));
            say(&format!("{} files in {}", done.there, out.display()));
            Ok(())
        }
        Args::Erase { hash, reason } => {
            let at = erase(&cx.lab()?, &hash, &reason)?;
            say(&format!("the data are gone; entry {at} says so"));
            Ok(())
        }
        Args::Show { hash: None } => show(cx),
        Args::Show { hash: Some(hash) } => show_one(cx, &hash),
    }
}

fn time(text: Option<&String>) -> Result<Option<i64>, LabError> {
    let bad =
        |t: &String| LabError::usage(format!("'{t}' is not a date"), "write it as 2022-03-01 or 2022-03-01T12:00");
    text.map(|t| parse(t).ok_or_else(|| bad(t))).transpose()
}

impl ImportArgs {
    /// What is asked for, in checked values.
    fn request(&self) -> Result<Import, LabError> {
        if interval_ms(&self.interval).is_none() {
            let message = format!("'{}' is not an interval", self.interval);
            return Err(LabError::usage(message, "write it as 1m, 1h, 4h or 1d"));
        }
        let request = Request {
            symbols: self.symbols.clone(),
            interval: self.interval.clone(),
            from_ms: time(self.from.as_ref())?,
            to_ms: time(self.to.as_ref())?,
            treatments: Treatments::parse(self.treated().iter().map(String::as_str))?,
            columns: Named::parse(self.columns.as_deref().unwrap_or_default())?,
            fields: self.fields.as_ref().map(|names| fields(names)).transpose()?,
        };
        time(self.brackets_seen.as_ref())?;
        Ok(Import {
            dir: self.dir.clone(),
            request,
            assume_brackets_from: self.assume_brackets_from.clone(),
            brackets_seen: self.brackets_seen.clone(),
            between: match self.brackets.as_str() {
                "as-seen" => Between::AsSeen,
                _ => Between::Harsher,
            },
        })
    }

    /// Every treatment that is named, however.
    fn treated(&self) -> Vec<String> {
        let short = [
            ("gap", &self.gaps),
            ("contradiction", &self.duplicates),
            ("no-mark", &self.missing_mark),
            ("no-funding", &self.missing_funding),
            ("funding-gap", &self.missing_funding),
        ];
        let named = short.iter().filter_map(|(code, way)| Some(format!("{code}={}", way.as_ref()?)));
        self.treat.iter().cloned().chain(named).collect()
    }
}

/// Says what was registered.
pub fn registered(imported: &Imported) {
    let (data, rules) = (imported.data_hash.short(), imported.rulebook_hash.short());
    match imported.known {
        None => say(&format!("snapshot {data} registered, rule book {rules}")),
        Some(at) => say(&format!("nothing new: snapshot {data} with rule book {rules} is registered as entry {at}")),
    }
}

/// Shows the quality report of what was read.
pub fn show_quality(found: &Read, json: bool) {
    let (contents, quality) = (found.draft.contents(), &found.quality);
    if json {
        let unused = |u: &Unused| json!({"file": u.path.display().to_string(), "why": u.why});
        let used: Vec<String> = found.found.used.iter().map(|f| f.path.display().to_string()).collect();
        let unused: Vec<Value> = found.found.unused.iter().map(unused).collect();
        print_json(&json!({"findings": quality.oddities, "used": used, "unused": unused}));
        return;
    }
    show_unused(&found.found.unused);
    let ((from, to), bars) = (contents.span(), grouped(contents.bars()));
    say(&format!(
        "{} symbols x {bars} {} bars, {} to {} UTC, with {}",
        contents.series.len(),
        interval_text(contents.interval_ms),
        format_ms(from),
        format_ms(to - contents.interval_ms),
        contents.fields().join(", ")
    ));
    let verdict = |o: &Oddity| match (&o.treated, o.error) {
        (Some(t), _) => format!("treated: {t}"),
        (None, true) if o.treatments.is_empty() => "ERROR".into(),
        (None, true) => format!("ERROR: --treat {}", o.treatments.join(" or ")),
        (None, false) => "note".into(),
    };
    let row = |o: &Oddity| vec![o.symbol.clone(), o.code.into(), verdict(o), o.detail.clone()];
    let shown: Vec<Vec<String>> = quality.oddities.iter().take(24).map(row).collect();
    if shown.is_empty() {
        say("quality: nothing odd found");
        return;
    }
    say(&format!("quality: {} findings, {} of them errors", quality.oddities.len(), quality.errors().count()));
    say(&table(&["symbol", "finding", "verdict", "detail"], &shown));
    if quality.oddities.len() > shown.len() {
        say(&format!("… and {} more (--json shows all)", quality.oddities.len() - shown.len()));
    }
}

/// Lists the files that were not read, those with one reason together.
fn show_unused(unused: &[Unused]) {
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for u in unused {
        reasons.entry(&u.why).or_default().push(u.path.display().to_string());
    }
    for (why, files) in reasons {
        let more = if files.len() > 3 { format!(" and {} more", files.len() - 3) } else { String::new() };
        say(&format!("not used: {}{more}: {why}", files[..files.len().min(3)].join(", ")));
    }
}

/// All that is recorded of the one snapshot whose hash begins so.
fn show_one(cx: &Context, begin: &str) -> Result<(), LabError> {
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
    // What an older version wrote has no such file.
    let series = s.data_hash.parse().ok().and_then(|hash: Hash| {
        let contents = Contents::read(&contents_path(&lab.snapshot_dir(), &hash), &hash).ok()?;
        Some(contents.series)
    });
    if cx.json {
        let mut row = json!(s);
        row["series"] = json!(series.iter().flatten().map(series_json).collect::<Vec<_>>());
        print_json(&row);
        return Ok(());
    }
    let line = |name: &str, value: &str| vec![name.to_string(), value.to_string()];
    let mut out = vec![
        line("data hash", &s.data_hash),
        line("kind", if s.generated { "GENERATED, not real data" } else { "real" }),
        line("source", &s.source),
        line("rule book", s.rulebook_hash.as_deref().unwrap_or("the one that was registered with it")),
    ];
    if let (Some(files), Some(checked)) = (s.files, s.vendor_checked) {
        let words = format!("{files}, {checked} of them compared with the vendor's checksum");
        out.push(line("raw files", &words));
    }
    out.push(line("findings", &s.findings.to_string()));
    let list = |text: &str, mark: &str| -> Vec<String> {
        text.split(mark).map(str::trim).filter(|t| !t.is_empty()).map(str::to_string).collect()
    };
    list(&s.treatments, ",").iter().for_each(|t| out.push(line("treatment", t)));
    list(&s.assumptions, ";").iter().for_each(|a| out.push(line("assumption", a)));
    print(&table(&["what", "value"], &out));
    let row = |s: &SeriesSum| {
        let fields: Vec<&str> = s.fields.iter().map(|(name, _)| *name).collect();
        let last = s.first_ms + (s.bars as i64 - 1) * found[0].interval_ms;
        vec![s.name.clone(), format_ms(s.first_ms), format_ms(last), s.bars.to_string(), fields.join(" ")]
    };
    if let Some(series) = series {
        print("");
        print(&table(&["symbol", "first", "last", "bars", "fields"], &series.iter().map(row).collect::<Vec<_>>()));
    }
    Ok(())
}

fn series_json(s: &SeriesSum) -> Value {
    let fields: Vec<&str> = s.fields.iter().map(|(name, _)| *name).collect();
    json!({"symbol": s.name, "first": format_ms(s.first_ms), "bars": s.bars, "fields": fields})
}

fn show(cx: &Context) -> Result<(), LabError> {
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

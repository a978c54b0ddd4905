//! Which files an import reads, and how: options that several commands share.

use assay_lab::LabError;
use assay_lab::data::Import;
use assay_research::data::Treatments;
use assay_research::data::cells::Named;
use assay_research::data::request::{Request, fields};
use assay_shared::rulebook::book::Between;
use assay_shared::time::{interval_ms, parse};
use std::path::PathBuf;

/// What to read, and how findings are treated.
#[derive(Debug, clap::Args)]
pub struct ReadArgs {
    /// Folder with the files, which is searched; or one file of candles, with --symbols where its name does not say whose
    pub dir: PathBuf,
    /// Symbols, with commas [default: all that have candles]
    #[arg(long, value_delimiter = ',')]
    pub symbols: Vec<String>,
    /// Bar interval
    #[arg(long, default_value = "1h")]
    pub interval: String,
    /// Keep the bars of this shorter interval beside them, where the folder has some: they show what came first
    /// inside a bar
    #[arg(long, value_name = "INTERVAL")]
    pub detail: Option<String>,
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
}

impl ReadArgs {
    /// What is asked for, in checked values.
    ///
    /// # Errors
    /// A value that is none.
    pub fn request(&self) -> Result<Import, LabError> {
        let all = [Some(&self.interval), self.detail.as_ref()];
        if let Some(wrong) = all.into_iter().flatten().find(|text| interval_ms(text).is_none()) {
            let message = format!("'{wrong}' is not an interval");
            return Err(LabError::usage(
                message,
                "write it as 5m, 1h, 4h or 1d: whole days, or a whole number of bars in a day",
            ));
        }
        let request = Request {
            symbols: self.symbols.iter().map(|s| s.to_uppercase()).collect(),
            interval: self.interval.clone(),
            detail: self.detail.clone(),
            from_ms: time(self.from.as_ref())?,
            to_ms: time(self.to.as_ref())?,
            treatments: Treatments::parse(self.treated().iter().map(String::as_str))?,
            columns: Named::parse(self.columns.as_deref().unwrap_or_default())?,
            fields: self.fields.as_ref().map(|names| fields(names)).transpose()?,
            ..Request::default()
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

/// A time that was named, milliseconds since 1970.
///
/// # Errors
/// A text that is none.
pub fn time(text: Option<&String>) -> Result<Option<i64>, LabError> {
    let bad =
        |t: &String| LabError::usage(format!("'{t}' is not a date"), "write it as 2022-03-01 or 2022-03-01T12:00");
    text.map(|t| parse(t).ok_or_else(|| bad(t))).transpose()
}
